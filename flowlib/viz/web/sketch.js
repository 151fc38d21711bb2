// A digit that the reader draws, or a stored one: encoded, moved by one flow and decoded in the page, beside what really happens to it.
start(root => {
  const [seen, again, moved, real] = [...root.querySelectorAll("img")].map(screen), nothing = d.potentials.map(() => 0);
  let n = -1, levels = null, now = null, stored = false, code, still, first; // the digit's code, the digit itself, and what is decoded from that code
  const pad = square(drawn => { levels = placed(drawn); read(); }, () => { if (stored) pad.wipe(); stored = false; });
  const [other, clear] = ["another digit", "clear"].map(name => make("button", {type: "button"}, name));
  const said = sentence();
  const side = make("div", {}, ...said.elements, make("div", {class: "flowviz-do"}, clear, other));
  root.querySelector(".flowviz-stage").before(make("div", {class: "flowviz-pad"}, pad.canvas, side));

  function read() { // once for each digit: what does not depend on flow and steps
    if (levels) {
      still = warped(levels, nothing);
      code = encode(still);
      first = decode(code);
    }
    draw();
  }
  function draw() {
    const dark = new Float32Array(d.shape.reduce((a, b) => a * b));
    if (!levels) {
      for (const paint of [seen, again, moved, real]) paint(dark, "nothing is drawn yet");
      said.say("Draw a digit into the black square.");
      return;
    }
    const [k, steps] = now, name = `${d.axes[0].labels[k]} × ${steps}`, times = nothing.map((_, i) => i === k ? steps : 0);
    const truth = warped(levels, times), last = decode(follow(d.potentials[k], code, steps));
    seen(still, "the digit in its place");
    again(first, "the digit, decoded from its code");
    moved(last, `decoded: ${name}`);
    real(truth, `true: ${name}`);
    const share = Math.round(100 * apart(first, still) / Math.max(1, total(still)));
    said.say(`Decoded without any motion, it differs by ${share} % of its ink (digits that the model never saw: half of them by up `
      + `to ${d.usual[0]} %, nineteen of twenty by up to ${d.usual[1]} %).`
      + (steps ? ` After ${name}, decoded and true differ by ${apart(last, truth)}; no motion and true by ${apart(still, truth)}.` : ""));
  }
  other.addEventListener("click", () => {
    n = (n + 1) % (photos.length / SIZE ** 2);
    [levels, stored] = [photo(n), true];
    pad.show([...levels]);
    read();
  });
  clear.addEventListener("click", () => { pad.wipe(); [levels, stored] = [null, false]; read(); });
  return at => {
    now = at;
    if (n < 0) other.click(); // at first a stored digit
    else draw();
  };
});
