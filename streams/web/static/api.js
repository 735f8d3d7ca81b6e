/** The public API as the page uses it: JSON in and out, and problem+json as errors that say what to do next. */

export const API = "/api/v1";
const TIMEOUT_MS = 45_000; // above every limit of the server, so that its own words come first

/** An answer that is no success. `type` is the word for machines, `status` 0 where there was no answer at all. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail || body.title);
    this.status = body.status;
    this.type = body.type;
    this.title = body.title;
    this.detail = body.detail || "";
    this.requestId = body.request_id || "";
    this.fields = body.fields || [];
    this.current = body.current || null;
    this.retryAfterS = body.retryAfterS || 0;
  }
}

/** Ask for something. @returns {Promise<any>} @throws {Problem} */
export function get(path, query = {}, options = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each != null && each !== "") search.append(name, each);
  }
  const text = search.toString();
  return asked(`${API}${path}${text ? `?${text}` : ""}`, { ...options, method: "GET" });
}

/** Send something. @throws {Problem} */
export function post(path, body, headers = {}) {
  return asked(`${API}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });
}

/** Take something away. @throws {Problem} */
export function remove(path) {
  return asked(`${API}${path}`, { method: "DELETE" });
}

/** The answer itself, for streams. @throws {Problem} */
export async function answer(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason?.name !== "TimeoutError") throw error;
    throw new Problem({
      status: 0, type: "unreachable", title: "The server does not answer",
      detail: "The server cannot be reached. What is shown stays; the page tries again by itself.",
    });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function asked(url, options) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  const response = await answer(url, { ...options, signal });
  return response.status === 204 ? null : response.json();
}

async function problemOf(response) {
  const about = {
    status: response.status, type: "error", title: `The server answered ${response.status}`,
    request_id: response.headers.get("x-request-id") || "",
    retryAfterS: Number(response.headers.get("retry-after")) || 0,
  };
  try {
    return new Problem({ ...about, ...await response.json() });
  } catch { // a proxy's page, say
    return new Problem(about);
  }
}

/** An id of our own, so that a command that is sent twice is carried out once. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("")}`;
}
