/* The questions of a chapter keep what the reader answered, in this browser alone; everything else works without this script. */
(() => {
  "use strict";
  const KEY = "flowlib-book.answers";
  let kept = {}; // page → { of: questions, answers: { question: { choice: number of the answer, right } } }
  const sound = read => Object.fromEntries(Object.entries(read ?? {}).filter(([, entry]) => entry && typeof entry.answers === "object"));
  const load = () => { try { kept = sound(JSON.parse(localStorage.getItem(KEY))); } catch { /* no storage: this page remembers until it closes */ } };
  const save = () => { try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* the same */ } };
  const nameOf = url => decodeURIComponent(new URL(url, location.href).pathname.split("/").pop()).replace(/\.html$/, "");
  const page = nameOf(location.href);
  const make = (tag, text, className) => Object.assign(document.createElement(tag), { textContent: text, className });

  const questions = [...document.querySelectorAll(".flowquiz")].map(box => {
    const answers = [...box.querySelectorAll("details")];
    return { key: answers[0]?.getAttribute("name"), answers };
  }).filter(question => question.key);

  /* What is kept of a page, as far as it still holds: [answered, right, of]. */
  const score = entry => {
    const answered = Object.values(entry.answers || {});
    return [answered.length, answered.filter(answer => answer?.right).length, entry.of || 0];
  };
  const links = () => [...document.querySelectorAll(".bd-links a.reference.internal")];
  const overview = () => links().flatMap(link => {
    const [answered, , of] = score(kept[nameOf(link.href)] || {});
    return answered ? [`${link.firstChild.textContent.trim()}, ${answered} of ${of}`] : [];
  }).join("; ");
  const line = make("p", "", "quiz-progress");
  const status = make("span", "", "");
  status.setAttribute("role", "status");
  const forget = make("button", "Forget all my answers", "quiz-forget");
  forget.type = "button";
  line.append(status, " ", forget);

  const show = () => {
    const any = Object.values(kept).some(entry => score(entry)[0] > 0);
    if (questions.length) {
      const [answered, right, of] = score(kept[page] || { of: questions.length });
      status.textContent = `Questions of this chapter: ${answered} of ${of} answered, ${right} right.`;
    } else status.textContent = any ? `Questions that you have answered: ${overview()}.` : "";
    forget.hidden = !any;
    document.querySelectorAll(".quiz-mark").forEach(mark => mark.remove());
    for (const link of links()) {
      const [answered, , of] = score(kept[nameOf(link.href)] || {});
      if (!answered) continue;
      const mark = make("span", answered === of ? " ✓" : ` ${answered}/${of}`, "quiz-mark");
      mark.title = `${answered} of ${of} questions answered`;
      link.append(mark);
    }
  };

  const keep = (question, answer) => {
    load();
    const entry = { of: questions.length, answers: kept[page]?.answers || {} };
    kept[page] = entry;
    entry.answers[question.key] = { choice: question.answers.indexOf(answer), right: answer.classList.contains("flowquiz-right") };
    save();
    show();
  };

  load();
  if (kept[page]) { // questions may have changed since
    const known = new Set(questions.map(question => question.key));
    kept[page].of = questions.length;
    kept[page].answers = Object.fromEntries(Object.entries(kept[page].answers || {}).filter(([key]) => known.has(key)));
  }
  for (const question of questions) {
    const choice = kept[page]?.answers[question.key]?.choice;
    if (choice in question.answers) question.answers[choice].open = true;
    for (const answer of question.answers) // a click has not yet opened what it opens
      answer.querySelector("summary").addEventListener("click", () => answer.open || keep(question, answer));
  }
  forget.addEventListener("click", () => {
    kept = {};
    try { localStorage.removeItem(KEY); } catch { /* nothing was kept */ }
    for (const question of questions) for (const answer of question.answers) answer.open = false;
    show();
    status.tabIndex = -1;
    status.focus();
  });
  const last = questions.length ? questions.at(-1).answers[0].closest(".flowquiz") : page === "intro" ? document.querySelector(".bd-article > section") : null;
  if (last && questions.length) last.after(line); else last?.append(line);
  addEventListener("storage", event => { if (event.key === KEY || event.key === null) { kept = {}; load(); show(); } });
  show();
})();
