// The forward pass and backpropagation, step by step.

const step = {mode: "", k: 0, order: [], timer: 0};
const gradientText = new Map(); // the text of each drawn value's gradient
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

/** Restore the picture as it was before the first step. */
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
  const id = values[k].id,
    node = document.getElementById(id),
    maker = makerOf.get(id),
    text = gradientText.get(id);
  node.classList.toggle("waiting", !reached);
  if (step.mode === "forward" && maker && !boxById.has(maker))
    document.getElementById(maker).classList.toggle("waiting", !reached);
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
  const k = step.order[step.k - 1],
    id = values[k].id;
  light(id, "now");
  if (step.mode === "backward") {
    for (const [arrow] of data.backward[step.k - 1].arrivals) if (arrow >= 0) light(arrows[arrow].id, "arriving");
  } else {
    light(makerOf.get(id), "now");
    for (const arrow of arrowsInto.get(id) || []) light(arrow.id, "arriving");
  }
}

function showStep() {
  const section = $("step"),
    name = step.mode === "forward" ? "Forward" : "Backward";
  section.hidden = false;
  if (!step.k) {
    section.replaceChildren(heading(name), make("p", {}, "Nothing has been computed yet."));
    return;
  }
  const k = step.order[step.k - 1],
    value = values[k],
    rows = [];
  let sentence;
  if (step.mode === "forward") {
    for (const arrow of arrowsInto.get(value.id) || []) {
      const operand = byId.get(arrow.value);
      rows.push(
        make(
          "tr",
          {},
          make("td", {}, make("bdi", {}, nameOf(operand, null))),
          make("td", {class: "number"}, values[operand].value),
        ),
      );
    }
    if (!rows.length)
      rows.push(
        make(
          "tr",
          {},
          make("td", {}, `computed inside ${(boxById.get(makerOf.get(value.id)) || {label: "a box"}).label}`),
          make("td"),
        ),
      );
    rows.push(make("tr", {class: "sum"}, make("td", {}, `${value.op} =`), make("td", {class: "number"}, value.value)));
    sentence = `${nameOf(k, null)} = ${value.value}`;
  } else {
    const arrivals = data.backward[step.k - 1].arrivals;
    for (const [arrow, part, sum] of arrivals) {
      const one = arrow >= 0 ? arrows[arrow] : null,
        reader = one && byId.get(one.made);
      const from = !one
        ? "inside the box"
        : reader === undefined
          ? (boxById.get(one.op) || {label: "a box"}).label
          : nameOf(reader, null);
      const factors =
        reader === undefined || !one.text
          ? ""
          : `${values[reader].gradient} × ${[...new Set([one.text, one.formula])].filter(Boolean).join(", ")}`;
      rows.push(
        make(
          "tr",
          {},
          make("td", {}, make("bdi", {}, from), factors ? make("div", {class: "formula"}, factors) : null),
          make("td", {class: "number"}, part),
          arrivals.length > 1 ? make("td", {class: "number"}, sum) : null,
        ),
      );
    }
    if (k === data.end)
      rows.push(make("tr", {}, make("td", {}, "the end, by itself"), make("td", {class: "number"}, "1")));
    sentence =
      `gradient of ${nameOf(k, null)}: ${value.gradient}` +
      (arrivals.length > 1 ? `, the sum of ${arrivals.map(one => one[1]).join(" and ")}` : "");
  }
  const head =
    step.mode === "forward"
      ? ["reads", "value"]
      : ["arrives from", "gradient × local", "sum so far"].slice(0, rows[0].cells.length);
  section.replaceChildren(
    make(
      "h2",
      {},
      `${name}: `,
      make("bdi", {}, nameOf(k, null)),
      make("span", {class: "soft"}, ` = ${step.mode === "forward" ? value.value : value.gradient}`),
    ),
    make(
      "div",
      {class: "scroll"},
      make(
        "table",
        {},
        make(
          "thead",
          {},
          make("tr", {}, ...head.map((text, i) => make("th", {scope: "col", class: i ? "number" : false}, text))),
        ),
        make("tbody", {}, ...rows),
      ),
    ),
    make("p", {}, make("button", {type: "button", onclick: () => choose(k)}, "its paths")),
  );
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
