/* Paper is light: a page in the dark is printed as it looks by day. */
(() => {
  "use strict";
  const root = document.documentElement;
  let before = null;
  window.addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; });
  window.addEventListener("afterprint", () => { if (before !== null) root.dataset.theme = before; before = null; });
})();
