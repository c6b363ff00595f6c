// The details when no value is selected: about the page, an arrow or a box.

function welcome() {
  const drawn = values.filter(value => value.drawn).length;
  const keys = [
    ["Tab ← → ↑ ↓", "to the graph, from node to node"],
    ["Enter", "select"],
    ["+ − 0", "zoom in, out, fit"],
    [", .", "previous and next step"],
    ["/", "search"],
    ["Esc", "select nothing"],
  ];
  const rows = keys.map(([key, what]) =>
    make(
      "tr",
      {},
      make("td", {}, ...key.split(" ").flatMap((one, i) => (i ? [" ", make("kbd", {}, one)] : [make("kbd", {}, one)]))),
      make("td", {}, what),
    ),
  );
  $("details").classList.add("welcome");
  put(
    $("details"),
    heading(nameOf(data.end, 0), `= ${values[data.end].value}`),
    make(
      "p",
      {},
      "Select a weight, or any value, to see the paths that its gradient is the sum of. Or step through the passes.",
    ),
    make(
      "p",
      {class: "soft"},
      `${grouped(String(drawn))} values are drawn. Boxes are filled by the sign and size of the gradient.`,
    ),
    data.notes.length
      ? make("ul", {class: "notes"}, ...data.notes.map(note => make("li", {}, note[0].toUpperCase() + note.slice(1))))
      : null,
    make("h3", {}, "Where to begin"),
    make(
      "p",
      {class: "indices"},
      ...data.asked
        .slice(0, 24)
        .map(k => make("button", {type: "button", onclick: () => choose(k)}, make("bdi", {}, label(values[k])))),
    ),
    make("h3", {}, "Keys"),
    make("table", {class: "keys"}, make("tbody", {}, ...rows)),
  );
}

function showArrow(arrow) {
  const k = byId.get(arrow.value),
    made = byId.get(arrow.made);
  clear();
  dim(true);
  for (const id of [arrow.value, arrow.op, arrow.made, `${arrow.op}-${arrow.made}`]) light(id, "lit");
  light(arrow.id, "lit", "chosen");
  const maker = made === undefined ? label(boxById.get(arrow.op) || {name: "a box"}) : nameOf(made, null);
  const local = data.edges.filter(edges => edges.arrow >= 0 && arrows[edges.arrow] === arrow);
  const one = local.length === 1 && local[0].locals.length === 1 ? number(local[0].locals[0]) : "";
  $("details").classList.remove("welcome");
  put(
    $("details"),
    heading(`∂${maker} / ∂${nameOf(k, null)}`),
    list([["local derivative", one || arrow.text || "–"], arrow.formula && ["formula", arrow.formula]]),
    make(
      "p",
      {class: "indices"},
      make("button", {type: "button", onclick: () => choose(k)}, nameOf(k, null)),
      made === undefined ? null : make("button", {type: "button", onclick: () => choose(made)}, maker),
    ),
  );
  say(`Local derivative of ${maker} with respect to ${nameOf(k, null)}: ${one || arrow.text}`);
}

function showBox(id) {
  const box = boxById.get(id);
  clear();
  dim(true);
  lightWays(id);
  light(id, "lit", "chosen");
  const inside = values
    .map((value, k) => k)
    .filter(k => values[k].id === id)
    .slice(0, 60);
  $("details").classList.remove("welcome");
  put(
    $("details"),
    heading(box.label),
    make("p", {}, `${grouped(String(box.ops))} ops, drawn as one box.`),
    inside.length ? make("h3", {}, "In it") : null,
    make(
      "p",
      {class: "indices"},
      ...inside.map(k => make("button", {type: "button", onclick: () => choose(k)}, make("bdi", {}, label(values[k])))),
    ),
  );
  say(`${box.label}: ${box.ops} ops in one box`);
}
