// The page's data, and the elements and texts made from it. A name is never parsed as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const picture = $("picture"),
  canvas = $("canvas"),
  values = data.values,
  arrows = data.arrows;
const byId = new Map(),
  boxById = new Map(data.boxes.map(box => [box.id, box]));
values.forEach((value, k) => {
  if (value.drawn) byId.set(value.id, k);
});

/** A new element of the page; its children are elements or plain text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

function put(element, ...children) {
  element.replaceChildren(...children.filter(child => child));
}

/** Six significant digits, as Python's %.6g writes them. */
function number(x) {
  if (typeof x !== "number") return String(x);
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e-4 && size < 1e6) return String(Number(x.toPrecision(6)));
  return x
    .toExponential(5)
    .replace(/\.?0+e/, "e")
    .replace(/e([+-])(\d)$/, "e$10$2");
}

function percent(share) {
  if (share > 0 && share < 0.0005) return "<0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** The width of a line that carries a share of |gradient|, as in viz.paths: the square root, the largest takes 6. */
function shareWidth(share, largest) {
  return 0.6 + 5.4 * Math.sqrt(largest > 0 ? Math.min(1, share / largest) : 0);
}

/** A bar from the middle of its track: to the left below 0, to the right above. `part` is of half the track. */
function signedBar(part, label) {
  const bar = make("i", {class: part < 0 ? "negative" : "positive"}),
    length = 50 * Math.min(1, Math.abs(part));
  bar.style.width = `${length}%`;
  bar.style.marginLeft = `${part < 0 ? 50 - length : 50}%`;
  return make("span", {class: "bar signed", role: "img", "aria-label": label}, bar);
}

function grouped(count) {
  return /^\d+$/.test(count) ? count.replace(/\B(?=(\d{3})+$)/g, ",") : count;
}

function indexOf(value, at) {
  const index = [];
  for (const n of [...value.shape].reverse()) {
    index.unshift(at % n);
    at = Math.floor(at / n);
  }
  return index;
}

function flat(value, index) {
  return value.shape.reduce((place, n, axis) => place * n + index[axis], 0);
}

/** A number of one element ("total", "count", …), or undefined where the page does not have it. */
function numberAt(value, name, at) {
  if (value[name]) return value[name][at];
  const element = value.elements && value.elements[at];
  return element ? element[name] : undefined;
}

function size(value) {
  return value.shape.reduce((a, b) => a * b, 1);
}

function label(value) {
  return value.name || (value.op ? `${value.op}, nameless` : "a nameless constant");
}

function nameOf(k, at) {
  const value = values[k];
  const own =
    value.name ||
    (k === data.end ? "end" : value.sign ? `${value.module ? `${value.module}: ` : ""}(${value.sign})` : value.value);
  return value.shape.length && at !== null ? `${own}[${indexOf(value, at).join(",")}]` : own;
}

function say(text) {
  $("status").textContent = text;
}
