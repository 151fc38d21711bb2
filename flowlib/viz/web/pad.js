// The square of square.js as a widget of a kernel (anywidget): the trait "value" gets its grey levels, nothing where it is empty.
function render({ model, el }) {
  const send = value => {
    model.set("value", value);
    model.save_changes();
  };
  const { canvas, wipe } = square(send), clear = document.createElement("button");
  clear.textContent = "clear";
  clear.onclick = () => {
    wipe();
    send([]);
  };
  el.append(canvas, document.createElement("br"), clear);
}

export default { render };
