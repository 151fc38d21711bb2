// Flows chained in any order and added, decoded beside what really happens to the picture.
const NOTHING = "nothing has moved";

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

// A button that has nothing to do says so and stays where it is: one that is disabled would lose the keyboard's place.
const allow = (button, can) => button.setAttribute("aria-disabled", !can);

const counted = program => d.potentials.map((u, k) => total(program.map(part => d.sets[part.set].includes(k) ? part.steps : 0)));

start(root => {
  const [decoded, real] = [...root.querySelectorAll("img")].map(screen);
  const [step, undo, reset] = ["one step", "undo", "from the start"].map(name => make("button", {type: "button"}, name));
  const said = sentence();
  root.querySelector(".flowviz-controls").append(...said.elements, make("div", {class: "flowviz-do"}, step, undo, reset));
  let program = [], now;
  function draw() {
    const [n, set, labels] = now, steps = counted(program);
    const x = decode(flowed(n, program, labels === 0)), y = warped(photo(n), steps), still = warped(photo(n), steps.map(() => 0));
    const names = program.map(part => `${d.axes[1].labels[part.set]} × ${part.steps}`).join(", then ") || NOTHING;
    decoded(x, `decoded: ${names}`);
    real(y, `true: ${names}`);
    const full = d.sets[set].some(k => steps[k] >= d.most);
    said.say(`${names === NOTHING ? "Nothing has moved yet" : names}. Off by ${apart(x, y)} pixels; `
      + `the first picture would be off by ${apart(y, still)}.${full ? ` ${d.most} steps of a factor are the most.` : ""}`);
    allow(step, !full);
    for (const button of [undo, reset]) allow(button, program.length > 0);
  }
  const pressed = (button, act) => button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    act();
    draw();
  });
  pressed(step, () => {
    const last = program[program.length - 1];
    if (last && last.set === now[1]) last.steps++;
    else program.push({set: now[1], steps: 1});
  });
  pressed(undo, () => { if (!--program[program.length - 1].steps) program.pop(); });
  pressed(reset, () => { program = []; });
  return at => { now = at; draw(); };
});
