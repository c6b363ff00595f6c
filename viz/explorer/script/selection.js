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
  show(k, at);
  if (from !== "graph" && value.id) reveal(document.getElementById(value.id));
  focusable(value.id);
  const own = nameOf(k, at);
  if (value.kind === "constant") say(`${own}: a constant`);
  else if (at !== null && value.total)
    say(`${own}: gradient ${number(value.total[at])}, ${grouped(value.count[at])} paths`);
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
          value.total ? "Choose an element above for its paths." : "The numbers of its elements are not on the page.",
        ),
      );
  } else if (value.data) {
    parts.push(
      list([
        ["value", number(value.data[at])],
        value.total && ["gradient", make("strong", {id: "total"}, number(value.total[at]))],
        value.total && ["paths", pathCount(value, at)],
        value.total && ["magnitude", number(value.magnitude[at])],
        value.total && ["cancellation", percent(value.cancellation[at])],
        value.total && [
          "entropy",
          `${number(value.entropy[at])} nats` +
            (value.magnitude[at] > 0 ? `, as of ${equal(value.entropy[at])} equal paths` : ""),
        ],
      ]),
    );
  }
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

/** The number of equally large paths that has this entropy. */
function equal(entropy) {
  return Number(Math.exp(entropy).toPrecision(3));
}

function pathCount(value, at) {
  const count = grouped(value.count[at]),
    active = grouped(value.active[at]);
  return count === active ? count : `${count}, ${active} of them active`;
}

function list(pairs) {
  const dl = make("dl");
  for (const pair of pairs) if (pair) dl.append(make("dt", {}, pair[0]), make("dd", {}, pair[1]));
  return dl;
}
