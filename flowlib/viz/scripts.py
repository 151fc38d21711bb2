"""The JavaScript of the moving pictures, in plain ES2015: no library, no request, one call per widget.

A page holds `(function (d) { WIRE + FRAMES })(data)`: `wire` connects the controls of one widget and calls
back with the positions `at` whenever one changes. In the live widgets LIVE evaluates a network in place of
looking a frame up.
"""

WIRE = """
function roots(setup) {
  var mine = '[data-flowviz="' + d.id + '"]';
  document.querySelectorAll(mine + ':not([data-ready])').forEach(function (root) {
    var copy = document.querySelectorAll(mine + '[data-ready]').length;
    root.dataset.ready = '1';
    setup(root, copy);
  });
}
function wire(root, copy, paint) {
  var rows = root.querySelectorAll('.flowviz-row'), at = d.start.slice(), timer = null;
  var moving = d.axes.findIndex(function (a) { return a.kind === 'slider'; });
  var play = moving < 0 ? null : root.querySelector('button');
  function label(n) {
    var a = d.axes[n];
    return a.step < 1 && at[n] % 1 ? at[n].toFixed(1) : a.labels[at[n]];
  }
  function show() {
    var words = d.axes.map(function (a, n) {
      if (a.kind === 'slider') {
        var range = rows[n].querySelector('input');
        range.value = at[n];
        range.setAttribute('aria-valuetext', label(n));
        rows[n].querySelector('output').textContent = label(n);
      }
      return (a.name ? a.name + ' = ' : '') + label(n);
    });
    root.dataset.at = at.join(',');
    paint(at, d.alt + ' (' + words.join(', ') + ')');
  }
  function last() { return d.axes[moving].labels.length - 1; }
  function face(name, path) {
    play.setAttribute('aria-label', name);
    play.querySelector('path').setAttribute('d', path);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    if (play) face('play', 'M2 1l7 4-7 4z');
  }
  function step() {
    at[moving] = Math.min(last(), Math.round((at[moving] + d.axes[moving].step) * 1000) / 1000);
    show();
    if (at[moving] >= last()) stop();
  }
  d.axes.forEach(function (a, n) {
    rows[n].hidden = false;
    rows[n].querySelectorAll('input,select').forEach(function (c) {
      if (c.type === 'radio') c.name = d.id + '-' + n + '-' + copy;
      c.addEventListener(c.type === 'range' ? 'input' : 'change', function () {
        if (n === moving) stop();
        at[n] = +c.value;
        show();
      });
    });
  });
  if (play) play.addEventListener('click', function () {
    if (timer) { stop(); return; }
    if (at[moving] >= last()) at[moving] = 0;
    face('pause', 'M1 1h3v8H1zM6 1h3v8H6z');
    timer = setInterval(step, d.interval);
    show();
  });
  show();
}
"""

FRAMES = """
roots(function (root, copy) {
  var image = root.querySelector('img');
  d.frames[d.shown] = image.getAttribute('src').split(',')[1];
  var ready = d.frames.map(function (f) { var i = new Image(); i.src = d.head + f; return i; });
  wire(root, copy, function (at, words) {
    var flat = d.axes.reduce(function (sum, a, n) { return sum * a.labels.length + at[n]; }, 0);
    image.src = ready[d.table[flat]].src;
    image.alt = words;
  });
});
"""

NETWORK = """
function bytes(text) { return Uint8Array.from(atob(text), function (c) { return c.charCodeAt(0); }); }
function half(h) {
  var e = h >> 10 & 31, f = h & 1023;
  return (h & 32768 ? -1 : 1) * (e ? Math.pow(2, e - 15) * (1 + f / 1024) : f * Math.pow(2, -24));
}
function unpack(p) {
  if (p.half) return Float32Array.from(new Uint16Array(bytes(p.half).buffer), half);
  var q = new Int8Array(bytes(p.bytes).buffer), s = new Float32Array(bytes(p.scale).buffer);
  var m = q.length / s.length;
  return Float32Array.from(q, function (v, i) { return v * s[Math.floor(i / m)]; });
}
function product(W, x, y) {
  for (var i = 0, n = y.length, m = x.length; i < n; i++) {
    for (var j = 0, sum = y[i], row = i * m; j < m; j++) sum += W[row + j] * x[j];
    y[i] = sum;
  }
  return y;
}
function transposed(W, y, m) {
  var x = new Float32Array(m);
  for (var i = 0; i < y.length; i++) for (var j = 0; j < m; j++) x[j] += W[i * m + j] * y[i];
  return x;
}
function convolve(l, x, shape) {
  var n = shape[0], h = shape[1], w = shape[2], co = l.size[1], kh = l.size[2], kw = l.size[3];
  var stride = l.rest[0], pad = l.rest[1];
  var H = (h - 1) * stride - 2 * pad + kh, V = (w - 1) * stride - 2 * pad + kw;
  var y = new Float32Array(co * H * V), column = new Float32Array(n), patch = new Float32Array(co * kh * kw);
  for (var o = 0; o < co; o++) y.fill(l.b[o], o * H * V, (o + 1) * H * V);
  for (var a = 0; a < h; a++) for (var b = 0; b < w; b++) {
    for (var c = 0; c < n; c++) column[c] = x[(c * h + a) * w + b];
    product(l.W, column, patch.fill(0));
    for (o = 0; o < co; o++) for (var p = 0; p < kh; p++) for (var q = 0; q < kw; q++) {
      var r = a * stride + p - pad, s = b * stride + q - pad;
      if (r >= 0 && r < H && s >= 0 && s < V) y[(o * H + r) * V + s] += patch[(o * kh + p) * kw + q];
    }
  }
  shape.splice(0, 3, co, H, V);
  return y;
}
var functions = {
  silu: function (v) { return v / (1 + Math.exp(-v)); }, relu: function (v) { return Math.max(0, v); },
  tanh: Math.tanh, sigmoid: function (v) { return 1 / (1 + Math.exp(-v)); }
};
function forward(layers, x) {
  var shape = [];
  layers.forEach(function (l) {
    if (l.kind === 'linear') x = product(l.W, x, Float32Array.from(l.b));
    else if (l.kind === 'conv') x = convolve(l, x, shape);
    else if (l.kind === 'shape') shape = l.shape.slice();
    else x = x.map(functions[l.kind]);
  });
  return x;
}
d.layers.forEach(function (l) { if (l.W) { l.W = unpack(l.W); l.b = unpack(l.b); } });
var latents = new Float32Array(bytes(d.latents).buffer);
function code(from) { return latents.slice(from * d.dim, (from + 1) * d.dim); }
function screen(image) {
  var canvas = document.createElement('canvas');
  var C = d.shape[0], n = d.shape[1] * d.shape[2];
  canvas.height = d.shape[1];
  canvas.width = d.shape[2];
  canvas.className = image.className;
  canvas.style.cssText = image.style.cssText;
  canvas.setAttribute('role', 'img');
  image.replaceWith(canvas);
  var context = canvas.getContext('2d'), out = context.createImageData(d.shape[2], d.shape[1]);
  return function (x, words) {
    for (var i = 0; i < n; i++) {
      for (var c = 0; c < 3; c++) out.data[4 * i + c] = Math.round(255 * x[(C === 1 ? 0 : c * n) + i]);
      out.data[4 * i + 3] = 255;
    }
    context.putImageData(out, 0, 0);
    canvas.setAttribute('aria-label', words);
  };
}
"""

LIVE = """
roots(function (root, copy) {
  var paint = screen(root.querySelector('img'));
  wire(root, copy, function (at, words) { paint(forward(d.layers, latent(at)), words); });
});
"""

PATHS = """
function latent(at) {
  var steps = d.axes[1].labels.length, low = Math.min(Math.floor(at[1]), steps - 1), part = at[1] - low;
  var z = code(at[0] * steps + low);
  if (!part) return z;
  var next = code(at[0] * steps + low + 1);
  return z.map(function (v, i) { return v + part * (next[i] - v); });
}
"""

POTENTIALS = """
d.potentials.forEach(function (u) {
  u.weights = u.weights.map(unpack);
  u.biases = u.biases.map(unpack);
  u.time = unpack(u.time);
  u.head = unpack(u.head);
});
function gradient(u, z, t) {
  var features = d.frequencies.map(function (w) { return Math.sin(w * t); })
    .concat(d.frequencies.map(function (w) { return Math.cos(w * t); }));
  var layers = [], a = z;
  u.weights.forEach(function (W, l) {
    var h = Float32Array.from(u.biases[l]);
    if (l === 0) product(u.time, features, h);
    a = product(W, a, h).map(Math.tanh);
    layers.push(a);
  });
  var g = u.head;
  for (var l = layers.length - 1; l >= 0; l--) {
    var slope = layers[l];
    g = transposed(u.weights[l], g.map(function (v, i) { return v * (1 - slope[i] * slope[i]); }),
                   l ? layers[l - 1].length : z.length);
  }
  if (!d.bounded) return g;
  var value = Math.tanh(u.head.reduce(function (sum, v, i) { return sum + v * a[i]; }, u.offset));
  return g.map(function (v) { return v * (1 - value * value); });
}
"""

FLOW = """
function latent(at) {
  var z = code(at[0]);
  d.potentials.forEach(function (u, k) {
    for (var t = 1; t - 1 < at[k + 1]; t++) {
      var part = Math.min(1, at[k + 1] - (t - 1)), v = gradient(u, z, t);
      z = z.map(function (x, i) { return x + part * v[i]; });
    }
  });
  return z;
}
"""
