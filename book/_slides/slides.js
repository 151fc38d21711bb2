/* Formulas first, then the show: a slide's size is known once its formulas are set. */
window.MathJax = {
  chtml: { matchFontHeight: false },
  options: { ignoreHtmlClass: "notes" },
  startup: {
    pageReady: () => MathJax.startup.defaultPageReady().then(() => Reveal.initialize({
      width: 1280, height: 720, margin: 0.02, center: false, hash: true, slideNumber: "c/t", transition: "none", navigationMode: "linear",
      keyboardCondition: event => !event.target.closest("button, input, select, textarea, summary"), // whose keys are their own
      plugins: [RevealNotes],
    })),
  },
};
