// A code that each factor moves in turn, as many steps as its slider says; a part of a step moves that part of the way.
function flowed([n, ...steps]) {
  let z = code(n);
  d.potentials.forEach((u, k) => {
    for (let t = 1; t - 1 < steps[k]; t++) {
      const part = Math.min(1, steps[k] - (t - 1)), v = gradient(u, z, t);
      z = z.map((x, i) => x + part * v[i]);
    }
  });
  return z;
}

start(root => {
  const paint = screen(root.querySelector("img"));
  return (at, words) => paint(decode(flowed(at)), `${d.alt} (${words})`);
});
