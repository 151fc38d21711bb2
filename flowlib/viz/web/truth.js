// The true picture: x_0, in grey levels 0 … 255, under the one composed warp of flowlib.data.transforms, in the colour of its hue.
function warped(levels, steps) {
  const [, h, w] = d.shape, x = new Float32Array(3 * h * w), cx = (w - 1) / 2, cy = (h - 1) / 2;
  const [scale, angle, tint] = [d.scale, d.angle, d.tint].map((table, i) => table[d.places[i] < 0 ? 0 : steps[d.places[i]]]);
  const cos = Math.cos(angle) / scale, sin = Math.sin(angle) / scale;
  const grey = (r, c) => r < 0 || c < 0 || r >= h || c >= w ? 0 : levels[r * w + c] / 255;
  for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) {
    const u = cx + cos * (j - cx) - sin * (i - cy), v = cy + sin * (j - cx) + cos * (i - cy);
    const c = Math.floor(u), r = Math.floor(v), p = u - c, q = v - r;
    const value = (1 - q) * ((1 - p) * grey(r, c) + p * grey(r, c + 1)) + q * ((1 - p) * grey(r + 1, c) + p * grey(r + 1, c + 1));
    for (let k = 0; k < 3; k++) x[(k * h + i) * w + j] = value * tint[k];
  }
  return x;
}

const photos = bytes(d.photos), photo = n => photos.subarray(n * d.shape[1] * d.shape[2], (n + 1) * d.shape[1] * d.shape[2]);
const total = values => values.reduce((sum, value) => sum + value, 0);
const apart = (x, y) => Math.round(total(x.map((value, i) => Math.abs(value - y[i]))));
