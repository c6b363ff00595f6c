"use strict";
// Shows what the page was given: every statistic was computed when it was made. Here paths are listed from their
// elementary edges, in the order of their size, and multiplied along. Nothing of a name is ever read as HTML.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const picture = $("picture"), canvas = $("canvas"), values = data.values, arrows = data.arrows;
const byId = new Map(), boxById = new Map(data.boxes.map(box => [box.id, box]));
values.forEach((value, k) => { if (value.drawn) byId.set(value.id, k); });

// ---- text and elements

/** An element of the page; children are elements or plain text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

function put(element, ...children) { element.replaceChildren(...children.filter(child => child)); }

/** Six significant digits, as Python's %.6g writes them. */
function number(x) {
  if (typeof x !== "number") return String(x);
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e-4 && size < 1e6) return String(Number(x.toPrecision(6)));
  return x.toExponential(5).replace(/\.?0+e/, "e").replace(/e([+-])(\d)$/, "e$10$2");
}

function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

function grouped(count) {
  return /^\d+$/.test(count) ? count.replace(/\B(?=(\d{3})+$)/g, ",") : count;
}

function indexOf(value, at) {
  const index = [];
  for (const n of [...value.shape].reverse()) { index.unshift(at % n); at = Math.floor(at / n); }
  return index;
}

function flat(value, index) {
  return value.shape.reduce((place, n, axis) => place * n + index[axis], 0);
}

function size(value) { return value.shape.reduce((a, b) => a * b, 1); }

function label(value) { return value.name || (value.op ? `${value.op}, nameless` : "a nameless constant"); }

function nameOf(k, at) {
  const value = values[k];
  const own = value.name || (k === data.end ? "end" : value.sign ? `${value.module ? `${value.module}: ` : ""}(${value.sign})` : value.value);
  return value.shape.length && at !== null ? `${own}[${indexOf(value, at).join(",")}]` : own;
}

function say(text) { $("status").textContent = text; }

// ---- listing paths

let readers = null;  // for each value, the arrows along which it is read: elementary edges, by what they lead to
const best = values.map(() => null);  // for each element the logarithm of its largest |contribution|

function bestAt(k, at) { const found = best[k] && best[k].get(at); return found === undefined ? -Infinity : found; }

/** Edges come readers first: one pass gives every element the size of its largest path, which leads the search. */
function prepare() {
  readers = values.map(() => []);
  best[data.end] = new Map([[0, 0]]);
  for (const edges of data.edges) {
    const behind = best[edges.operand] || (best[edges.operand] = new Map()), at = new Map();
    edges.tails.forEach((tail, i) => {
      if (!at.has(tail)) at.set(tail, []);
      at.get(tail).push(i);
      const reach = bestAt(edges.node, edges.heads[i]) + Math.log(Math.abs(edges.locals[i]));
      if (!(behind.get(tail) >= reach)) behind.set(tail, reach);
    });
    readers[edges.operand].push([edges, at]);
  }
}

/** A heap, the largest bound on top; of equal ones the last that came, so that the search goes deep. */
class Heap {
  constructor() { this.items = []; this.came = 0; }
  before(a, b) { return a.bound > b.bound || (a.bound === b.bound && a.came > b.came); }
  push(item) {
    item.came = this.came++;
    const items = this.items;
    let k = items.push(item) - 1;
    while (k && this.before(item, items[(k - 1) >> 1])) { items[k] = items[(k - 1) >> 1]; k = (k - 1) >> 1; }
    items[k] = item;
  }
  pop() {
    const items = this.items, top = items[0], last = items.pop();
    if (!items.length) return top;
    let k = 0;
    for (;;) {
      let next = 2 * k + 1;
      if (next >= items.length) break;
      if (next + 1 < items.length && this.before(items[next + 1], items[next])) next++;
      if (!this.before(items[next], last)) break;
      items[k] = items[next];
      k = next;
    }
    items[k] = last;
    return top;
  }
}

/**
 * The largest paths of an element, exactly: a way from it, together with the best way on to the end, is a bound that
 * some path attains, so that ways taken by their bounds end in the order of their sizes.
 */
function largestPaths(k, at, most) {
  if (!readers) prepare();
  const heap = new Heap(), found = [];
  heap.push({bound: bestAt(k, at), k, at, size: 0, edges: null, i: 0, from: null});
  while (heap.items.length && found.length < most) {
    const way = heap.pop();
    if (way.k === data.end) { found.push(pathAlong(way)); continue; }
    for (const [edges, tails] of readers[way.k]) {
      for (const i of tails.get(way.at) || []) {
        const size = way.size + Math.log(Math.abs(edges.locals[i])), head = edges.heads[i];
        heap.push({bound: size + bestAt(edges.node, head), k: edges.node, at: head, size, edges, i, from: way});
      }
    }
  }
  return found.sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
}

function pathAlong(way) {
  const steps = [{k: way.k, at: way.at, local: null, arrow: -1, product: 1}];
  for (; way.from; way = way.from) {
    const local = way.edges.locals[way.i], product = steps[steps.length - 1].product * local;
    steps.push({k: way.from.k, at: way.from.at, local, arrow: way.edges.arrow, product});
  }
  return {steps, contribution: steps[steps.length - 1].product + 0};
}

// ---- lighting up

const lit = {lit: [], best: [], chosen: [], now: [], arriving: []};  // what has each class

function light(id, ...names) {
  const element = id && document.getElementById(id);
  if (!element || !picture.contains(element)) return;
  for (const name of names) { element.classList.add(name); lit[name].push(element); }
}

function unlight(...names) {
  for (const name of names) for (const element of lit[name].splice(0)) element.classList.remove(name);
}

const arrowsFrom = new Map();
arrows.forEach(arrow => {
  if (!arrow.live) return;
  if (!arrowsFrom.has(arrow.value)) arrowsFrom.set(arrow.value, []);
  arrowsFrom.get(arrow.value).push(arrow);
});
const makerOf = new Map();  // what makes a drawn value: its op, or a box
arrows.forEach(arrow => { if (arrow.made) makerOf.set(arrow.made, arrow.op); });
data.boxes.forEach(box => box.values.forEach(id => makerOf.set(id, box.id)));

/** Everything between a node of the picture and the end. */
function lightWays(id) {
  const seen = new Set([id]), waiting = [id];
  const reach = value => { if (!seen.has(value)) { seen.add(value); waiting.push(value); } };
  while (waiting.length) {
    const here = waiting.pop();
    light(here, "lit");
    const box = boxById.get(here);
    if (box) for (const made of box.values) { light(`${here}-${made}`, "lit"); reach(made); }
    for (const arrow of arrowsFrom.get(here) || []) {
      light(arrow.id, "lit");
      if (!arrow.made) { reach(arrow.op); continue; }
      light(arrow.op, "lit");
      light(`${arrow.op}-${arrow.made}`, "lit");
      reach(arrow.made);
    }
  }
}

function lightPath(path) {
  unlight("best");
  if (!path) return;
  for (const step of path.steps) {
    const value = values[step.k];
    light(value.id, "best");
    const maker = value.drawn && makerOf.get(value.id);
    if (maker && step !== path.steps[path.steps.length - 1]) {
      light(maker, "best");
      light(`${maker}-${value.id}`, "best");
    }
    if (step.arrow >= 0) light(arrows[step.arrow].id, "best");
  }
}

// ---- selection

let dimmed = false;

/** Let everything else step back, a frame later than what was asked for comes: that takes longer in a large graph. */
function dim(on) {
  dimmed = on;
  if (on) requestAnimationFrame(() => setTimeout(() => picture.classList.toggle("choosing", dimmed)));
  else picture.classList.remove("choosing");
}

let chosen = null;  // {k, at}: a value, and the element of it, null for all of it

function choose(k, at, from) {
  const value = values[k];
  if (at === undefined) at = size(value) === 1 ? 0 : null;
  chosen = {k, at};
  unlight("lit", "best", "chosen");
  dim(true);
  lightWays(value.id);
  light(value.id, "lit", "chosen");
  show(k, at);
  if (from !== "graph" && value.id) reveal(document.getElementById(value.id));
  focusable(value.id);
  const own = nameOf(k, at);
  if (value.kind === "constant") say(`${own}: a constant`);
  else if (at !== null && value.total) say(`${own}: gradient ${number(value.total[at])}, ${grouped(value.count[at])} paths`);
  else say(`${own}: gradient ${value.gradient || "none"}`);
}

function clear() {
  chosen = null;
  unlight("lit", "best", "chosen");
  dim(false);
  welcome();
  say("Nothing selected");
}

function heading(text, extra) {
  return make("h2", {}, make("bdi", {}, text), extra ? make("span", {class: "soft"}, ` ${extra}`) : null);
}

function show(k, at) {
  const value = values[k], details = $("details"), parts = [];
  const shape = value.shape.length ? value.shape.join("×") : "";
  parts.push(heading(nameOf(k, at), at === null ? shape : ""));
  const origin = value.kind === "constant" ? (value.op ? `a constant, made by ${value.op}` : "a constant")
    : value.kind === "leaf" ? "a leaf" : `made by ${value.op}`;
  parts.push(make("p", {class: "soft"}, value.drawn ? origin : `${origin}, inside a box of the picture`));
  if (value.shape.length && size(value) > 1) parts.push(...cells(k, at));
  if (at === null) {
    parts.push(list([["value", value.value], value.gradient && ["gradient", value.gradient]]));
    if (value.kind !== "constant") parts.push(make("p", {class: "soft"}, value.total ? "Choose an element above for its paths."
      : "The numbers of its elements are not on the page."));
  } else if (value.data) {
    parts.push(list([
      ["value", number(value.data[at])],
      value.total && ["gradient", make("strong", {id: "total"}, number(value.total[at]))],
      value.total && ["paths", pathCount(value, at)],
      value.total && ["magnitude", number(value.magnitude[at])],
      value.total && ["cancellation", percent(value.cancellation[at])],
      value.total && ["entropy", `${number(value.entropy[at])} nats, as of ${number(Number(Math.exp(value.entropy[at]).toPrecision(3)))} equal paths`],
    ]));
  }
  if (value.kind !== "constant") {
    const derivation = value.derivation && value.derivation[at === null ? "all" : at];
    const whole = value.derivation && at !== null && value.derivation.all;
    if (derivation || whole) {
      parts.push(make("h3", {}, derivation ? "Derivation" : "Derivation of the whole array"),
        make("pre", {id: "derivation", tabindex: "0"}, derivation || whole));
    }
    if (at !== null) parts.push(...pathList(k, at), ...spectrum(value, at));
  }
  details.classList.remove("welcome");
  details.replaceChildren(...parts);
}

function pathCount(value, at) {
  const count = grouped(value.count[at]), active = grouped(value.active[at]);
  return count === active ? count : `${count}, ${active} of them active`;
}

function list(pairs) {
  const dl = make("dl");
  for (const pair of pairs) if (pair) dl.append(make("dt", {}, pair[0]), make("dd", {}, pair[1]));
  return dl;
}

function isListed(k, at) {
  return data.listed === null || data.listed.some(([a, b]) => a === k && b === at);
}

function pathList(k, at) {
  const value = values[k];
  if (k === data.end) return [];
  if (!isListed(k, at)) {
    const offers = data.listed.slice(0, 40).map(([a, b]) =>
      make("button", {type: "button", onclick: () => choose(a, b)}, nameOf(a, b)));
    return [make("h3", {}, "Largest paths"), make("p", {class: "soft"},
      "The graph has too many elementary edges for all paths. They are listed for:"), make("p", {class: "indices"}, ...offers)];
  }
  const paths = largestPaths(k, at, data.paths);
  if (!paths.length) return [make("p", {class: "soft"}, "No path leads here.")];
  const whole = value.magnitude ? value.magnitude[at] : paths.reduce((a, p) => a + Math.abs(p.contribution), 0);
  const items = paths.map((path, rank) => {
    const share = whole > 0 ? Math.abs(path.contribution) / whole : 0;
    const bar = make("i");
    bar.style.width = `${100 * Math.min(1, share)}%`;
    const button = make("button", {type: "button", "aria-expanded": "false"},
      make("span", {class: "chain"}, chain(path)), make("span", {class: "amount"}, number(path.contribution)),
      make("span", {class: "bar", role: "img", "aria-label": `${percent(share)} of the magnitude`}, bar));
    const item = make("li", {}, button);
    button.addEventListener("click", () => open(item, path, rank));
    button.addEventListener("pointerenter", () => lightPath(path));
    button.addEventListener("pointerleave", () => lightPath(opened && opened.path));
    return item;
  });
  opened = null;
  const more = value.count && grouped(value.count[at]) !== String(paths.length) ? ` of ${grouped(value.count[at])}` : "";
  const title = paths.length === 1 && !more ? "The path" : `The ${paths.length} largest paths${more}`;
  return [make("h3", {}, more || paths.length === 1 ? title : `All ${paths.length} paths`), make("ol", {class: "paths"}, ...items)];
}

let opened = null;
function open(item, path, rank) {
  const again = opened && opened.item === item;
  if (opened) {
    opened.item.querySelector("button").setAttribute("aria-expanded", "false");
    opened.item.querySelector(".scroll").remove();
    opened = null;
  }
  if (!again) {
    opened = {item, path};
    item.querySelector("button").setAttribute("aria-expanded", "true");
    item.append(running(path));
    say(`Path ${rank + 1}: ${chain(path)}: ${number(path.contribution)}`);
  }
  lightPath(opened && opened.path);
}

/** The named values of a path; where nothing between its ends has a name, the modules that it goes through. */
function chain(path) {
  const inner = path.steps.slice(1, -1), name = step => nameOf(step.k, step.at);
  let between = inner.filter(step => values[step.k].name).map(name);
  if (!between.length) {
    between = inner.map(step => values[step.k].module).filter((module, i, all) => module && module !== all[i - 1]);
    between = between.filter((module, i, all) => ![all[i - 1], all[i + 1]].some(other => other && other.startsWith(`${module}.`)));
  }
  return [name(path.steps[0]), ...between, name(path.steps[path.steps.length - 1])].join(" ← ");
}

function running(path) {
  const rows = path.steps.map(step => {
    const formula = step.arrow >= 0 ? arrows[step.arrow].formula : "";
    return make("tr", {}, make("td", {}, make("bdi", {}, nameOf(step.k, step.at)),
      formula ? make("div", {class: "formula"}, formula) : null),
      make("td", {class: "number"}, step.local === null ? "" : number(step.local)),
      make("td", {class: "number"}, number(step.product)));
  });
  return make("div", {class: "scroll"}, make("table", {class: "running"}, make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "from the end to"),
    make("th", {scope: "col", class: "number"}, "× local derivative"), make("th", {scope: "col", class: "number"}, "= product"))),
    make("tbody", {}, ...rows)));
}

function spectrum(value, at) {
  const groups = (value.spectrum || []).map(([length, counts, totals, sizes]) => [length, counts[at], totals[at], sizes[at]])
    .filter(group => group[1] !== "0");
  if (!groups.length || value === values[data.end]) return [];
  const largest = Math.max(...groups.map(group => Number(group[3])));
  const rows = groups.map(([length, count, total, magnitude]) => {
    const bar = make("i");
    bar.style.width = `${largest > 0 ? 100 * magnitude / largest : 0}%`;
    return make("tr", {}, make("td", {class: "number"}, String(length)), make("td", {class: "number"}, grouped(count)),
      make("td", {class: "number"}, number(total)), make("td", {class: "size", title: `magnitude ${number(magnitude)}`},
        make("div", {class: "bar", role: "img", "aria-label": `magnitude ${number(magnitude)}`}, bar)));
  });
  return [make("h3", {}, "Spectrum: paths by their length in ops"), make("table", {class: "spectrum"},
    make("thead", {}, make("tr", {}, ...["length", "paths", "total", "magnitude"].map((name, i) =>
      make("th", {scope: "col", class: i < 3 ? "number" : false}, name)))), make("tbody", {}, ...rows))];
}

// ---- the elements of an array

const WINDOW = 20;  // rows and columns of it that are shown

function cells(k, at) {
  const value = values[k], numbers = value.total || value.data, index = at === null ? value.shape.map(() => 0) : indexOf(value, at);
  const axes = value.shape.map((n, axis) => {
    const input = make("input", {type: "number", min: 0, max: n - 1, value: index[axis], "aria-label": `index along axis ${axis}, below ${n}`});
    input.addEventListener("change", () => {
      const wanted = [...index];
      wanted[axis] = Math.max(0, Math.min(n - 1, Math.trunc(Number(input.value)) || 0));
      choose(k, flat(value, wanted));
      const again = $("details").querySelectorAll(".indices input")[axis];
      if (again) again.focus();
    });
    return input;
  });
  const parts = [make("div", {class: "indices", role: "group", "aria-label": "Element"}, "element", ...axes,
    at === null ? null : make("button", {type: "button", onclick: () => choose(k, null)}, "whole array"))];
  if (!numbers) return parts;
  const lead = index.slice(0, -2), rows = value.shape.length > 1 ? value.shape[value.shape.length - 2] : 1;
  const columns = value.shape[value.shape.length - 1], row = rows > 1 || value.shape.length > 1 ? index[index.length - 2] : 0;
  const start = (chosenAt, n) => Math.max(0, Math.min(chosenAt - WINDOW / 2, n - WINDOW));
  const top = start(row, rows), left = start(index[index.length - 1], columns);
  const place = (i, j) => flat(value, value.shape.length > 1 ? [...lead, i, j] : [j]);
  let scale = 0;
  for (const x of numbers) if (Math.abs(x) > scale) scale = Math.abs(x);
  const roomy = columns <= 5;
  const table = make("table", {class: roomy ? "cells roomy" : "cells", "aria-label": `elements of ${label(value)}, by gradient`});
  const across = [...Array(Math.min(columns, WINDOW)).keys()].map(j => left + j);
  table.append(make("tr", {}, make("th"), ...across.map(j => make("th", {scope: "col"}, String(j)))));
  for (let i = top; i < Math.min(rows, top + WINDOW); i++) {
    const line = make("tr", {}, make("th", {scope: "row"}, value.shape.length > 1 ? String(i) : ""));
    for (const j of across) {
      const here = place(i, j), x = numbers[here];
      const button = make("button", {type: "button", tabindex: here === (at === null ? place(top, left) : at) ? "0" : "-1",
        "aria-label": `${nameOf(k, here)}: ${value.total ? "gradient" : "value"} ${number(x)}`,
        "aria-current": here === at ? "true" : false, title: `${nameOf(k, here)}: ${number(x)}`},
        roomy ? String(Number(Number(x).toPrecision(3))) : "");
      const depth = scale > 0 ? Math.abs(x) / scale : 0, share = depth >= 0.1 ? 100 : depth >= 0.01 ? 60 : depth > 0 ? 25 : 0;
      if (share) button.style.background = `color-mix(in srgb, var(--${x < 0 ? "negative" : "positive"}) ${share}%, var(--page))`;
      button.addEventListener("click", () => { choose(k, here, "cell"); focusCell(); });
      button.addEventListener("keydown", event => {
        const move = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
        if (!move || i + move[0] < 0 || i + move[0] >= rows || j + move[1] < 0 || j + move[1] >= columns) return;
        event.preventDefault();
        choose(k, place(i + move[0], j + move[1]), "cell");
        focusCell();
      });
      line.append(make("td", {}, button));
    }
    table.append(line);
  }
  const cut = rows > WINDOW || columns > WINDOW;
  parts.push(make("div", {class: "scroll"}, table));
  if (cut) parts.push(make("p", {class: "soft"}, `A window of ${value.shape.join("×")}: it follows the element.`));
  return parts;
}

function focusCell() {
  const cell = $("details").querySelector(".cells [aria-current]");
  if (cell) cell.focus();
}

// ---- what is shown when nothing is selected

function welcome() {
  const drawn = values.filter(value => value.drawn).length;
  const keys = [["Tab ← → ↑ ↓", "to the graph, from node to node"], ["Enter", "select"], ["+ − 0", "zoom in, out, fit"],
    [", .", "previous and next step"], ["/", "search"], ["Esc", "select nothing"]];
  const rows = keys.map(([key, what]) => make("tr", {}, make("td", {}, ...key.split(" ").flatMap((one, i) => i ? [" ", make("kbd", {}, one)] : [make("kbd", {}, one)])), make("td", {}, what)));
  $("details").classList.add("welcome");
  put($("details"), heading(nameOf(data.end, 0), `= ${values[data.end].value}`),
    make("p", {}, "Select a weight, or any value, to see the paths that its gradient is the sum of. Or step through the passes below."),
    make("p", {class: "soft"}, `${grouped(String(drawn))} values are drawn. Boxes are filled by the sign and size of the gradient.`),
    data.notes.length ? make("ul", {class: "notes"}, ...data.notes.map(note => make("li", {}, note))) : null,
    make("h3", {}, "Where to begin"),
    make("p", {class: "indices"}, ...data.asked.slice(0, 24).map(k => make("button", {type: "button", onclick: () => choose(k)}, make("bdi", {}, label(values[k]))))),
    make("h3", {}, "Keys"), make("table", {class: "keys"}, make("tbody", {}, ...rows)));
}

function showArrow(arrow) {
  const k = byId.get(arrow.value), made = byId.get(arrow.made);
  clear();
  dim(true);
  for (const id of [arrow.value, arrow.op, arrow.made, `${arrow.op}-${arrow.made}`]) light(id, "lit");
  light(arrow.id, "lit", "chosen");
  const maker = made === undefined ? label(boxById.get(arrow.op) || {name: "a box"}) : nameOf(made, null);
  const local = data.edges.filter(edges => edges.arrow >= 0 && arrows[edges.arrow] === arrow);
  const one = local.length === 1 && local[0].locals.length === 1 ? number(local[0].locals[0]) : "";
  $("details").classList.remove("welcome");
  put($("details"), heading(`∂${maker} / ∂${nameOf(k, null)}`), list([
    ["local derivative", one || arrow.text || "–"], arrow.formula && ["formula", arrow.formula]]),
    make("p", {class: "indices"}, make("button", {type: "button", onclick: () => choose(k)}, nameOf(k, null)),
      made === undefined ? null : make("button", {type: "button", onclick: () => choose(made)}, maker)));
  say(`Local derivative of ${maker} with respect to ${nameOf(k, null)}: ${one || arrow.text}`);
}

function showBox(id) {
  const box = boxById.get(id);
  clear();
  dim(true);
  lightWays(id);
  light(id, "lit", "chosen");
  const inside = values.map((value, k) => k).filter(k => values[k].id === id).slice(0, 60);
  $("details").classList.remove("welcome");
  put($("details"), heading(box.label), make("p", {}, `${grouped(String(box.ops))} ops, drawn as one box.`),
    inside.length ? make("h3", {}, "In it") : null,
    make("p", {class: "indices"}, ...inside.map(k => make("button", {type: "button", onclick: () => choose(k)}, make("bdi", {}, label(values[k]))))));
  say(`${box.label}: ${box.ops} ops in one box`);
}

// ---- pan and zoom

const view = picture.viewBox.baseVal, at = {x: 0, y: 0, scale: 1};
picture.style.width = `${view.width}px`;
picture.style.height = `${view.height}px`;

function place() { picture.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`; }

function fit() {
  const box = canvas.getBoundingClientRect();
  at.scale = Math.min(2, (box.width - 16) / view.width, (box.height - 16) / view.height);
  at.x = (box.width - view.width * at.scale) / 2;
  at.y = (box.height - view.height * at.scale) / 2;
  place();
}

function zoom(factor, x, y) {
  const box = canvas.getBoundingClientRect();
  if (x === undefined) { x = box.left + box.width / 2; y = box.top + box.height / 2; }
  const scale = Math.max(0.01, Math.min(8, at.scale * factor)), by = scale / at.scale;
  at.x = x - box.left - (x - box.left - at.x) * by;
  at.y = y - box.top - (y - box.top - at.y) * by;
  at.scale = scale;
  place();
}

/** Bring a node into view, and make it large enough to be read. */
function reveal(element, larger = true) {
  if (!element || !picture.contains(element)) return;
  let box = element.getBoundingClientRect();
  const around = canvas.getBoundingClientRect();
  if (larger && at.scale < 0.6) { zoom(0.9 / at.scale, box.left + box.width / 2, box.top + box.height / 2); box = element.getBoundingClientRect(); }
  const inside = box.left >= around.left + 8 && box.right <= around.right - 8 && box.top >= around.top + 8 && box.bottom <= around.bottom - 8;
  if (inside) return;
  at.x += around.left + around.width / 2 - (box.left + box.width / 2);
  at.y += around.top + around.height / 2 - (box.top + box.height / 2);
  place();
}

const fingers = new Map();
let moved = 0;
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX, event.clientY);
}, {passive: false});
canvas.addEventListener("pointerdown", event => {
  if (event.button) return;
  fingers.set(event.pointerId, event);
  if (fingers.size === 1) moved = 0;
});
window.addEventListener("pointermove", event => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const others = [...fingers.values()].filter(one => one.pointerId !== event.pointerId);
  if (others.length === 1) {
    const [other] = others, apart = one => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    zoom(apart(event) / Math.max(1, apart(before)), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
  }
  const part = others.length ? 0.5 : 1;
  moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
  if (moved > 4) {
    canvas.classList.add("moving");
    at.x += part * (event.clientX - before.clientX);
    at.y += part * (event.clientY - before.clientY);
    place();
  }
  fingers.set(event.pointerId, event);
});
for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, event => { fingers.delete(event.pointerId); if (!fingers.size) canvas.classList.remove("moving"); });
}
canvas.addEventListener("scroll", () => canvas.scrollTo(0, 0));  // a browser would scroll to what has the focus

const arrowById = new Map(arrows.map(arrow => [arrow.id, arrow]));
canvas.addEventListener("click", event => {
  if (moved > 4) return;
  const group = event.target.closest("g.node, g.edge");
  if (!group) return clear();
  activate(group.id);
});

function activate(id) {
  if (byId.has(id)) return choose(byId.get(id), undefined, "graph");
  if (boxById.has(id)) return showBox(id);
  const arrow = arrowById.get(id) || arrows.find(one => one.op === id);
  if (!arrow) return undefined;
  if (arrow.op === id) return choose(byId.get(arrow.made), undefined, "graph");
  return arrow.live ? showArrow(arrow) : undefined;
}

// what is under the pointer, as a tooltip
const tip = document.createElementNS("http://www.w3.org/2000/svg", "title");
picture.addEventListener("pointerover", event => {
  const group = event.target.closest("g.node, g.edge");
  if (!group || tip.parentNode === group) return;
  const arrow = arrowById.get(group.id), op = arrow ? null : arrows.find(one => one.op === group.id && one.made);
  tip.textContent = arrow ? (arrow.live ? `local derivative ${[arrow.formula, arrow.text].filter(Boolean).join(" = ")}` : "no gradient flows back here")
    : op ? values[byId.get(op.made)].op : group.getAttribute("aria-label") || "";
  if (tip.textContent) group.prepend(tip); else tip.remove();
});

$("in").addEventListener("click", () => zoom(1.4));
$("out").addEventListener("click", () => zoom(1 / 1.4));
$("fit").addEventListener("click", fit);

// ---- keyboard

let focused = picture.querySelector('[tabindex="0"]');
function focusable(id) {
  const element = document.getElementById(id);
  if (!element || !element.hasAttribute("tabindex")) return;
  focused.setAttribute("tabindex", "-1");
  element.setAttribute("tabindex", "0");
  focused = element;
}

let centres = null;  // of the nodes that can have the focus, in the picture's own units
function neighbour(element, dx, dy) {
  centres = centres || [...picture.querySelectorAll("[tabindex]")].map(node => {
    const box = node.getBBox();
    return [node, box.x + box.width / 2, box.y + box.height / 2];
  });
  const own = centres.find(centre => centre[0] === element);
  let nearest = null, least = Infinity;
  for (const [node, x, y] of centres) {
    const along = (x - own[1]) * dx + (y - own[2]) * dy, aside = Math.abs((x - own[1]) * dy) + Math.abs((y - own[2]) * dx);
    if (along > 1 && aside < 3 * along + 40 && along + 2 * aside < least) { nearest = node; least = along + 2 * aside; }
  }
  return nearest;
}

picture.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = event.target.closest("[tabindex]");
  const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (move && node) {
    event.preventDefault();
    const next = neighbour(node, ...move);
    if (next) { focusable(next.id); next.focus({preventScroll: true}); reveal(next); }
  } else if ((event.key === "Enter" || event.key === " ") && node) {
    event.preventDefault();
    activate(node.id);
  } else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
  else if (event.key === ".") go(step.k + 1);
  else if (event.key === ",") go(step.k - 1);
  else if (event.key === "/") { event.preventDefault(); $("search").focus(); }
});
document.addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  if (!$("found").hidden) return hideFound();
  clear();
});

// ---- search

const names = values.map(value => value.name.toLowerCase());

/** An element by its name: w1[0,1], or w101 as in networks of scalars. */
function element(text) {
  const bracket = /^(.*)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]$/.exec(text);
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (!value.name || !value.shape.length) continue;
    let index = null;
    if (bracket && bracket[1] === names[k]) index = bracket[2].split(",").map(Number);
    else if (text.startsWith(names[k])) {
      const rest = text.slice(names[k].length);
      if (/^\d+$/.test(rest) && rest.length === value.shape.length) index = [...rest].map(Number);
    }
    if (index && index.length === value.shape.length && index.every((i, axis) => i < value.shape[axis])) return [k, flat(value, index)];
  }
  return null;
}

function search() {
  const text = $("search").value.trim().toLowerCase(), found = [];
  if (!text) return hideFound();
  const one = element(text);
  if (one) found.push(one);
  const order = names.map((name, k) => k).filter(k => names[k].includes(text));
  order.sort((a, b) => (names[b] === text) - (names[a] === text) || names[b].startsWith(text) - names[a].startsWith(text));
  for (const k of order) found.push([k, undefined]);
  const items = found.slice(0, 30).map(([k, place]) => make("li", {}, make("button", {type: "button", onclick: () => { hideFound(); choose(k, place, "search"); }},
    make("bdi", {class: "name"}, place === undefined ? values[k].name : nameOf(k, place)),
    make("small", {}, place === undefined ? values[k].value : values[k].data ? number(values[k].data[place]) : ""))));
  if (!items.length) items.push(make("li", {class: "none"}, "Nothing has this name."));
  else if (found.length > 30) items.push(make("li", {class: "none"}, `and ${grouped(String(found.length - 30))} more`));
  $("found").replaceChildren(...items);
  $("found").hidden = false;
  say(found.length === 1 ? "1 value found" : `${found.length} values found`);
  return undefined;
}

function hideFound() { $("found").hidden = true; }

$("search").addEventListener("input", search);
$("search").addEventListener("focus", search);
$("searching").addEventListener("keydown", event => {
  const buttons = [...$("found").querySelectorAll("button")], here = buttons.indexOf(document.activeElement);
  if (event.key === "Enter" && here < 0 && buttons.length) { event.preventDefault(); buttons[0].click(); }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const next = here + (event.key === "ArrowDown" ? 1 : -1);
  (buttons[next] || $("search")).focus();
});
document.addEventListener("pointerdown", event => { if (!event.target.closest("#searching")) hideFound(); });

// ---- step by step

const step = {mode: "", k: 0, order: [], timer: 0};
const gradientText = new Map();  // what each drawn value says of its gradient
picture.querySelectorAll("text.grad").forEach(text => gradientText.set(text.parentNode.id, text.textContent));
const arrowsInto = new Map();
arrows.forEach(arrow => {
  if (!arrow.made) return;
  if (!arrowsInto.has(arrow.made)) arrowsInto.set(arrow.made, []);
  arrowsInto.get(arrow.made).push(arrow);
});

function begin(mode) {
  if (step.mode === mode) return endStepping();
  finish();
  clear();
  const near = at.scale < 0.6;
  step.mode = mode;
  step.order = mode === "forward" ? data.forward : data.backward.map(one => one.value);
  step.k = 0;
  picture.classList.add("stepping");
  picture.classList.toggle("backward", mode === "backward");
  for (const k of step.order) setReached(k, false);
  $("position").max = step.order.length;
  go(1);
  if (near) reveal(document.getElementById(values[step.order[0]].id));
  return undefined;
}

/** Everything as it was before any step. */
function finish() {
  for (const k of step.order) setReached(k, true);
  picture.classList.remove("stepping", "backward");
  unlight("now", "arriving");
  pause();
}

function endStepping() {
  finish();
  step.mode = "";
  step.order = [];
  step.k = 0;
  $("step").hidden = true;
  controls();
  say("All steps are done");
}

function setReached(k, reached) {
  const id = values[k].id, node = document.getElementById(id), maker = makerOf.get(id), text = gradientText.get(id);
  node.classList.toggle("waiting", !reached);
  if (step.mode === "forward" && maker && !boxById.has(maker)) document.getElementById(maker).classList.toggle("waiting", !reached);
  if (step.mode === "backward" && text) node.querySelector("text.grad").textContent = reached ? text : "grad –";
}

function go(k) {
  if (!step.mode) return;
  k = Math.max(0, Math.min(step.order.length, k));
  for (let i = step.k; i < k; i++) setReached(step.order[i], true);
  for (let i = step.k - 1; i >= k; i--) setReached(step.order[i], false);
  step.k = k;
  showStepLights();
  showStep();
  controls();
  if (k) reveal(document.getElementById(values[step.order[k - 1]].id), false);
  if (k === step.order.length) pause();
}

function showStepLights() {
  unlight("now", "arriving");
  if (!step.mode || !step.k) return;
  const k = step.order[step.k - 1], id = values[k].id;
  light(id, "now");
  if (step.mode === "backward") {
    for (const [arrow] of data.backward[step.k - 1].arrivals) if (arrow >= 0) light(arrows[arrow].id, "arriving");
  } else {
    light(makerOf.get(id), "now");
    for (const arrow of arrowsInto.get(id) || []) light(arrow.id, "arriving");
  }
}

function showStep() {
  const section = $("step"), name = step.mode === "forward" ? "Forward" : "Backward";
  section.hidden = false;
  if (!step.k) {
    section.replaceChildren(heading(name), make("p", {}, "Nothing has been computed yet."));
    return;
  }
  const k = step.order[step.k - 1], value = values[k], rows = [];
  let sentence;
  if (step.mode === "forward") {
    for (const arrow of arrowsInto.get(value.id) || []) {
      const operand = byId.get(arrow.value);
      rows.push(make("tr", {}, make("td", {}, make("bdi", {}, nameOf(operand, null))), make("td", {class: "number"}, values[operand].value)));
    }
    if (!rows.length) rows.push(make("tr", {}, make("td", {}, `computed inside ${(boxById.get(makerOf.get(value.id)) || {label: "a box"}).label}`), make("td")));
    rows.push(make("tr", {class: "sum"}, make("td", {}, `${value.op} =`), make("td", {class: "number"}, value.value)));
    sentence = `${nameOf(k, null)} = ${value.value}`;
  } else {
    const arrivals = data.backward[step.k - 1].arrivals;
    for (const [arrow, part, sum] of arrivals) {
      const one = arrow >= 0 ? arrows[arrow] : null, reader = one && byId.get(one.made);
      const from = !one ? "inside the box" : reader === undefined ? (boxById.get(one.op) || {label: "a box"}).label : nameOf(reader, null);
      const factors = reader === undefined || !one.text ? "" : `${values[reader].gradient} × ${one.text}`;
      rows.push(make("tr", {}, make("td", {}, make("bdi", {}, from), factors ? make("div", {class: "formula"}, factors) : null),
        make("td", {class: "number"}, part), arrivals.length > 1 ? make("td", {class: "number"}, sum) : null));
    }
    if (k === data.end) rows.push(make("tr", {}, make("td", {}, "the end, by itself"), make("td", {class: "number"}, "1")));
    sentence = `gradient of ${nameOf(k, null)}: ${value.gradient}` + (arrivals.length > 1 ? `, the sum of ${arrivals.map(one => one[1]).join(" and ")}` : "");
  }
  const head = step.mode === "forward" ? ["reads", "value"] : ["arrives from", "gradient × local", "sum so far"].slice(0, rows[0].cells.length);
  section.replaceChildren(
    make("h2", {}, `${name}: `, make("bdi", {}, nameOf(k, null)), make("span", {class: "soft"}, ` = ${step.mode === "forward" ? value.value : value.gradient}`)),
    make("div", {class: "scroll"}, make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text, i) => make("th", {scope: "col", class: i ? "number" : false}, text)))), make("tbody", {}, ...rows))),
    make("p", {}, make("button", {type: "button", onclick: () => choose(k)}, "its paths")));
  say(`${name} ${step.k} of ${step.order.length}: ${sentence}`);
}

function controls() {
  const active = Boolean(step.mode);
  for (const mode of ["forward", "backward"]) $(mode).setAttribute("aria-pressed", String(step.mode === mode));
  $("first").disabled = $("previous").disabled = !active || step.k === 0;
  $("next").disabled = $("play").disabled = !active || step.k === step.order.length;
  $("position").disabled = !active;
  $("position").value = step.k;
  $("position").setAttribute("aria-valuetext", `${step.k} of ${step.order.length}`);
  $("count").textContent = active ? `${step.k} of ${step.order.length}` : "";
  $("stop").hidden = !active;
}

function pause() {
  clearInterval(step.timer);
  step.timer = 0;
  $("play").setAttribute("aria-pressed", "false");
  $("play").textContent = "▶ Play";
}

$("forward").addEventListener("click", () => begin("forward"));
$("backward").addEventListener("click", () => begin("backward"));
$("first").addEventListener("click", () => go(0));
$("previous").addEventListener("click", () => go(step.k - 1));
$("next").addEventListener("click", () => go(step.k + 1));
$("stop").addEventListener("click", endStepping);
$("position").addEventListener("input", () => go(Number($("position").value)));
$("play").addEventListener("click", () => {
  if (step.timer) return pause();
  $("play").setAttribute("aria-pressed", "true");
  $("play").textContent = "⏸ Pause";
  step.timer = setInterval(() => go(step.k + 1), 900);
  return undefined;
});

// ---- light and dark

const night = matchMedia("(prefers-color-scheme: dark)");
function isDark() { const theme = document.documentElement.dataset.theme; return theme ? theme === "dark" : night.matches; }
function showTheme() { $("theme").setAttribute("aria-pressed", String(isDark())); }
$("theme").addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; showTheme(); });
night.addEventListener("change", showTheme);

let size0 = canvas.clientWidth * canvas.clientHeight;
new ResizeObserver(() => {
  if (size0 !== canvas.clientWidth * canvas.clientHeight) { size0 = canvas.clientWidth * canvas.clientHeight; if (!chosen) fit(); }
}).observe(canvas);

showTheme();
controls();
welcome();
fit();
document.documentElement.dataset.ready = "true";
})();
