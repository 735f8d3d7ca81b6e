/**
 * The pages. One row each: `paths` with the ids in them, the first one without; `nav` where it stands in the navigation
 * (or `under` which of them it belongs to), `key` behind g, and `load` for its module, which exports
 * `Page({params, query})`. A page is loaded when it is first shown.
 */

export const PAGES = [
  { paths: ["/", "/cards", "/cards/:id"], nav: "Now", key: "n", title: "Now", load: () => import("./now.js") },
  { paths: ["/proposals/:id"], under: "Now", title: "Options", load: () => import("./proposal.js") },
  { paths: ["/plan"], nav: "Plan", key: "t", title: "Plan", load: () => import("./plan.js") },
  { paths: ["/help"], nav: "Help", key: "h", title: "Help", needsNothing: true, load: () => import("./help.js") },
];
