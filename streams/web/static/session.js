/** Who is signed in here. */

import { get, remove } from "./api.js";
import { me } from "./store.js";
import { restartAll } from "./stream.js";

/** Ask who is signed in. @throws {Problem} */
export async function loadMe() {
  me.value = await get("/me");
}

/** End the session here and in the other tabs. */
export async function signOut() {
  await remove("/session").catch(() => {});
  restartAll();
  location.assign("/sign-in");
}
