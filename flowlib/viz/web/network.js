// An encoder's mean, a decoder and tanh potentials, evaluated in the page from the weights in `d`.
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

function half(h) { // a number of half precision from its 16 bits
  const exponent = h >> 10 & 31, fraction = h & 1023;
  return (h & 32768 ? -1 : 1) * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
}

function unpack(packed) {
  if (packed.half) return Float32Array.from(new Uint16Array(bytes(packed.half).buffer), half);
  const whole = new Int8Array(bytes(packed.bytes).buffer), scale = new Float32Array(bytes(packed.scale).buffer);
  const length = whole.length / scale.length;
  return Float32Array.from(whole, (value, i) => value * scale[Math.floor(i / length)]);
}

function product(W, x, y) { // y + W x, in place
  for (let i = 0, m = x.length; i < y.length; i++) {
    let sum = y[i];
    for (let j = 0, row = i * m; j < m; j++) sum += W[row + j] * x[j];
    y[i] = sum;
  }
  return y;
}

function transposed(W, y, m) { // Wᵀ y
  const x = new Float32Array(m);
  for (let i = 0; i < y.length; i++) for (let j = 0; j < m; j++) x[j] += W[i * m + j] * y[i];
  return x;
}

function normalise(layer, x) { // mean 0 and variance 1, then each number's own scale and shift
  const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
  return x.map((v, i) => (v - mean) / Math.sqrt(variance + layer.eps) * layer.W[i] + layer.b[i]);
}

// A convolution: every place of the result is W (out, n, rows, columns) times the patch of x (n, h, w) around it, and a bias.
function convolve(layer, x, shape) {
  const [n, h, w] = shape, [out, , rows, columns] = layer.size, {stride, padding} = layer;
  const H = Math.floor((h + 2 * padding - rows) / stride) + 1, V = Math.floor((w + 2 * padding - columns) / stride) + 1;
  const y = new Float32Array(out * H * V), column = new Float32Array(out), patch = new Float32Array(n * rows * columns);
  for (let a = 0; a < H; a++) for (let b = 0; b < V; b++) {
    patch.fill(0);
    for (let c = 0; c < n; c++) for (let p = 0; p < rows; p++) for (let q = 0; q < columns; q++) {
      const r = a * stride + p - padding, s = b * stride + q - padding;
      if (r >= 0 && r < h && s >= 0 && s < w) patch[(c * rows + p) * columns + q] = x[(c * h + r) * w + s];
    }
    column.set(layer.b);
    product(layer.W, patch, column);
    for (let o = 0; o < out; o++) y[(o * H + a) * V + b] = column[o];
  }
  shape.splice(0, 3, out, H, V);
  return y;
}

// A transposed convolution: every pixel of x (n, h, w) adds its patch, W (out, rows, columns, n) times its n channels.
function spread(layer, x, shape) {
  const [n, h, w] = shape, [, out, rows, columns] = layer.size, {stride, padding} = layer;
  const H = (h - 1) * stride - 2 * padding + rows, V = (w - 1) * stride - 2 * padding + columns;
  const y = new Float32Array(out * H * V), column = new Float32Array(n), patch = new Float32Array(out * rows * columns);
  for (let o = 0; o < out; o++) y.fill(layer.b[o], o * H * V, (o + 1) * H * V);
  for (let a = 0; a < h; a++) for (let b = 0; b < w; b++) {
    for (let c = 0; c < n; c++) column[c] = x[(c * h + a) * w + b];
    product(layer.W, column, patch.fill(0));
    for (let o = 0; o < out; o++) for (let p = 0; p < rows; p++) for (let q = 0; q < columns; q++) {
      const r = a * stride + p - padding, s = b * stride + q - padding;
      if (r >= 0 && r < H && s >= 0 && s < V) y[(o * H + r) * V + s] += patch[(o * rows + p) * columns + q];
    }
  }
  shape.splice(0, 3, out, H, V);
  return y;
}

const functions = {
  silu: v => v / (1 + Math.exp(-v)), relu: v => Math.max(0, v), tanh: Math.tanh, sigmoid: v => 1 / (1 + Math.exp(-v)),
};

function run(layers, x, shape) { // `shape` is that of an image (C, H, W); all arrays are flat
  for (const layer of layers) {
    if (layer.kind === "linear") x = product(layer.W, x, Float32Array.from(layer.b));
    else if (layer.kind === "conv") x = convolve(layer, x, shape);
    else if (layer.kind === "spread") x = spread(layer, x, shape);
    else if (layer.kind === "norm") x = normalise(layer, x);
    else if (layer.kind === "shape") shape = layer.shape.slice();
    else x = x.map(functions[layer.kind]);
  }
  return x;
}

const decode = z => run(d.layers, z, []); // the image (C, H, W) in [0, 1]
const encode = x => run(d.encoder, x, d.shape.slice()); // the mean of q(z|x)

function gradient(u, z, t) { // ∇u(z, t), by the chain rule back through the layers
  const features = ["sin", "cos"].flatMap(name => d.frequencies.map(w => Math[name](w * t)));
  const layers = [z];
  u.weights.forEach((W, l) => {
    const h = Float32Array.from(u.biases[l]);
    if (l === 0) product(u.time, features, h);
    layers.push(product(W, layers[l], h).map(Math.tanh));
  });
  let g = u.head;
  for (let l = u.weights.length; l > 0; l--) {
    g = transposed(u.weights[l - 1], g.map((v, i) => v * (1 - layers[l][i] ** 2)), layers[l - 1].length);
  }
  if (!d.bounded) return g;
  const value = Math.tanh(u.head.reduce((sum, v, i) => sum + v * layers[u.weights.length][i], u.offset));
  return g.map(v => v * (1 - value * value));
}

// A code after so many steps along ∇u, time labels from 1; a part of a step moves that part of the way.
function follow(u, z, steps) {
  for (let t = 1; t - 1 < steps; t++) {
    const part = Math.min(1, steps - (t - 1)), v = gradient(u, z, t);
    z = z.map((x, i) => x + part * v[i]);
  }
  return z;
}

for (const layer of [...d.layers, ...(d.encoder || [])]) if (layer.W) { layer.W = unpack(layer.W); layer.b = unpack(layer.b); }
for (const u of d.potentials) {
  u.weights = u.weights.map(unpack);
  u.biases = u.biases.map(unpack);
  u.time = unpack(u.time);
  u.head = unpack(u.head);
}
const codes = new Float32Array(bytes(d.codes).buffer);
const code = n => codes.slice(n * d.dim, (n + 1) * d.dim);

function screen(image) { // replace the still picture by a canvas; returns what paints an image (C, H, W) on it
  const [C, H, W] = d.shape, canvas = make("canvas", {width: W, height: H, role: "img", class: image.className, style: image.style.cssText});
  image.replaceWith(canvas);
  const context = canvas.getContext("2d"), out = context.createImageData(W, H);
  return (x, words) => {
    for (let i = 0; i < H * W; i++) {
      for (let c = 0; c < 3; c++) out.data[4 * i + c] = Math.round(255 * x[(C === 1 ? 0 : c * H * W) + i]);
      out.data[4 * i + 3] = 255;
    }
    context.putImageData(out, 0, 0);
    canvas.setAttribute("aria-label", words);
  };
}
