"use strict";
// Draws the tree and obeys mouse, finger and keyboard. Only what is in sight is drawn, on a canvas as large as the
// window's part of the graph: tens of thousands of functions, or stacks a thousand deep, cost no more than what is seen.

const ROW = 20, NARROWEST = 0.4, ROWS = 100, LABELS = 300;
const $ = (id) => document.getElementById(id);
const graph = $("graph"), room = $("room"), canvas = $("canvas"), pen = canvas.getContext("2d");

let tree, zoomed = 0, selected = 0, hovered = -1, found = null, pending = 0;
const choice = { type: data.default, side: data.base ? "grew" : "now", inverted: false, label: null };
const unit = () => data.types[choice.type].unit;

// Foreign text becomes text, whatever is in it.
function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
const option = (value, text) => { const made = element("option", text); made.value = value; return made; };

function header() {
  const title = `${data.kind} profile of ${data.name}${data.base ? ": what has changed" : ""}`;
  document.title = title;
  $("title").textContent = title;
  const facts = [];
  if (data.pid !== null) facts.push(`pid ${data.pid}`);
  if (data.unix_ns !== null) facts.push(new Date(data.unix_ns / 1e6).toISOString().slice(0, 19).replace("T", " ") + " UTC");
  if (data.duration_ns !== null) facts.push(`over ${shown(data.duration_ns, "nanoseconds")}`);
  if (data.build_id !== null) facts.push(`build ${data.build_id}`);
  const totals = data.types.map(({ name, unit: of }, type) => {
    const sum = (side) => samplesOf(side, type, null).reduce((all, one) => all + one[1], 0);
    const now = sum("now"), change = data.base ? ` (${signed(now - sum("base"), of)})` : "";
    return `${name} ${shown(now, of)}${change}`;
  });
  $("facts").textContent = [...facts, ...totals].join(" · ");
  for (const note of data.notes) $("notes").append(element("li", note));
}

function choices() {
  data.types.forEach(({ name }, type) => $("type").append(option(type, name)));
  $("type").value = choice.type;
  if (data.base) {
    for (const [side, text] of [["grew", "What grew"], ["shrank", "What shrank"], ["now", "Now"], ["before", "Before"]]) {
      $("side").append(option(side, text));
    }
    $("side-choice").hidden = false;
  }
  labelChoice();
  const chosen = () => {
    choice.type = Number($("type").value);
    choice.side = data.base ? $("side").value : "now";
    choice.inverted = $("order").value === "inverted";
    choice.label = $("label").value ? $("label").value.split(" ").map(Number) : null;
    rebuild();
  };
  for (const id of ["type", "side", "order", "label"]) $(id).addEventListener("change", chosen);
  $("search").addEventListener("input", () => { look(); draw(); });
  $("choices").addEventListener("submit", (event) => event.preventDefault());
  $("whole").addEventListener("click", () => { $("search").value = ""; zoom(0); look(); });
}

// One entry for each label that a sample has, by key; of very many those that most samples have.
function labelChoice() {
  const counts = new Map(), width = 2 + data.types.length;
  for (const list of [data.now, data.base || []]) {
    for (let i = 0; i < list.length; i += width) {
      const { set } = data.labels[list[i + 1]];
      for (let at = 0; at < set.length; at += 2) {
        const key = set[at] + " " + set[at + 1];
        counts.set(key, (counts.get(key) || 0) + 1);
      }
    }
  }
  if (counts.size === 0) return;
  const all = [...counts].sort((a, b) => b[1] - a[1]).slice(0, LABELS);
  const text = (key) => key.split(" ").map((number) => data.strings[number]);
  all.sort((a, b) => text(a[0]).join("=").localeCompare(text(b[0]).join("="), "en", { numeric: true }));
  $("label").append(option("", counts.size > LABELS ? `any (the ${LABELS} most frequent are listed)` : "any"));
  for (const [key] of all) $("label").append(option(key, text(key).join("=")));
  $("label-choice").hidden = false;
}

function rebuild() {
  tree = treeOf(choice);
  zoomed = 0; selected = 0; hovered = -1;
  look();
  table();
  resize();
  about(0);
}

function look() {
  const text = $("search").value;
  found = text ? search(tree, text) : null;
  let words = tree.size[0] > 0 ? "" : "Nothing is counted here.";
  if (found) words = `Found in ${share(found.matched, tree.size[0])} (${shown(found.matched, unit())} of ${shown(tree.size[0], unit())})`;
  $("found").textContent = words;
}

function table() {
  const { total, rows } = functionsOf(choice), body = $("rows");
  body.replaceChildren();
  for (const row of rows.slice(0, ROWS)) {
    const line = document.createElement("tr");
    for (const text of [shown(row.flat, unit()), share(row.flat, total), shown(row.cum, unit()), share(row.cum, total)]) {
      line.append(element("td", text));
    }
    const name = element("button", nameOf(row.fn)), cell = document.createElement("td");
    name.type = "button";
    name.title = "Search it";
    name.addEventListener("click", () => { $("search").value = nameOf(row.fn); look(); draw(); });
    cell.append(name);
    line.append(cell);
    body.append(line);
  }
  const more = rows.length - ROWS;
  $("table-title").textContent = more > 0 ? `Functions (the first ${ROWS} of ${rows.length})` : "Functions";
}

function resize() {
  const height = (tree.deepest + 1) * ROW;
  room.style.height = height + "px";
  const width = graph.clientWidth;
  const seen = Math.min(height, Math.max(120, Math.floor(window.innerHeight * 0.7) - 2));
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.floor(width * scale); canvas.height = Math.floor(seen * scale);
  canvas.style.width = width + "px"; canvas.style.height = seen + "px";
  graph.style.height = seen + 2 + "px";
  draw();
}

// Draws once before the next picture, however often it is asked for.
function draw() {
  if (!pending) pending = requestAnimationFrame(() => { pending = 0; paint(); });
}

// What is in sight, as [node, left, width, is above what is zoomed to, depth]; the latter takes the whole width. Nodes
// too narrow to be seen, which are the last of their siblings, are one together: node -1.
function* visible() {
  const width = graph.clientWidth, unitWidth = width / (tree.size[zoomed] || 1);
  const first = Math.floor(graph.scrollTop / ROW), last = Math.ceil((graph.scrollTop + canvas.clientHeight) / ROW);
  for (let above = tree.parent[zoomed]; above >= 0; above = tree.parent[above]) {
    if (tree.depth[above] >= first && tree.depth[above] <= last) yield [above, 0, width, true, tree.depth[above]];
  }
  const todo = [zoomed];
  while (todo.length > 0) {
    const node = todo.pop(), wide = tree.size[node] * unitWidth;
    const depth = tree.depth[node], left = (of) => (tree.start[of] - tree.start[zoomed]) * unitWidth;
    if (depth > last) continue;
    if (depth >= first) yield [node, left(node), wide, false, depth];
    for (const child of tree.children[node]) {
      if (tree.size[child] * unitWidth >= NARROWEST) { todo.push(child); continue; }
      const end = tree.children[node].at(-1), most = left(end) + tree.size[end] * unitWidth - left(child);
      if (depth + 1 >= first) yield [-1, left(child), most, false, depth + 1];
      break;
    }
  }
}

function paint() {
  const style = getComputedStyle(document.body), dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const scale = window.devicePixelRatio || 1;
  pen.setTransform(scale, 0, 0, scale, 0, -graph.scrollTop * scale);
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, graph.scrollTop, graph.clientWidth, canvas.clientHeight);
  pen.font = "12px ui-monospace, monospace";
  pen.textBaseline = "middle";
  pen.direction = "ltr";
  const letter = pen.measureText("m").width;
  for (const [node, x, wide, isAbove, depth] of visible()) {
    const y = depth * ROW, gap = wide > 3 ? 1 : 0;
    pen.globalAlpha = isAbove ? 0.55 : 1;
    pen.fillStyle = node < 0 ? `hsl(220 6% ${dark ? 26 : 88}%)` : colour(node, dark);
    pen.fillRect(x, y, Math.max(wide - gap, NARROWEST), ROW - 1);
    if (node >= 0 && (node === selected || node === hovered)) {
      pen.strokeStyle = dark ? "#ffffff" : "#000000";
      pen.lineWidth = node === selected ? 2 : 1;
      pen.strokeRect(x + 1, y + 1, Math.max(wide - gap - 2, 1), ROW - 3);
    }
    if (node < 0) continue;
    const letters = Math.floor((wide - 8) / letter);
    if (letters < 3) continue;
    let text = node === 0 ? `all: ${shown(tree.size[0], unit())}` : nameOf(tree.fn[node]);
    // What is longer loses its beginning up to the package first: the function is at the end.
    if (text.length > letters) text = text.slice(text.lastIndexOf("/") + 1);
    if (text.length > letters) text = text.slice(0, letters - 1) + "…";
    pen.fillStyle = dark ? "#f3f3f5" : "#141519";
    pen.fillText(text, x + 4, y + ROW / 2);
  }
  pen.globalAlpha = 1;
}

// By package; the runtime is grey; of a difference red grew and blue shrank; what is found stands out.
function colour(node, dark) {
  const fn = tree.fn[node], light = dark ? 34 : 78;
  if (found) return fn >= 0 && found.found[fn] ? (dark ? "#8d3fa8" : "#e3a6f7") : `hsl(220 6% ${dark ? 26 : 88}%)`;
  if (data.base && fn >= 0) {
    const change = tree.now[node] - tree.base[node], whole = Math.max(tree.now[node], tree.base[node]);
    return `hsl(${change > 0 ? 8 : 215} ${whole > 0 ? Math.round(75 * Math.abs(change) / whole) : 0}% ${light}%)`;
  }
  const name = nameOf(fn), package_ = name.slice(0, Math.max(name.indexOf(".", name.lastIndexOf("/") + 1), 0));
  if (fn < 0 || package_ === "runtime" || package_ === "" || name.startsWith("[")) return `hsl(220 8% ${light}%)`;
  let hash = 7;
  for (let i = 0; i < package_.length; i++) hash = (hash * 31 + package_.charCodeAt(i)) >>> 0;
  return `hsl(${hash % 360} ${dark ? 38 : 62}% ${light}%)`;
}

function about(node) {
  const fn = tree.fn[node], size = tree.size[node], place = $("about");
  const line = tree.line[node] > 0 ? ":" + tree.line[node] : "";
  let numbers = `${shown(size, unit())}, ${share(size, tree.size[0])} of all`;
  if (zoomed > 0 && node !== zoomed) numbers += `, ${share(size, tree.size[zoomed])} of what is zoomed to`;
  if (!choice.inverted && node > 0) numbers += `; itself ${shown(tree.self[node], unit())}`;
  if (data.base && (choice.side === "now" || choice.side === "before")) {
    numbers += `; ${signed(tree.now[node] - tree.base[node], unit())} since before`;
  }
  place.replaceChildren(element("span", nameOf(fn)), element("span", numbers));
  if (fileOf(fn)) place.append(element("span", fileOf(fn) + line));
}

function zoom(node) {
  zoomed = node;
  select(node);
}

function select(node) {
  selected = node;
  about(node);
  const y = tree.depth[node] * ROW;
  if (y < graph.scrollTop || y + ROW > graph.scrollTop + canvas.clientHeight) graph.scrollTop = Math.max(0, y - ROW);
  draw();
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  const x = event.clientX - box.left, depth = Math.floor((event.clientY - box.top + graph.scrollTop) / ROW);
  for (const [node, left, wide, , row] of visible()) {
    if (node >= 0 && row === depth && x >= left && x < left + Math.max(wide, 1)) return node;
  }
  return -1;
}

// The one beside it; only within what is zoomed to.
function beside(step) {
  if (selected === zoomed || tree.depth[selected] <= tree.depth[zoomed]) return selected;
  const siblings = tree.children[tree.parent[selected]];
  return siblings[siblings.indexOf(selected) + step] ?? selected;
}

const KEYS = {
  ArrowDown: () => select(tree.depth[selected] < tree.depth[zoomed] ? zoomed : tree.children[selected][0] ?? selected),
  ArrowUp: () => select(Math.max(tree.parent[selected], 0)),
  ArrowLeft: () => select(beside(-1)),
  ArrowRight: () => select(beside(1)),
  Enter: () => zoom(selected),
  " ": () => zoom(selected),
  Escape: () => zoom(0),
  Backspace: () => zoom(Math.max(tree.parent[zoomed], 0)),
  Home: () => select(zoomed),
};

canvas.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  act();
});
canvas.addEventListener("click", (event) => { const node = at(event); if (node >= 0) zoom(node); });
canvas.addEventListener("mousemove", (event) => {
  const node = at(event);
  if (node === hovered) return;
  hovered = node;
  about(node >= 0 ? node : selected);
  draw();
});
canvas.addEventListener("mouseleave", () => { hovered = -1; about(selected); draw(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT)$/.test(event.target.tagName)) { event.preventDefault(); $("search").focus(); }
});
graph.addEventListener("scroll", draw);
window.addEventListener("resize", resize);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

header();
choices();
rebuild();
