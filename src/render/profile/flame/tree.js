"use strict";
// What is counted, as a tree: from the data in the page to something that can be drawn.
//
// The data has each text, function and stack once, and refers to them by number:
//   strings    texts
//   functions  [name, file, …] by string
//   nodes      [parent, function, line, …]: a tree of stacks, outermost function first; parent is the number of an
//              earlier node plus 1, or 0 at the top
//   labels     [{set: [key, value, …]}, …] by string: the sets of labels there are
//   now, base  [node, label set, number of each type, …]: what was counted; base only in a difference
// Everything in it that is text is foreign: it goes into the page as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);

const nameOf = (fn) => fn < 0 ? "all" : data.strings[data.functions[2 * fn]];
const fileOf = (fn) => fn < 0 ? "" : data.strings[data.functions[2 * fn + 1]];

// The samples of one side that have a label, as [node, number] of one type; label is [key, value] by string, or null.
function samplesOf(side, type, label) {
  const list = data[side] || [], width = 2 + data.types.length, samples = [];
  const wanted = data.labels.map(({ set }) => {
    for (let i = 0; label && i < set.length; i += 2) {
      if (set[i] === label[0] && set[i + 1] === label[1]) return true;
    }
    return !label;
  });
  for (let i = 0; i < list.length; i += width) {
    const value = list[i + 2 + type];
    if (value !== 0 && wanted[list[i + 1]]) samples.push([list[i], value]);
  }
  return samples;
}

// The functions of a stack, outermost first.
function stackOf(node) {
  const stack = [];
  for (let at = node + 1; at > 0; at = data.nodes[3 * (at - 1)]) stack.push(3 * (at - 1));
  return stack.reverse();
}

// A tree in columns: node 0 is all. Of each: parent, function, line (0: none or several), what it counts now and
// before with all below it, and by itself.
class Tree {
  constructor() {
    this.parent = [-1]; this.fn = [-1]; this.line = [0]; this.depth = [0];
    this.now = [0]; this.base = [0]; this.selfNow = [0]; this.selfBase = [0];
    this.byKey = new Map();
  }
  child(parent, fn, line) {
    const key = parent * (data.functions.length + 1) + fn;
    let node = this.byKey.get(key);
    if (node === undefined) {
      node = this.parent.length;
      this.byKey.set(key, node);
      this.parent.push(parent); this.fn.push(fn); this.line.push(line); this.depth.push(this.depth[parent] + 1);
      this.now.push(0); this.base.push(0); this.selfNow.push(0); this.selfBase.push(0);
    } else if (this.line[node] !== line) {
      this.line[node] = 0;
    }
    return node;
  }
  add(samples, inverted, sum, self) {
    for (const [leaf, value] of samples) {
      const stack = stackOf(leaf);
      if (inverted) stack.reverse();
      let at = 0;
      sum[0] += value;
      for (const place of stack) {
        at = this.child(at, data.nodes[place + 1], data.nodes[place + 2]);
        sum[at] += value;
      }
      self[at] += value;
    }
  }
}

// The tree of what is chosen: {type, side, inverted, label}. Widths are `size`: what is counted now or before, or of a
// difference what grew or shrank, each stack for itself, so that one does not hide the other.
function treeOf(choice) {
  let now = samplesOf("now", choice.type, choice.label), base = samplesOf("base", choice.type, choice.label);
  if (choice.side === "grew" || choice.side === "shrank") {
    const change = changes(now, base), sign = choice.side === "grew" ? 1 : -1;
    now = []; base = [];
    for (const [node, value] of change) if (value * sign > 0) (sign > 0 ? now : base).push([node, Math.abs(value)]);
  }
  const tree = new Tree();
  tree.add(now, choice.inverted, tree.now, tree.selfNow);
  tree.add(base, choice.inverted, tree.base, tree.selfBase);
  const isBase = choice.side === "before" || choice.side === "shrank";
  tree.size = isBase ? tree.base : tree.now;
  tree.self = isBase ? tree.selfBase : tree.selfNow;
  arrange(tree);
  return tree;
}

// What has changed on each stack. Stacks are the same if their functions are: lines move from build to build.
function changes(now, base) {
  const all = new Map(), same = new Tree();
  for (const [list, sign] of [[now, 1], [base, -1]]) {
    for (const [leaf, value] of list) {
      let at = 0;
      for (const place of stackOf(leaf)) at = same.child(at, data.nodes[place + 1], 0);
      const entry = all.get(at) || [leaf, 0];
      entry[1] += sign * value;
      all.set(at, entry);
    }
  }
  return all.values();
}

// Children, largest first, and where each node begins, in the unit of its size.
function arrange(tree) {
  const count = tree.parent.length;
  tree.children = Array.from({ length: count }, () => []);
  for (let node = 1; node < count; node++) if (tree.size[node] > 0) tree.children[tree.parent[node]].push(node);
  tree.start = new Array(count).fill(0);
  tree.deepest = 0;
  for (let node = 0; node < count; node++) { // A parent has a smaller number than its children.
    if (node > 0 && !(tree.size[node] > 0)) continue;
    tree.deepest = Math.max(tree.deepest, tree.depth[node]);
    tree.children[node].sort((a, b) => tree.size[b] - tree.size[a] || a - b);
    let at = tree.start[node];
    for (const child of tree.children[node]) { tree.start[child] = at; at += tree.size[child]; }
  }
}

// Flat and cumulative by function, largest flat first. What is on a stack several times counts once in cum.
function functionsOf(choice) {
  const all = new Map(), tree = treeOf({ ...choice, inverted: false });
  const of = (fn) => all.get(fn) || all.set(fn, { fn, flat: 0, cum: 0 }).get(fn);
  const above = new Map(), path = [];
  const todo = [[0, false]];
  while (todo.length > 0) {
    const [node, done] = todo.pop(), fn = tree.fn[node];
    if (done) { above.set(fn, above.get(fn) - 1); continue; }
    const outer = above.get(fn) || 0;
    if (node > 0) {
      const entry = of(fn);
      entry.flat += tree.self[node];
      if (outer === 0) entry.cum += tree.size[node];
    }
    above.set(fn, outer + 1);
    todo.push([node, true]);
    for (const child of tree.children[node]) todo.push([child, false]);
  }
  return { total: tree.size[0], rows: [...all.values()].sort((a, b) => b.flat - a.flat || b.cum - a.cum) };
}

// Which functions are found, and how much of the whole has one of them on its stack.
function search(tree, text) {
  const wanted = text.toLowerCase(), found = new Uint8Array(data.functions.length / 2);
  for (let fn = 0; fn < found.length; fn++) {
    found[fn] = nameOf(fn).toLowerCase().includes(wanted) || fileOf(fn).toLowerCase().includes(wanted) ? 1 : 0;
  }
  let matched = 0;
  const todo = [0];
  while (todo.length > 0) {
    const node = todo.pop();
    if (node > 0 && found[tree.fn[node]]) { matched += tree.size[node]; continue; }
    for (const child of tree.children[node]) todo.push(child);
  }
  return { found, matched };
}

const scaled = (value, step, units, least) => {
  let unit = 0;
  while (Math.abs(value) >= step && unit < units.length - 1) { value /= step; unit++; }
  const digits = unit === 0 && least ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits) + units[unit];
};

// A number for people, in its unit.
function shown(value, unit) {
  if (unit === "bytes") return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"], true);
  if (unit === "nanoseconds") {
    if (Math.abs(value) >= 6e10) return Math.floor(value / 6e10) + "m" + Math.round(value / 1e9) % 60 + "s";
    return scaled(value, 1000, ["ns", "µs", "ms", "s"], true);
  }
  return value.toLocaleString("en");
}

const signed = (value, unit) => (value > 0 ? "+" : value < 0 ? "−" : "") + shown(Math.abs(value), unit);
const share = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(1) + "%" : "–";
