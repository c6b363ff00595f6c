// Highlights in the picture: everything between a node and the end, or one path.

const lit = {lit: [], best: [], chosen: [], now: [], arriving: []}; // the elements that have each class

function light(id, ...names) {
  const element = id && document.getElementById(id);
  if (!element || !picture.contains(element)) return;
  for (const name of names) {
    element.classList.add(name);
    lit[name].push(element);
  }
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
const makerOf = new Map(); // the op, or the box, that computes each drawn value
arrows.forEach(arrow => {
  if (arrow.made) makerOf.set(arrow.made, arrow.op);
});
data.boxes.forEach(box => box.values.forEach(id => makerOf.set(id, box.id)));

/** Highlight everything between a node of the picture and the end. */
function lightWays(id) {
  const seen = new Set([id]),
    waiting = [id];
  const reach = value => {
    if (!seen.has(value)) {
      seen.add(value);
      waiting.push(value);
    }
  };
  while (waiting.length) {
    const here = waiting.pop();
    light(here, "lit");
    const box = boxById.get(here);
    if (box)
      for (const made of box.values) {
        light(`${here}-${made}`, "lit");
        reach(made);
      }
    for (const arrow of arrowsFrom.get(here) || []) {
      light(arrow.id, "lit");
      if (!arrow.made) {
        reach(arrow.op);
        continue;
      }
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

const MARKED = 5; // arrows with their share in percent beside them

/** The largest shares, each with its arrow; arrows of one share are one stream that goes on, and have one mark. */
function marked() {
  const partial = [...weighed].map(([arrow, {share}]) => [arrow, share]).filter(([, share]) => share > 0 && share < 0.995);
  partial.sort((a, b) => b[1] - a[1]);
  return partial.filter(([, share], i) => !i || share < (1 - 1e-9) * partial[i - 1][1]).slice(0, MARKED);
}

let weighed = new Map(); // what runs through each arrow, by its number, while an element is selected

/** Draw each arrow as wide as its share of the |gradient| of an element; dashed where its paths subtract. */
function weigh(k, at) {
  for (const arrow of weighed.keys()) {
    const group = document.getElementById(arrows[arrow].id);
    group.style.removeProperty("--width");
    group.classList.remove("subtracts");
    for (const text of group.querySelectorAll("text.share")) text.remove();
  }
  weighed = (k !== null && at !== null && carried(k, at)) || new Map();
  const largest = Math.max(...[...weighed.values()].map(one => one.share));
  for (const [arrow, {share, total}] of weighed) {
    const group = document.getElementById(arrows[arrow].id);
    group.style.setProperty("--width", `${shareWidth(share, largest)}px`);
    group.classList.toggle("subtracts", total < 0);
  }
  for (const [arrow, share] of marked()) {
    const label = document.getElementById(arrows[arrow].id).querySelector("text");
    if (!label) continue;
    const text = label.cloneNode();
    text.removeAttribute("textLength");
    text.setAttribute("class", "share");
    text.setAttribute("y", Number(label.getAttribute("y")) - 9);
    text.textContent = percent(share);
    label.after(text);
  }
}
