// Search for values and elements by name.

const names = values.map(value => value.name.toLowerCase());

/** An element by its name: w1[0,1], or w101 as in a network of scalars. */
function element(text) {
  const bracket = /^(.*)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]$/.exec(text);
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (!value.name || !value.shape.length) continue;
    let index = null;
    if (bracket && bracket[1] === names[k]) index = bracket[2].split(",").map(Number);
    else if (text.startsWith(names[k])) {
      const rest = text.slice(names[k].length);
      if (/^\d+$/.test(rest) && rest.length === value.shape.length) index = [...rest].map(Number);
    }
    if (index && index.length === value.shape.length && index.every((i, axis) => i < value.shape[axis]))
      return [k, flat(value, index)];
  }
  return null;
}

function search() {
  const text = $("search").value.trim().toLowerCase(),
    found = [];
  if (!text) return hideFound();
  const one = element(text);
  if (one) found.push(one);
  const order = names.map((name, k) => k).filter(k => names[k].includes(text));
  order.sort(
    (a, b) => (names[b] === text) - (names[a] === text) || names[b].startsWith(text) - names[a].startsWith(text),
  );
  for (const k of order) found.push([k, undefined]);
  const items = found.slice(0, 30).map(([k, place]) =>
    make(
      "li",
      {},
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            hideFound();
            choose(k, place, "search");
          },
        },
        make("bdi", {class: "name"}, place === undefined ? values[k].name : nameOf(k, place)),
        make("small", {}, place === undefined ? values[k].value : shortOf(values[k], place)),
      ),
    ),
  );
  if (!items.length) items.push(make("li", {class: "none"}, "Nothing has this name."));
  else if (found.length > 30) items.push(make("li", {class: "none"}, `and ${grouped(String(found.length - 30))} more`));
  $("found").replaceChildren(...items);
  $("found").hidden = false;
  say(found.length === 1 ? "1 value found" : `${found.length} values found`);
  return undefined;
}

function shortOf(value, at) {
  const data = numberAt(value, "data", at);
  return data === undefined ? "" : number(data);
}

function hideFound() {
  $("found").hidden = true;
}

$("search").addEventListener("input", search);
$("search").addEventListener("focus", search);
$("searching").addEventListener("keydown", event => {
  const buttons = [...$("found").querySelectorAll("button")],
    here = buttons.indexOf(document.activeElement);
  if (event.key === "Enter" && here < 0 && buttons.length) {
    event.preventDefault();
    buttons[0].click();
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  event.preventDefault();
  const next = here + (event.key === "ArrowDown" ? 1 : -1);
  (buttons[next] || $("search")).focus();
});
document.addEventListener("pointerdown", event => {
  if (!event.target.closest("#searching")) hideFound();
});
