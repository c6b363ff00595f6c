// Keyboard: from node to node.

let focused = picture.querySelector('[tabindex="0"]');
function focusable(id) {
  const element = document.getElementById(id);
  if (!element || !element.hasAttribute("tabindex")) return;
  focused.setAttribute("tabindex", "-1");
  element.setAttribute("tabindex", "0");
  focused = element;
}

let centres = null; // of the nodes that take the focus, in the picture's own units
function neighbour(element, dx, dy) {
  centres =
    centres ||
    [...picture.querySelectorAll("[tabindex]")].map(node => {
      const box = node.getBBox();
      return [node, box.x + box.width / 2, box.y + box.height / 2];
    });
  const own = centres.find(centre => centre[0] === element);
  let nearest = null,
    least = Infinity;
  for (const [node, x, y] of centres) {
    const along = (x - own[1]) * dx + (y - own[2]) * dy,
      aside = Math.abs((x - own[1]) * dy) + Math.abs((y - own[2]) * dx);
    if (along > 1 && aside < 3 * along + 40 && along + 2 * aside < least) {
      nearest = node;
      least = along + 2 * aside;
    }
  }
  return nearest;
}

picture.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = event.target.closest("[tabindex]");
  const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (move && node) {
    event.preventDefault();
    const next = neighbour(node, ...move);
    if (next) {
      focusable(next.id);
      next.focus({preventScroll: true});
      reveal(next);
    }
  } else if ((event.key === "Enter" || event.key === " ") && node) {
    event.preventDefault();
    activate(node.id);
  } else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
  else if (event.key === ".") go(step.k + 1);
  else if (event.key === ",") go(step.k - 1);
  else if (event.key === "/") {
    event.preventDefault();
    $("search").focus();
  }
});
document.addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  if (!$("found").hidden) return hideFound();
  clear();
});
