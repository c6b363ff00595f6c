// The largest paths of an element, from the page's elementary edges.

let readers = null; // for each value, the arrows to its readers: elementary edges, by the element at their tail
const best = values.map(() => null); // for each element the logarithm of its largest |contribution|

function bestAt(k, at) {
  const found = best[k] && best[k].get(at);
  return found === undefined ? -Infinity : found;
}

/** One pass over the edges, readers first: the size of the largest path of every element, which guides the search. */
function prepare() {
  readers = values.map(() => []);
  best[data.end] = new Map([[0, 0]]);
  for (const edges of data.edges) {
    const behind = best[edges.operand] || (best[edges.operand] = new Map()),
      at = new Map();
    edges.tails.forEach((tail, i) => {
      if (!at.has(tail)) at.set(tail, []);
      at.get(tail).push(i);
      const reach = bestAt(edges.node, edges.heads[i]) + Math.log(Math.abs(edges.locals[i]));
      if (!(behind.get(tail) >= reach)) behind.set(tail, reach);
    });
    readers[edges.operand].push([edges, at]);
  }
}

/** A heap with the largest bound on top; among equal bounds the newest, so that the search goes deep. */
class Heap {
  constructor() {
    this.items = [];
    this.came = 0;
  }
  before(a, b) {
    return a.bound > b.bound || (a.bound === b.bound && a.came > b.came);
  }
  push(item) {
    item.came = this.came++;
    const items = this.items;
    let k = items.push(item) - 1;
    while (k && this.before(item, items[(k - 1) >> 1])) {
      items[k] = items[(k - 1) >> 1];
      k = (k - 1) >> 1;
    }
    items[k] = item;
  }
  pop() {
    const items = this.items,
      top = items[0],
      last = items.pop();
    if (!items.length) return top;
    let k = 0;
    for (;;) {
      let next = 2 * k + 1;
      if (next >= items.length) break;
      if (next + 1 < items.length && this.before(items[next + 1], items[next])) next++;
      if (!this.before(items[next], last)) break;
      items[k] = items[next];
      k = next;
    }
    items[k] = last;
    return top;
  }
}

/**
 * The largest paths of an element, exactly. A partial path and the best way on to the end give a bound that some path
 * attains: partial paths taken in the order of their bounds are completed in the order of their sizes.
 */
function largestPaths(k, at, most) {
  if (!readers) prepare();
  const heap = new Heap(),
    found = [];
  heap.push({bound: bestAt(k, at), k, at, size: 0, edges: null, i: 0, from: null});
  while (heap.items.length && found.length < most) {
    const way = heap.pop();
    if (way.k === data.end) {
      found.push(pathAlong(way));
      continue;
    }
    for (const [edges, tails] of readers[way.k]) {
      for (const i of tails.get(way.at) || []) {
        const size = way.size + Math.log(Math.abs(edges.locals[i])),
          head = edges.heads[i];
        heap.push({bound: size + bestAt(edges.node, head), k: edges.node, at: head, size, edges, i, from: way});
      }
    }
  }
  return found.sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
}

function pathAlong(way) {
  const steps = [{k: way.k, at: way.at, local: null, arrow: -1, product: 1}];
  for (; way.from; way = way.from) {
    const local = way.edges.locals[way.i],
      product = steps[steps.length - 1].product * local;
    steps.push({k: way.from.k, at: way.from.at, local, arrow: way.edges.arrow, product});
  }
  return {steps, contribution: steps[steps.length - 1].product + 0};
}

/**
 * What runs through each arrow of the picture on the way to an element: the part of |gradient|, and the sum of the paths.
 * The page has the sums over the paths from the end to every element; one pass over the edges adds those from there on.
 * Null where some numbers are not on the page.
 */
function carried(k, at) {
  const whole = numberAt(values[k], "magnitude", at),
    behind = values.map(() => null),
    found = new Map();
  if (data.listed !== null || !(whole > 0)) return null;
  behind[k] = new Map([[at, [1, 1]]]);
  for (const edges of [...data.edges].reverse()) {
    const here = behind[edges.operand],
      reader = values[edges.node];
    if (!here) continue;
    const there = behind[edges.node] || (behind[edges.node] = new Map());
    for (let i = 0; i < edges.tails.length; i++) {
      const way = here.get(edges.tails[i]);
      if (!way) continue;
      const head = edges.heads[i],
        size = way[0] * Math.abs(edges.locals[i]),
        sum = way[1] * edges.locals[i];
      const [sizes, sums] = there.get(head) || [0, 0];
      there.set(head, [sizes + size, sums + sum]);
      if (edges.arrow < 0) continue;
      const ahead = numberAt(reader, "magnitude", head);
      if (ahead === undefined) return null;
      const arrow = found.get(edges.arrow) || {share: 0, total: 0};
      arrow.share += (size * ahead) / whole;
      arrow.total += sum * numberAt(reader, "total", head);
      found.set(edges.arrow, arrow);
    }
  }
  for (const arrow of found.values()) if (Math.abs(arrow.total) <= 1e-12 * arrow.share * whole) arrow.total = 0;
  return found;
}
