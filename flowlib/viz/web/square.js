// A black square to draw in with a mouse, a pen or a finger: 28 × 28 grey levels, each the mean of a block of points.
const SIZE = 28, SCALE = 8;

// `ended` is called with the grey levels (0 … 255, row by row) after every stroke, `begun` before its first point.
function square(ended, begun = () => {}) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE * SCALE;
  canvas.style.cssText = "touch-action:none;cursor:crosshair;border:1px solid #8a9098;background:#000";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "square to draw a digit in");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let last = null, finger = null; // where the stroke is, and which pointer draws it: a second finger does not
  const wipe = () => {
    last = null;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  wipe();
  pen.strokeStyle = "#fff";
  pen.lineWidth = 2.2 * SCALE;
  pen.lineCap = pen.lineJoin = "round";
  const levels = () => {
    const points = pen.getImageData(0, 0, canvas.width, canvas.height).data, sums = new Array(SIZE * SIZE).fill(0);
    for (let y = 0; y < canvas.height; y++)
      for (let x = 0; x < canvas.width; x++)
        sums[Math.floor(y / SCALE) * SIZE + Math.floor(x / SCALE)] += points[4 * (y * canvas.width + x)];
    return sums.map(sum => Math.round(sum / SCALE ** 2));
  };
  const show = shown => shown.forEach((level, i) => {
    pen.fillStyle = `rgb(${level},${level},${level})`;
    pen.fillRect(i % SIZE * SCALE, Math.floor(i / SIZE) * SCALE, SCALE, SCALE);
  });
  const place = event => {
    const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  };
  const draw = next => { // a line, or a dot where the pen has not moved
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(next[0] + 0.01, next[1]); // a line of no length would leave nothing
    pen.stroke();
    last = next;
  };
  canvas.addEventListener("pointerdown", event => {
    if (last || event.button) return;
    canvas.setPointerCapture?.(event.pointerId);
    begun();
    finger = event.pointerId;
    last = place(event);
    draw(last);
  });
  canvas.addEventListener("pointermove", event => {
    if (last && event.pointerId === finger) draw(place(event));
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
    canvas.addEventListener(name, event => {
      if (!last || event.pointerId !== finger) return;
      last = null;
      ended(levels());
    });
  return { canvas, wipe, show };
}
