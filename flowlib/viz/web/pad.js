// A black square to draw in with a mouse, a pen or a finger (anywidget): the trait "value" gets 28 × 28 grey levels.
const SIZE = 28, SCALE = 8;

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE * SCALE;
  canvas.style.cssText = "touch-action:none;cursor:crosshair;border:1px solid #8a9098;background:#000";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "square to draw a digit in");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const wipe = () => {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  wipe();
  pen.strokeStyle = "#fff";
  pen.lineWidth = 2.2 * SCALE;
  pen.lineCap = pen.lineJoin = "round";

  // The mean of each block of SCALE × SCALE points is a grey level.
  const levels = () => {
    const points = pen.getImageData(0, 0, canvas.width, canvas.height).data, sums = new Array(SIZE * SIZE).fill(0);
    for (let y = 0; y < canvas.height; y++)
      for (let x = 0; x < canvas.width; x++)
        sums[Math.floor(y / SCALE) * SIZE + Math.floor(x / SCALE)] += points[4 * (y * canvas.width + x)];
    return sums.map(sum => Math.round(sum / SCALE ** 2));
  };
  const send = value => {
    model.set("value", value);
    model.save_changes();
  };
  const place = event => {
    const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  };
  let last = null;
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture?.(event.pointerId);
    last = place(event);
  });
  canvas.addEventListener("pointermove", event => {
    if (!last) return;
    const next = place(event);
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...next);
    pen.stroke();
    last = next;
  });
  for (const name of ["pointerup", "pointercancel"])
    canvas.addEventListener(name, () => {
      if (last) send(levels());
      last = null;
    });

  const clear = document.createElement("button");
  clear.textContent = "clear";
  clear.onclick = () => {
    wipe();
    send([]);
  };
  el.append(canvas, document.createElement("br"), clear);
}

export default { render };
