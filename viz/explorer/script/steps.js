// The forward pass and backpropagation, step by step: one value, or one layer, at a time.

const MANY = 60; // values: above, a step is a layer until the button says otherwise
const step = {mode: "", k: 0, groups: [], timer: 0, byLayer: data.backward.length > MANY}; // k groups are done
const LISTED = 40; // equations of one step
const gradientText = new Map(); // the text element of each drawn value's gradient, with its text and its width
picture.querySelectorAll("text.grad").forEach(element => {
  gradientText.set(element.parentNode.id, [element, element.textContent, element.getAttribute("textLength")]);
});
const arrowsInto = new Map();
arrows.forEach(arrow => {
  if (!arrow.made) return;
  if (!arrowsInto.has(arrow.made)) arrowsInto.set(arrow.made, []);
  arrowsInto.get(arrow.made).push(arrow);
});

/** The steps of a pass: lists of entries, each with its value. */
function groupsOf(mode) {
  const entries = data[mode];
  if (!step.byLayer) return entries.map(entry => [entry]);
  const groups = [];
  for (const entry of entries) {
    const last = groups[groups.length - 1];
    if (last && last[0].layer === entry.layer) last.push(entry);
    else groups.push([entry]);
  }
  return groups;
}

function begin(mode) {
  if (step.mode === mode) return endStepping();
  finish();
  clear();
  const near = at.scale < 0.6;
  step.mode = mode;
  step.groups = groupsOf(mode);
  step.k = 0;
  picture.classList.add("stepping", mode);
  for (const {value} of data[mode]) setReached(value, false);
  $("position").max = step.groups.length;
  go(1);
  if (near) reveal(document.getElementById(values[step.groups[0][0].value].id));
  return undefined;
}

/** Restore the picture as it was before the first step. */
function finish() {
  if (step.mode) for (const {value} of data[step.mode]) setReached(value, true);
  picture.classList.remove("stepping", "forward", "backward");
  unlight("now", "arriving");
  pause();
}

function endStepping() {
  finish();
  step.mode = "";
  step.groups = [];
  step.k = 0;
  $("step").hidden = true;
  controls();
  say("All steps are done");
}

/** Change between values and layers; the step that holds the last value shown stays. */
function changePace() {
  const shown = step.groups[step.k - 1],
    last = shown && shown[shown.length - 1];
  step.byLayer = !step.byLayer;
  if (step.mode) {
    go(0);
    step.groups = groupsOf(step.mode);
    $("position").max = step.groups.length;
    if (last) go(step.groups.findIndex(group => group.includes(last)) + 1);
  }
  controls();
}

function setReached(k, reached) {
  const id = values[k].id,
    node = document.getElementById(id),
    maker = makerOf.get(id);
  node.classList.toggle("waiting", !reached);
  if (step.mode === "forward" && maker && !boxById.has(maker))
    document.getElementById(maker).classList.toggle("waiting", !reached);
  if (step.mode === "backward" && gradientText.has(id)) {
    const [element, text, length] = gradientText.get(id);
    element.textContent = reached ? text : "grad –";
    if (reached && length) element.setAttribute("textLength", length);
    else element.removeAttribute("textLength");
  }
}

function go(k) {
  if (!step.mode) return;
  k = Math.max(0, Math.min(step.groups.length, k));
  for (let i = step.k; i < k; i++) for (const {value} of step.groups[i]) setReached(value, true);
  for (let i = step.k - 1; i >= k; i--) for (const {value} of step.groups[i]) setReached(value, false);
  step.k = k;
  showStepLights();
  showStep();
  controls();
  if (k) reveal(document.getElementById(values[step.groups[k - 1][0].value].id), false);
  if (k === step.groups.length) pause();
}

function showStepLights() {
  unlight("now", "arriving");
  if (!step.mode || !step.k) return;
  for (const entry of step.groups[step.k - 1]) {
    const {id} = values[entry.value];
    light(id, "now");
    if (step.mode === "backward") {
      for (const [arrow] of entry.arrivals) if (arrow >= 0) light(arrows[arrow].id, "arriving");
    } else {
      light(makerOf.get(id), "now");
      for (const arrow of arrowsInto.get(id) || []) light(arrow.id, "arriving");
    }
  }
}

// ---- equations

/** The gradient of a value, as a derivative of the end. */
function derivative(k) {
  return `∂${nameOf(data.end, null)}/∂${nameOf(k, null)}`;
}

/** A text behind a sign that says what it is: a number or all elements, or the range of those of a larger array. */
function equals(value, text) {
  return isRange(value, text) ? `: ${text}` : ` = ${text}`;
}

function isRange(value, text) {
  return size(value) > 4 && text.includes("…");
}

function inBrackets(text) {
  return text.startsWith("-") ? `(${text})` : text;
}

/** How a step's value follows from others: its name, the lines of its equation, and the number in the end. */
function equationOf(entry) {
  const k = entry.value,
    value = values[k];
  if (step.mode === "forward") {
    const box = boxById.get(makerOf.get(value.id));
    const lines = [entry.symbols, entry.numbers].filter(Boolean);
    return {name: nameOf(k, null), lines: box ? [`computed inside ${box.label}`] : lines, result: value.value};
  }
  const terms = entry.arrivals.map(([arrow, part]) => termOf(k, arrow, part));
  const lines = terms.length && terms.length <= 4 ? ["symbols", "numbers"].map(kind => sumOf(terms, kind)) : [];
  return {name: derivative(k), lines: lines.filter(Boolean), result: value.gradient, terms};
}

/** What arrives along an arrow: the gradient of the reader times the local derivative. */
function termOf(k, number, part) {
  const arrow = number >= 0 ? arrows[number] : null,
    reader = arrow ? byId.get(arrow.made) : undefined;
  if (reader === undefined)
    return {from: arrow ? (boxById.get(arrow.op) || {label: "a box"}).label : "inside the box", symbols: "", numbers: part};
  const scalar = size(values[reader]) === 1 && size(values[k]) === 1,
    gradient = values[reader].gradient;
  return {
    from: nameOf(reader, null),
    symbols: `${derivative(reader)}·∂${nameOf(reader, null)}/∂${nameOf(k, null)}`,
    numbers: scalar ? `${inBrackets(gradient)}·${inBrackets(arrow.text)}` : "",
    formula: [...new Set([arrow.text, arrow.formula])].filter(Boolean).join(", "),
    gradient,
  };
}

function sumOf(terms, kind) {
  return terms.every(term => term[kind]) ? terms.map(term => term[kind]).join(" + ") : "";
}

function equationElement(entry) {
  const {name, lines, result} = equationOf(entry),
    value = values[entry.value];
  const alone = lines.length > 0 && isRange(value, result); // on a line of its own
  return make(
    "div",
    {class: "equation"},
    make("bdi", {class: "left"}, name),
    ...lines.map(line => make("bdi", {class: "line"}, ` = ${line}`)),
    make("bdi", {class: "result"}, alone ? result : equals(value, result)),
  );
}

// ---- what a step shows

function showStep() {
  const section = $("step"),
    name = step.mode === "forward" ? "Forward" : "Backward";
  section.hidden = false;
  if (!step.k) {
    section.replaceChildren(heading(name), make("p", {}, "Nothing has been computed yet."));
    return;
  }
  const group = step.groups[step.k - 1],
    place = `${name} ${step.k} of ${step.groups.length}`;
  if (group.length > 1) {
    const module = data.layers[step.mode][group[0].layer],
      title = `${module ? `${module}, ` : ""}${group.length} values`;
    section.replaceChildren(
      make("h2", {}, `${name}: `, make("bdi", {}, title)),
      ...group.slice(0, LISTED).map(equationElement),
      group.length > LISTED ? make("p", {class: "soft"}, `and ${group.length - LISTED} more`) : "",
    );
    say(`${place}: ${title}`);
    return;
  }
  const [entry] = group,
    equation = equationOf(entry),
    result = equals(values[entry.value], equation.result);
  section.replaceChildren(
    make("h2", {}, `${name}: `, make("bdi", {}, equation.name), make("span", {class: "soft"}, result)),
    equationElement(entry),
    step.mode === "forward" ? operandTable(entry) : arrivalTable(entry, equation.terms),
    make("p", {}, make("button", {type: "button", onclick: () => choose(entry.value)}, "its paths")),
  );
  say(`${place}: ${equation.name}${result}`);
}

function stepTable(head, rows) {
  const cells = head.map((text, i) => make("th", {scope: "col", class: i ? "number" : false}, text));
  return make(
    "div",
    {class: "scroll"},
    make("table", {}, make("thead", {}, make("tr", {}, ...cells)), make("tbody", {}, ...rows)),
  );
}

function operandTable(entry) {
  const read = (arrowsInto.get(values[entry.value].id) || []).map(arrow => byId.get(arrow.value));
  const rows = read.map(k =>
    make("tr", {}, make("td", {}, make("bdi", {}, nameOf(k, null))), make("td", {class: "number"}, values[k].value)),
  );
  return rows.length ? stepTable(["reads", "value"], rows) : null;
}

function arrivalTable(entry, terms) {
  const {arrivals} = entry,
    several = arrivals.length > 1;
  const rows = arrivals.map(([, part, sum], i) =>
    make(
      "tr",
      {},
      make(
        "td",
        {},
        make("bdi", {}, terms[i].from),
        terms[i].formula ? make("div", {class: "formula"}, `${terms[i].gradient} × ${terms[i].formula}`) : null,
      ),
      make("td", {class: "number"}, part),
      several ? make("td", {class: "number"}, sum) : null,
    ),
  );
  if (entry.value === data.end)
    rows.push(make("tr", {}, make("td", {}, "the end, by itself"), make("td", {class: "number"}, "1")));
  return stepTable(["arrives from", "gradient × local", ...(several ? ["sum so far"] : [])], rows);
}

// ---- the controls

function controls() {
  const active = Boolean(step.mode),
    count = step.groups.length;
  for (const mode of ["forward", "backward"]) $(mode).setAttribute("aria-pressed", String(step.mode === mode));
  $("pace").setAttribute("aria-pressed", String(step.byLayer));
  $("first").disabled = $("previous").disabled = !active || step.k === 0;
  $("next").disabled = $("play").disabled = !active || step.k === count;
  $("position").disabled = !active;
  $("position").value = step.k;
  $("position").setAttribute("aria-valuetext", `${step.k} of ${count}`);
  $("count").textContent = active ? `${step.k} of ${count}` : "";
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
$("pace").addEventListener("click", changePace);
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
