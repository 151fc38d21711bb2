// A drawing with the size and the place of MNIST's digits: the ink in 20 × 20 pixels, its centre of mass in the middle of 28 × 28.
const INNER = 20;

// Weights (size, count) of a linear filter from `count` pixels to `size`, as wide as a pixel of the coarser grid.
function weights(count, size) {
  const ratio = count / size, reach = Math.max(1, ratio);
  return Array.from({ length: size }, (_, i) => {
    const row = Array.from({ length: count }, (_, j) => Math.max(0, 1 - Math.abs(j + 0.5 - ratio * (i + 0.5)) / reach));
    const sum = total(row);
    return row.map(weight => weight / sum);
  });
}

function placed(levels) { // grey levels 0 … 255 of the digit in its place, null where nothing is drawn
  const inked = levels.flatMap((level, i) => level > 25.5 ? [i] : []);
  if (!inked.length) return null;
  const range = values => [Math.min(...values), Math.max(...values) + 1];
  const [top, bottom] = range(inked.map(i => Math.floor(i / SIZE))), [left, right] = range(inked.map(i => i % SIZE));
  const scale = INNER / Math.max(bottom - top, right - left);
  const [h, w] = [bottom - top, right - left].map(side => Math.max(1, Math.round(scale * side)));
  const across = weights(right - left, w), down = weights(bottom - top, h);
  const rows = Array.from({ length: bottom - top }, (_, r) => across.map(row => total(row.map((v, j) => v * levels[(top + r) * SIZE + left + j]))));
  const digit = down.map(column => across.map((_, j) => total(column.map((v, r) => v * rows[r][j]))));
  const mass = total(digit.flat());
  const centre = { y: total(digit.map((row, i) => i * total(row))) / mass, x: total(digit.flat().map((v, n) => n % w * v)) / mass };
  const corner = (middle, side) => Math.min(Math.max(Math.floor(SIZE / 2 - middle + 1e-3), 0), SIZE - side);
  const image = new Float32Array(SIZE * SIZE), y = corner(centre.y, h), x = corner(centre.x, w);
  digit.forEach((row, i) => row.forEach((v, j) => { image[(y + i) * SIZE + x + j] = v; }));
  return image;
}
