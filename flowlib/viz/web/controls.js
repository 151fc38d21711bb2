// The controls of a picture, one for each axis of the description `d`: native elements, for keyboard, mouse and touch.
// They are built here, so that a page without scripts shows the still picture and nothing that does not work.
const MOST_BUTTONS = 8; // more choices than this become a list
const ICONS = {play: "M2 1l7 4-7 4z", pause: "M1 1h3v8H1zM6 1h3v8H6z"};

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  if (tag === "input" || tag === "select") element.autocomplete = "off"; // or a browser that comes back to a page sets them, and nobody draws
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
}

// Each control: its elements, and `show(position, words)`, which sets them; `choose(position)` tells of the reader's choice.
function slider(axis, choose) {
  const range = make("input", {type: "range", min: 0, max: axis.labels.length - 1, step: axis.step, "aria-label": axis.name || "position"});
  const output = make("output");
  range.addEventListener("input", () => choose(+range.value));
  return {elements: [range, output], show(at, words) {
    range.value = at;
    range.setAttribute("aria-valuetext", words);
    output.textContent = words;
  }};
}

function buttons(axis, choose, group) {
  const radios = axis.labels.map(() => make("input", {type: "radio", name: group}));
  radios.forEach((radio, i) => radio.addEventListener("change", () => choose(i)));
  const labels = axis.labels.map((label, i) => make("label", {}, radios[i], label));
  const box = make("div", {class: "flowviz-pick", role: "radiogroup", "aria-label": axis.name || "choice"}, ...labels);
  return {elements: [box], show(at) { radios[at].checked = true; }};
}

function list(axis, choose) {
  const options = axis.labels.map((label, i) => make("option", {value: i}, label));
  const select = make("select", {"aria-label": axis.name || "choice"}, ...options);
  select.addEventListener("change", () => choose(+select.value));
  return {elements: [select], show(at) { select.value = at; }};
}

// A sentence that changes with every step: seen at once, and read aloud when it has rested for a moment.
function sentence() {
  const seen = make("p", {class: "flowviz-said", "aria-hidden": "true"}), heard = make("p", {class: "flowviz-heard", "aria-live": "polite"});
  let later = null;
  return {elements: [seen, heard], say(text) {
    seen.textContent = text;
    clearTimeout(later);
    later = setTimeout(() => { heard.textContent = text; }, 700);
  }};
}

// A button that plays: it calls `advance()` every few milliseconds until that returns false.
function player(milliseconds, rewind, advance) {
  const button = make("button", {type: "button"});
  let timer = null;
  const show = name => {
    button.setAttribute("aria-label", name);
    button.innerHTML = `<svg viewBox="0 0 10 10" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
  };
  const stop = () => { timer = clearInterval(timer); show("play"); };
  button.addEventListener("click", () => {
    if (timer) return stop();
    rewind();
    show("pause");
    timer = setInterval(() => advance() || stop(), milliseconds);
  });
  show("play");
  return {button, stop};
}

// Build the controls of one widget; `draw(positions, words)` is called at once and after every change.
function controls(root, copy, draw) {
  const at = d.axes.map(axis => axis.start), moving = d.axes.findIndex(axis => axis.kind === "slider");
  const words = n => at[n] % 1 ? at[n].toFixed(1) : d.axes[n].labels[at[n]];
  const parts = d.axes.map((axis, n) => {
    const build = axis.kind === "slider" ? slider : axis.labels.length > MOST_BUTTONS ? list : buttons;
    return build(axis, position => { if (n === moving) play.stop(); set(n, position); }, `${d.id}-${n}-${copy}`);
  });
  function set(n, position) {
    at[n] = position;
    parts.forEach((part, m) => part.show(at[m], words(m)));
    root.dataset.at = at.join();
    draw(at, d.axes.map((axis, m) => (axis.name ? axis.name + " = " : "") + words(m)).join(", "));
  }
  const {labels, step} = d.axes[moving] || {labels: [0], step: 1}, last = labels.length - 1;
  const play = player(d.interval || Math.min(600, Math.max(40, 4000 / (last / step + 1))),
    () => set(moving, at[moving] < last ? at[moving] : 0),
    () => { set(moving, Math.min(last, Math.round((at[moving] + step) * 1000) / 1000)); return at[moving] < last; });
  const wide = Math.max(...d.axes.map(axis => axis.name.length));
  const rows = d.axes.map((axis, n) => {
    const end = n === moving ? [play.button] : axis.kind === "slider" ? [make("i")] : []; // keeps the sliders equally long
    const name = axis.name ? [make("b", {style: `min-width:${wide}ch`}, axis.name)] : [];
    return make("div", {class: "flowviz-row"}, ...name, ...parts[n].elements, ...end);
  });
  root.querySelector(".flowviz-controls").append(...rows);
  set(0, at[0]);
}

// Start every copy of this widget in the page that has not started yet: `setup(root)` returns its `draw`.
function start(setup) {
  const mine = `[data-flowviz="${d.id}"]`;
  for (const root of document.querySelectorAll(`${mine}:not([data-ready])`)) {
    const copy = document.querySelectorAll(`${mine}[data-ready]`).length;
    root.dataset.ready = 1;
    controls(root, copy, setup(root));
  }
}
