/**
 * The pages. One row each: `paths` with the ids in them, the first one without; `nav` where it stands in the navigation
 * (or `under` which of them it belongs to), `key` behind g, and `load` for its module, which exports
 * `Page({params, query})`. A page is loaded when it is first shown.
 */

export const PAGES = [
  { paths: ["/", "/cards", "/cards/:id"], nav: "Now", key: "n", title: "Now", load: () => import("./now.js") },
  { paths: ["/proposals/:id"], under: "Now", title: "Options", load: () => import("./proposal.js") },
  { paths: ["/lines"], nav: "Plant", key: "p", title: "Plant", load: () => import("./lines.js") },
  { paths: ["/lines/:id"], under: "Plant", title: "Line", load: () => import("./line.js") },
  { paths: ["/orders"], nav: "Orders", key: "o", title: "Orders", load: () => import("./orders.js") },
  { paths: ["/orders/:id"], under: "Orders", title: "Order", load: () => import("./order.js") },
  { paths: ["/graph/:type/:id"], under: "Plant", title: "Connections", load: () => import("./graph.js") },
  { paths: ["/plan"], nav: "Plan", key: "t", title: "Plan", load: () => import("./plan.js") },
  { paths: ["/help"], nav: "Help", key: "h", title: "Help", needsNothing: true, load: () => import("./help.js") },
];
