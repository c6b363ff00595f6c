// The selected value or element, and its details.

let dimmed = false;

/** Dim everything else one frame after the highlight: dimming takes longer in a large graph. */
function dim(on) {
  dimmed = on;
  if (on) requestAnimationFrame(() => setTimeout(() => picture.classList.toggle("choosing", dimmed)));
  else picture.classList.remove("choosing");
}

let chosen = null; // {k, at}: a value and its element, or null for the whole value

function choose(k, at, from) {
  const value = values[k];
  if (at === undefined) at = size(value) === 1 ? 0 : null;
  chosen = {k, at};
  unlight("lit", "best", "chosen");
  dim(true);
  lightWays(value.id);
  light(value.id, "lit", "chosen");
  weigh(k, at);
  show(k, at);
  if (from !== "graph" && value.id) reveal(document.getElementById(value.id));
  focusable(value.id);
  const own = nameOf(k, at);
  if (value.kind === "constant") say(`${own}: a constant`);
  else if (at !== null && numberAt(value, "total", at) !== undefined)
    say(`${own}: gradient ${number(numberAt(value, "total", at))}, ${grouped(numberAt(value, "count", at))} paths`);
  else say(`${own}: gradient ${value.gradient || "none"}`);
}

function clear() {
  chosen = null;
  unlight("lit", "best", "chosen");
  weigh(null);
  dim(false);
  welcome();
  say("Nothing selected");
}

function heading(text, extra) {
  return make("h2", {}, make("bdi", {}, text), extra ? make("span", {class: "soft"}, ` ${extra}`) : null);
}

function show(k, at) {
  const value = values[k],
    details = $("details"),
    parts = [];
  const shape = value.shape.length ? value.shape.join("×") : "";
  parts.push(heading(nameOf(k, at), at === null ? shape : ""));
  const origin =
    value.kind === "constant"
      ? value.op
        ? `a constant, made by ${value.op}`
        : "a constant"
      : value.kind === "leaf"
        ? "a leaf"
        : `made by ${value.op}`;
  parts.push(make("p", {class: "soft"}, value.drawn ? origin : `${origin}, inside a box of the picture`));
  if (value.shape.length && size(value) > 1) parts.push(...cells(k, at));
  if (at === null) {
    parts.push(list([["value", value.value], value.gradient && ["gradient", value.gradient]]));
    if (value.kind !== "constant")
      parts.push(
        make(
          "p",
          {class: "soft"},
          value.total || value.elements
            ? "Choose an element above for its paths."
            : "The numbers of its elements are not on the page.",
        ),
      );
  } else parts.push(numbersOf(value, at));
  if (value.kind !== "constant") {
    const derivation = value.derivation && value.derivation[at === null ? "all" : at];
    const whole = value.derivation && at !== null && value.derivation.all;
    if (derivation || whole) {
      parts.push(
        make("h3", {}, derivation ? "Derivation" : "Derivation of the whole array"),
        make("pre", {id: "derivation", tabindex: "0"}, derivation || whole),
      );
    }
    if (at !== null) parts.push(...pathList(k, at), ...spectrum(value, at));
  }
  details.classList.remove("welcome");
  details.replaceChildren(...parts);
}

/** The statistics of an element. */
function numbersOf(value, at) {
  const of = name => numberAt(value, name, at);
  if (of("data") === undefined)
    return make(
      "p",
      {class: "soft"},
      "The numbers of this element are not on the page; viz.explore(…, wrt=) names those that shall be.",
    );
  const found = [["value", make("span", {id: "value"}, number(of("data")))]];
  if (of("total") !== undefined)
    found.push(
      ["gradient", make("strong", {id: "total"}, number(of("total")))],
      ["paths", pathCount(value, at)],
      ["magnitude", make("span", {id: "magnitude"}, number(of("magnitude")))],
      ["cancellation", percent(of("cancellation"))],
      [
        "entropy",
        `${number(of("entropy"))} nats` + (of("magnitude") > 0 ? `, as of ${equal(of("entropy"))} equal paths` : ""),
      ],
    );
  return list(found);
}

/** The number of equally large paths that has this entropy. */
function equal(entropy) {
  return Number(Math.exp(entropy).toPrecision(3));
}

function pathCount(value, at) {
  const count = grouped(numberAt(value, "count", at)),
    active = grouped(numberAt(value, "active", at));
  return count === active ? count : `${count}, ${active} of them active`;
}

function list(pairs) {
  const dl = make("dl");
  for (const pair of pairs) if (pair) dl.append(make("dt", {}, pair[0]), make("dd", {}, pair[1]));
  return dl;
}
