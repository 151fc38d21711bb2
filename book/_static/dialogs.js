/* Contents and search open as dialogs: when one closes, the keyboard is back at the button that opened it. */
(() => {
  "use strict";
  const OPENERS = ".primary-toggle, .secondary-toggle, .search-button";
  let opener = null;
  document.addEventListener("click", event => { opener = event.target.closest(OPENERS) || opener; }, { capture: true });
  document.addEventListener("close", event => {
    if (event.target.matches("dialog") && opener && opener.offsetParent) setTimeout(() => opener.focus({ preventScroll: true }));
  }, { capture: true });
})();
