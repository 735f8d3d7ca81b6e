/** Begins the page: who is here, the connection, and the shell around what the address names. */

import { effect, html, render } from "./lib.js";
import { onKeyDown } from "./keys.js";
import { onClick } from "./router.js";
import { Shell } from "./shell.js";
import { loadMe } from "./session.js";
import { me } from "./store.js";
import { connect, link } from "./stream.js";

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKeyDown);
render(html`<${Shell} />`, document.getElementById("app"));
connect();

// Who is not signed in hears it from the connection; a server that was away is asked again when it is back.
effect(() => {
  if (!me.value && ["loading", "live"].includes(link.value.state)) loadMe().catch(() => {});
});
