/* Boxes that are wider than the page scroll inside: say so, to the eye (class `more-…`) and to the keyboard. */
(() => {
  "use strict";
  const KINDS = [
    ["div.highlight pre", "Code"], [".cell_output .output pre", "Output"], ["mjx-container[display='true'], div.math, span.math, p:has(> mjx-container), p:has(> .math)", "Formula"],
    [".pst-scrollable-table-container, .cell_output .output.text_html", "Table or figure"],
  ];
  const right = element => element.getBoundingClientRect().right;
  /* A formula in a line fits, although the text for screen readers that it hides is wider. */
  const fits = box => {
    const drawn = box.matches("span.math") && box.querySelector("mjx-math");
    return drawn && right(drawn) + box.scrollLeft <= right(box) + 1;
  };
  const look = box => {
    const room = box.scrollWidth - box.clientWidth;
    const scrolls = room > 1 && !fits(box) && ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    box.classList.toggle("more-left", scrolls && box.scrollLeft > 2);
    box.classList.toggle("more-right", scrolls && box.scrollLeft < room - 2);
    if (scrolls && !box.dataset.scrolls) {
      const given = { tabindex: "0", role: "region", "aria-label": `${box.dataset.kind}, scrolls sideways` };
      for (const [name, value] of Object.entries(given)) box.setAttribute(name, value);
      box.dataset.scrolls = "yes";
    } else if (!scrolls && box.dataset.scrolls) {
      for (const name of ["tabindex", "role", "aria-label", "data-scrolls"]) box.removeAttribute(name);
    }
  };
  const start = () => {
    const watch = new ResizeObserver(entries => entries.forEach(entry => look(entry.target)));
    for (const [selector, kind] of KINDS)
      for (const box of document.querySelectorAll(`.bd-article :is(${selector})`)) {
        if (box.dataset.kind) continue;
        box.dataset.kind = kind;
        box.addEventListener("scroll", () => look(box), { passive: true });
        watch.observe(box);
      }
  };
  const ready = window.MathJax && MathJax.startup && MathJax.startup.promise;
  window.addEventListener("load", () => Promise.resolve(ready || (window.MathJax && MathJax.startup && MathJax.startup.promise)).then(start, start));
})();
