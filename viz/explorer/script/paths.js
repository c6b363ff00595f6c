// The paths of the selected element: a list, the running product of each, and the spectrum by length.

function isListed(k, at) {
  return data.listed === null || data.listed.some(([a, b]) => a === k && b === at);
}

function pathList(k, at) {
  const value = values[k];
  if (k === data.end) return [];
  if (!isListed(k, at)) {
    const offers = [...data.listed]
      .sort(([a], [b]) => (b === k) - (a === k))
      .map(([a, b]) => make("button", {type: "button", onclick: () => choose(a, b)}, nameOf(a, b)));
    return [
      make("h3", {}, "Largest paths"),
      make("p", {class: "soft"}, "The graph has too many elementary edges for all paths. They are listed for:"),
      make("p", {class: "indices"}, ...offers),
    ];
  }
  const paths = largestPaths(k, at, data.paths);
  if (!paths.length) return [make("p", {class: "soft"}, "No path leads here.")];
  const whole = numberAt(value, "magnitude", at),
    largest = Math.abs(paths[0].contribution);
  const items = paths.map((path, rank) => {
    const share = whole > 0 ? percent(Math.abs(path.contribution) / whole) : "",
      part = largest > 0 ? path.contribution / largest : 0;
    const button = make(
      "button",
      {type: "button", "aria-expanded": "false"},
      make("span", {class: "chain"}, chain(path)),
      make("span", {class: "amount"}, number(path.contribution)),
      signedBar(part, `${share || "a part"} of the magnitude, ${part < 0 ? "subtracted" : "added"}`),
      make("span", {class: "share"}, share),
    );
    const item = make("li", {}, button);
    button.addEventListener("click", () => open(item, path, rank));
    button.addEventListener("pointerenter", () => lightPath(path));
    button.addEventListener("pointerleave", () => lightPath(opened && opened.path));
    return item;
  });
  opened = null;
  return [make("h3", {}, pathTitle(paths.length, numberAt(value, "count", at))), make("ol", {class: "paths"}, ...items)];
}

/** What a list of paths is; all that there are only where the page knows their number. */
function pathTitle(shown, count) {
  if (count === undefined) return shown === 1 ? "The largest path" : `The ${shown} largest paths`;
  if (count === String(shown)) return shown === 1 ? "The path" : `All ${shown} paths`;
  return `The ${shown > 1 ? `${shown} ` : ""}largest of ${grouped(count)} paths`;
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

/** The named values of a path; if none between its ends has a name, the modules on the path. */
function chain(path) {
  const inner = path.steps.slice(1, -1),
    name = step => nameOf(step.k, step.at);
  let between = inner.filter(step => values[step.k].name).map(name);
  if (!between.length) {
    between = inner.map(step => values[step.k].module).filter((module, i, all) => module && module !== all[i - 1]);
    between = between.filter(
      (module, i, all) => ![all[i - 1], all[i + 1]].some(other => other && other.startsWith(`${module}.`)),
    );
  }
  return [name(path.steps[0]), ...between, name(path.steps[path.steps.length - 1])].join(" ← ");
}

function running(path) {
  const rows = path.steps.map(step => {
    const formula = step.arrow >= 0 ? arrows[step.arrow].formula : "";
    return make(
      "tr",
      {},
      make(
        "td",
        {},
        make("bdi", {}, nameOf(step.k, step.at)),
        formula ? make("div", {class: "formula"}, formula) : null,
      ),
      make("td", {class: "number"}, step.local === null ? "" : number(step.local)),
      make("td", {class: "number"}, number(step.product)),
    );
  });
  return make(
    "div",
    {class: "scroll"},
    make(
      "table",
      {class: "running"},
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("th", {scope: "col"}, "from the end to"),
          make("th", {scope: "col", class: "number"}, "× local derivative"),
          make("th", {scope: "col", class: "number"}, "= product"),
        ),
      ),
      make("tbody", {}, ...rows),
    ),
  );
}

function spectrum(value, at) {
  const groups = (value.spectrum || [])
    .map(([length, counts, totals, sizes]) => [length, counts[at], totals[at], sizes[at]])
    .filter(group => group[1] !== "0");
  if (!groups.length || value === values[data.end]) return [];
  const largest = Math.max(...groups.map(group => Number(group[3])));
  const rows = groups.map(([length, count, total, magnitude]) => {
    const bar = make("i");
    bar.style.width = `${largest > 0 ? (100 * magnitude) / largest : 0}%`;
    return make(
      "tr",
      {},
      make("td", {class: "number"}, String(length)),
      make("td", {class: "number"}, grouped(count)),
      make("td", {class: "number"}, number(total)),
      make(
        "td",
        {class: "size", title: `magnitude ${number(magnitude)}`},
        make("div", {class: "bar", role: "img", "aria-label": `magnitude ${number(magnitude)}`}, bar),
      ),
    );
  });
  return [
    make("h3", {}, "Spectrum: paths by their length in ops"),
    make(
      "table",
      {class: "spectrum"},
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          ...["length", "paths", "total", "magnitude"].map((name, i) =>
            make("th", {scope: "col", class: i < 3 ? "number" : false}, name),
          ),
        ),
      ),
      make("tbody", {}, ...rows),
    ),
  ];
}
