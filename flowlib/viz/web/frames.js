// A stored picture for every position of the controls; the one that the page shows at first is stored there only.
start(root => {
  const image = root.querySelector("img"), still = image.src;
  const ready = d.frames.map(frame => Object.assign(new Image(), {src: frame ? d.head + frame : still}));
  return (at, words) => {
    image.src = ready[d.table[d.axes.reduce((flat, axis, n) => flat * axis.labels.length + at[n], 0)]].src;
    image.alt = `${d.alt} (${words})`;
  };
});
