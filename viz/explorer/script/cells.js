// The table of an array's elements.

const WINDOW = 20; // the largest numbers of rows and columns in the table
const OFFERED = 8; // elements of an array too large for one

function cells(k, at) {
  const value = values[k],
    numbers = value.total || value.data,
    index = at === null ? value.shape.map(() => 0) : indexOf(value, at);
  const axes = value.shape.map((n, axis) => {
    const input = make("input", {
      type: "number",
      min: 0,
      max: n - 1,
      value: index[axis],
      "aria-label": `index along axis ${axis}, below ${n}`,
    });
    input.addEventListener("change", () => {
      const wanted = [...index];
      wanted[axis] = Math.max(0, Math.min(n - 1, Math.trunc(Number(input.value)) || 0));
      choose(k, flat(value, wanted));
      const again = $("details").querySelectorAll(".indices input")[axis];
      if (again) again.focus();
    });
    return input;
  });
  const parts = [
    make(
      "div",
      {class: "indices", role: "group", "aria-label": "Element"},
      "element",
      ...axes,
      at === null ? null : make("button", {type: "button", onclick: () => choose(k, null)}, "whole array"),
    ),
  ];
  if (!numbers) return value.elements ? [...parts, singled(k)] : parts;
  const lead = index.slice(0, -2),
    rows = value.shape.length > 1 ? value.shape[value.shape.length - 2] : 1;
  const columns = value.shape[value.shape.length - 1],
    row = rows > 1 || value.shape.length > 1 ? index[index.length - 2] : 0;
  const start = (chosenAt, n) => Math.max(0, Math.min(chosenAt - WINDOW / 2, n - WINDOW));
  const top = start(row, rows),
    left = start(index[index.length - 1], columns);
  const place = (i, j) => flat(value, value.shape.length > 1 ? [...lead, i, j] : [j]);
  let scale = 0;
  for (const x of numbers) if (Math.abs(x) > scale) scale = Math.abs(x);
  const roomy = columns <= 5;
  const table = make("table", {
    class: roomy ? "cells roomy" : "cells",
    "aria-label": `elements of ${label(value)}, by gradient`,
  });
  const across = [...Array(Math.min(columns, WINDOW)).keys()].map(j => left + j);
  table.append(make("tr", {}, make("th"), ...across.map(j => make("th", {scope: "col"}, String(j)))));
  for (let i = top; i < Math.min(rows, top + WINDOW); i++) {
    const line = make("tr", {}, make("th", {scope: "row"}, value.shape.length > 1 ? String(i) : ""));
    for (const j of across) {
      const here = place(i, j),
        x = numbers[here];
      const button = make(
        "button",
        {
          type: "button",
          tabindex: here === (at === null ? place(top, left) : at) ? "0" : "-1",
          "aria-label": `${nameOf(k, here)}: ${value.total ? "gradient" : "value"} ${number(x)}`,
          "aria-current": here === at ? "true" : false,
          title: `${nameOf(k, here)}: ${number(x)}`,
        },
        roomy ? String(Number(Number(x).toPrecision(3))) : "",
      );
      const depth = scale > 0 ? Math.abs(x) / scale : 0,
        share = depth >= 0.1 ? 100 : depth >= 0.01 ? 60 : depth > 0 ? 25 : 0;
      const colour = x < 0 ? "negative" : "positive";
      if (share) button.style.background = `color-mix(in srgb, var(--${colour}) ${share}%, var(--page))`;
      button.addEventListener("click", () => {
        choose(k, here, "cell");
        focusCell();
      });
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

/** The elements of a large array whose numbers are on the page. */
function singled(k) {
  const value = values[k],
    size = at => Math.abs(numberAt(value, "total", at) || 0);
  const places = Object.keys(value.elements).map(Number);
  places.sort((a, b) => isListed(k, b) - isListed(k, a) || size(b) - size(a));
  const button = at => make("button", {type: "button", onclick: () => choose(k, at)}, nameOf(k, at));
  return make("p", {class: "indices"}, "on the page:", ...places.slice(0, OFFERED).map(button));
}

function focusCell() {
  const cell = $("details").querySelector(".cells [aria-current]");
  if (cell) cell.focus();
}
