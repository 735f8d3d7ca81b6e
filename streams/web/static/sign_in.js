/** Signing in with a token: it is shown once, and a cookie that scripts cannot read takes its place. */

import { html, useState } from "./lib.js";
import { post } from "./api.js";
import { Failed } from "./parts.js";
import { go, place } from "./router.js";
import { me } from "./store.js";
import { restartAll } from "./stream.js";

/** The form. */
export function SignIn() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await post("/session", {}, { Authorization: `Bearer ${token.trim()}` });
      restartAll();
      location.assign(place.value.path === "/sign-in" ? "/" : location.pathname + location.search);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  if (me.value?.via === "local") go("/", { replace: true });
  return html`<main class="sign-in" id="main">
    <h1>Foresite</h1>
    <p>What needs action in the plant now. Sign in with the token that you were given.</p>
    <form onSubmit=${submit}>
      <label for="token">Token</label>
      <input id="token" type="password" autocomplete="current-password" required value=${token} maxlength="8000"
        aria-invalid=${problem ? "true" : undefined} onInput=${(event) => setToken(event.target.value)} />
      <button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Signing in ..." : "Sign in"}</button>
    </form>
    ${problem && html`<${Failed} problem=${problem} still="" />`}
    <p class="quiet">No token? Whoever runs Foresite makes one with <code>foresite web token NAME ROLE</code>.</p>
  </main>`;
}
