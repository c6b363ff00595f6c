// Pan, zoom and clicks.

const view = picture.viewBox.baseVal,
  at = {x: 0, y: 0, scale: 1};
picture.style.width = `${view.width}px`;
picture.style.height = `${view.height}px`;

let fitted = true; // whether the whole picture is shown; false once the user moves it

function place() {
  fitted = false;
  picture.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
}

function fit() {
  const box = canvas.getBoundingClientRect();
  at.scale = Math.min(2, (box.width - 16) / view.width, (box.height - 16) / view.height);
  at.x = (box.width - view.width * at.scale) / 2;
  at.y = (box.height - view.height * at.scale) / 2;
  place();
  fitted = true;
}

function zoom(factor, x, y) {
  const box = canvas.getBoundingClientRect();
  if (x === undefined) {
    x = box.left + box.width / 2;
    y = box.top + box.height / 2;
  }
  const scale = Math.max(0.01, Math.min(8, at.scale * factor)),
    by = scale / at.scale;
  at.x = x - box.left - (x - box.left - at.x) * by;
  at.y = y - box.top - (y - box.top - at.y) * by;
  at.scale = scale;
  place();
}

/** Bring a node into view, large enough to read. */
function reveal(element, larger = true) {
  if (!element || !picture.contains(element)) return;
  let box = element.getBoundingClientRect();
  const around = canvas.getBoundingClientRect();
  if (larger && at.scale < 0.6) {
    zoom(0.9 / at.scale, box.left + box.width / 2, box.top + box.height / 2);
    box = element.getBoundingClientRect();
  }
  const inside =
    box.left >= around.left + 8 &&
    box.right <= around.right - 8 &&
    box.top >= around.top + 8 &&
    box.bottom <= around.bottom - 8;
  if (inside) return;
  at.x += around.left + around.width / 2 - (box.left + box.width / 2);
  at.y += around.top + around.height / 2 - (box.top + box.height / 2);
  place();
}

const fingers = new Map();
let moved = 0;
canvas.addEventListener(
  "wheel",
  event => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX, event.clientY);
  },
  {passive: false},
);
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
    const [other] = others,
      apart = one => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    zoom(
      apart(event) / Math.max(1, apart(before)),
      (event.clientX + other.clientX) / 2,
      (event.clientY + other.clientY) / 2,
    );
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
  window.addEventListener(end, event => {
    fingers.delete(event.pointerId);
    if (!fingers.size) canvas.classList.remove("moving");
  });
}
canvas.addEventListener("scroll", () => canvas.scrollTo(0, 0)); // browsers scroll to the element with the focus

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

/** What runs through an arrow to the selected element, as a text. */
function carriedBy(arrow) {
  const one = weighed.get(arrows.indexOf(arrow));
  return one ? `; ${percent(one.share)} of |gradient|, together ${number(one.total)}` : "";
}

// the tooltip of the element under the pointer
const tip = document.createElementNS("http://www.w3.org/2000/svg", "title");
picture.addEventListener("pointerover", event => {
  const group = event.target.closest("g.node, g.edge");
  if (!group || tip.parentNode === group) return;
  const arrow = arrowById.get(group.id),
    op = arrow ? null : arrows.find(one => one.op === group.id && one.made);
  tip.textContent = arrow
    ? arrow.live
      ? `local derivative ${[arrow.formula, arrow.text].filter(Boolean).join(" = ")}${carriedBy(arrow)}`
      : "no gradient flows back here"
    : op
      ? values[byId.get(op.made)].op
      : group.getAttribute("aria-label") || "";
  if (tip.textContent) group.prepend(tip);
  else tip.remove();
});

$("in").addEventListener("click", () => zoom(1.4));
$("out").addEventListener("click", () => zoom(1 / 1.4));
$("fit").addEventListener("click", fit);
