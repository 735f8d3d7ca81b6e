/** Connections: what lies within two steps around an entity, since when and by which event; drawn, and the same as a list. */

import { html, useMemo, useState } from "../lib.js";
import { get } from "../api.js";
import { clean, joinKey, number, plural, splitKey, title, words } from "../format.js";
import { Failed, Loading, Name, When } from "../parts.js";
import { link } from "../router.js";
import { useKept } from "../plant/listed.js";
import { placesOf } from "../plant/rings.js";

const NODES_MAX = 150; // more on one drawing is read by nobody
const LABEL_LENGTH = 24;

/** The page. */
export function Page({ params: { type, id } }) {
  const [site, name] = partsOf(id);
  const asked = useKept((options) => get(`/graph/${encodeURIComponent(type)}/${encodeURIComponent(name)}`, { site, limit: NODES_MAX }, options), `${type} ${id}`, "");
  const heading = html`<h1 tabindex="-1">Connections of ${words(type)} <${Name} text=${asked.value?.nodes[0].label ?? name} /></h1>`;
  if (!asked.value) {
    return html`<div>${heading}${asked.problem ? html`<${Failed} problem=${asked.problem} again=${asked.again} still="" /><p><a href="/lines">All lines</a> <a href="/orders">All orders</a></p>`
      : html`<${Loading} what="Loading the connections" lines=${8} />`}</div>`;
  }
  return html`<div class="entity">${heading}<${Around} key=${`${type} ${id}`} first=${asked.value} again=${asked.again} /></div>`;
}

/** SITE/ID; an id alone where only one site has it. */
function partsOf(id) {
  const parts = splitKey(id);
  return parts.length > 1 ? [parts[0], parts.slice(1).join("/")] : [null, parts[0]];
}

const identityOf = (node) => joinKey(node.site_id, node.entity_id);

/** What is known around the entity; more is asked for by hand. */
function Around({ first, again }) {
  const [known, setKnown] = useState(null);
  const [problem, setProblem] = useState(null);
  const [asking, setAsking] = useState(null);
  const { nodes, edges, left_out: leftOut } = known ?? first;
  const byId = useMemo(() => new Map(nodes.map((each) => [each.node_id, each])), [nodes]);
  const isFull = nodes.length >= NODES_MAX;
  const expand = async (node) => {
    setAsking(node.node_id);
    setProblem(null);
    try {
      const more = await get(`/graph/${encodeURIComponent(node.node_type)}/${encodeURIComponent(node.entity_id)}`, { site: node.site_id, hops: 1, limit: NODES_MAX });
      setKnown(joined({ nodes, edges, left_out: leftOut }, more));
    } catch (error) {
      setProblem(error);
    }
    setAsking(null);
  };
  return html`<p>${plural(nodes.length, "entity").replace("entitys", "entities")} and ${plural(edges.length, "connection")}${leftOut > 0 ? `; ${number(leftOut)} more are within reach and not shown: open one of them` : ""}.
      ${" "}<button type="button" onClick=${() => { setKnown(null); again(); }}>Ask again</button></p>
    ${problem && html`<${Failed} problem=${problem} />`}
    ${edges.length > 0 && html`<div class="scroll around" role="region" aria-label="The connections as a drawing" tabindex="0"><${Drawing} nodes=${nodes} edges=${edges} /></div>`}
    <h2>The same as a list</h2>
    ${!edges.length ? html`<p>Nothing is connected to it.</p>` : html`<div class="scroll" role="region" aria-label="Connections" tabindex="0"><table class="connections queue">
      <thead><tr>${["From", "Is", "To", "Since", "By event"].map((each) => html`<th scope="col" key=${each}>${each}</th>`)}</tr></thead>
      <tbody>${edges.map((each) => html`<tr key=${each.edge_id}><th scope="row"><${Entity} node=${byId.get(each.from_id)} /></th>
        <td>${words(each.relation)}${each.quantity_pcs != null && ` ${number(each.quantity_pcs)}`}</td><td><${Entity} node=${byId.get(each.to_id)} /></td>
        <td><${When} at=${each.since} site=${byId.get(each.from_id).site_id} far=${false} /></td><td><code><${Name} text=${each.event_id} /></code></td></tr>`)}</tbody></table></div>`}
    <h2>Entities</h2>
    <ul class="plain-list entities">${nodes.map((node) => html`<li key=${node.node_id}><${Entity} node=${node} />
      ${" "}<button type="button" class="plain" aria-disabled=${isFull || asking ? "true" : undefined} title=${isFull ? `${NODES_MAX} are shown: open it instead` : undefined}
        onClick=${() => !isFull && !asking && expand(node)}>Expand<span class="unseen"> ${clean(node.label)}</span></button>
      ${PAGE_OF[node.node_type] && html` <a href=${link(PAGE_OF[node.node_type], identityOf(node))}>Open<span class="unseen"> the page of ${clean(node.label)}</span></a>`}</li>`)}</ul>`;
}

const PAGE_OF = { line: "lines", order: "orders" };

/** Two answers as one, at most as many nodes as are read on one drawing; edges only between what is shown. */
function joined(known, more) {
  const nodes = new Map([...known.nodes, ...more.nodes].map((each) => [each.node_id, each]));
  const shown = new Map([...nodes].slice(0, NODES_MAX));
  const edges = new Map([...known.edges, ...more.edges].filter((each) => shown.has(each.from_id) && shown.has(each.to_id)).map((each) => [each.edge_id, each]));
  return { nodes: [...shown.values()], edges: [...edges.values()], left_out: nodes.size - shown.size };
}

/** Type and name, leading to what is around it. */
function Entity({ node }) {
  return html`<span class="quiet">${title(node.node_type)}</span> <a href=${link("graph", node.node_type, identityOf(node))}><${Name} text=${node.label} /></a>`;
}

function Drawing({ nodes, edges }) {
  const { width, height, boxW, boxH, places } = useMemo(() => placesOf(nodes, edges), [nodes, edges]);
  const middle = (id) => ({ x: places.get(id).x + boxW / 2, y: places.get(id).y + boxH / 2 });
  return html`<svg class="drawing" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="group" aria-label="Drawing of the connections; the list below says the same">
    ${edges.map((each) => {
      const [from, to] = [middle(each.from_id), middle(each.to_id)];
      return html`<path key=${each.edge_id} class="tie" d=${from.x === to.x
        ? `M${from.x - boxW / 2} ${from.y}C${from.x - boxW / 2 - 26} ${from.y} ${to.x - boxW / 2 - 26} ${to.y} ${to.x - boxW / 2} ${to.y}`
        : `M${from.x} ${from.y}L${to.x} ${to.y}`}><title>${words(each.relation)}</title></path>`;
    })}
    ${nodes.map((node, index) => {
      const { x, y } = places.get(node.node_id);
      return html`<g key=${node.node_id} class=${index === 0 ? "node centre" : "node"}><rect x=${x} y=${y} width=${boxW} height=${boxH} rx="3" />
        <a href=${link("graph", node.node_type, identityOf(node))}><text x=${x + 8} y=${y + 16}>${shortened(`${words(node.node_type)} ${clean(node.label)}`)}</text></a></g>`;
    })}</svg>`;
}

/** What fits into a box; the list has the whole of it. */
const shortened = (text) => (text.length > LABEL_LENGTH ? `${text.slice(0, LABEL_LENGTH - 2)} …` : text);
