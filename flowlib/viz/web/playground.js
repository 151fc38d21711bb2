// Flows chained in any order and added, decoded beside what really happens to the picture.
const photos = bytes(d.photos), NOTHING = "nothing has moved";

// The true picture: x_0 under the one composed warp of flowlib.data.transforms, in the colour of its hue.
function truth(n, steps) {
  const [, h, w] = d.shape, x = new Float32Array(3 * h * w), cx = (w - 1) / 2, cy = (h - 1) / 2;
  const [scale, angle, tint] = [d.scale, d.angle, d.tint].map((table, i) => table[d.places[i] < 0 ? 0 : steps[d.places[i]]]);
  const cos = Math.cos(angle) / scale, sin = Math.sin(angle) / scale;
  const grey = (r, c) => r < 0 || c < 0 || r >= h || c >= w ? 0 : photos[(n * h + r) * w + c] / 255;
  for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) {
    const u = cx + cos * (j - cx) - sin * (i - cy), v = cy + sin * (j - cx) + cos * (i - cy);
    const c = Math.floor(u), r = Math.floor(v), p = u - c, q = v - r;
    const value = (1 - q) * ((1 - p) * grey(r, c) + p * grey(r, c + 1)) + q * ((1 - p) * grey(r + 1, c) + p * grey(r + 1, c + 1));
    for (let k = 0; k < 3; k++) x[(k * h + i) * w + j] = value * tint[k];
  }
  return x;
}

// Each part of a program adds the gradients of a set of factors, a number of times; `restart` counts t anew in each part.
function flowed(n, program, restart) {
  let z = code(n), t = 0;
  for (const {set, steps} of program) {
    if (restart) t = 0;
    for (let step = 0; step < steps; step++) {
      t++;
      const moves = d.sets[set].map(k => gradient(d.potentials[k], z, t));
      z = z.map((x, i) => moves.reduce((sum, move) => sum + move[i], x));
    }
  }
  return z;
}

const total = values => values.reduce((sum, value) => sum + value, 0);
const counted = program => d.potentials.map((u, k) => total(program.map(part => d.sets[part.set].includes(k) ? part.steps : 0)));
const apart = (x, y) => Math.round(total(x.map((value, i) => Math.abs(value - y[i]))));

start(root => {
  const [decoded, real] = [...root.querySelectorAll("img")].map(screen);
  const [step, undo, reset] = ["one step", "undo", "from the start"].map(name => make("button", {type: "button"}, name));
  const said = make("p", {class: "flowviz-said", "aria-live": "polite"});
  root.querySelector(".flowviz-controls").append(said, make("div", {class: "flowviz-do"}, step, undo, reset));
  let program = [], now;
  function draw() {
    const [n, set, labels] = now, steps = counted(program);
    const x = decode(flowed(n, program, labels === 0)), y = truth(n, steps), still = truth(n, steps.map(() => 0));
    const names = program.map(part => `${d.axes[1].labels[part.set]} × ${part.steps}`).join(", then ") || NOTHING;
    decoded(x, `decoded: ${names}`);
    real(y, `true: ${names}`);
    said.textContent = `${names === NOTHING ? "Nothing has moved yet" : names}. Off by ${apart(x, y)} pixels; `
      + `the first picture would be off by ${apart(y, still)}.`;
    step.disabled = d.sets[set].some(k => steps[k] >= d.most);
    undo.disabled = reset.disabled = !program.length;
  }
  step.addEventListener("click", () => {
    const last = program[program.length - 1];
    if (last && last.set === now[1]) last.steps++;
    else program.push({set: now[1], steps: 1});
    draw();
  });
  undo.addEventListener("click", () => {
    if (!--program[program.length - 1].steps) program.pop();
    draw();
  });
  reset.addEventListener("click", () => { program = []; draw(); });
  return at => { now = at; draw(); };
});
