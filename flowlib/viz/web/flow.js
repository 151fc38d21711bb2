// A code that each factor moves in turn, as many steps as its slider says.
const flowed = ([n, ...steps]) => d.potentials.reduce((z, u, k) => follow(u, z, steps[k]), code(n));

start(root => {
  const paint = screen(root.querySelector("img"));
  return (at, words) => paint(decode(flowed(at)), `${d.alt} (${words})`);
});
