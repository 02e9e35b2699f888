"use strict";
/* The page from its data: subjects (a file, a pool, a protocol), an overview of verdicts, what is not known, the kernels, the rules. */

const MANY = 12;

/** Answers about one file belong together; every other answer is a subject of its own. */
function subjectsOf(page) {
  const byFile = new Map();
  const subjects = [];
  page.parts.forEach((part) => {
    const answer = part.answer;
    const joins = typeof answer.file === "string" && ["show", "check", "lint"].includes(answer.verb);
    let subject = joins ? byFile.get(answer.file) : undefined;
    if (!subject) {
      subject = { id: `s${subjects.length}`, name: answer.file ?? answer.protocol ?? answer.kernel ?? answer.host ?? answer.base ?? "", parts: [], verb: answer.verb };
      subjects.push(subject);
      if (joins) {
        byFile.set(answer.file, subject);
      }
    }
    subject.parts.push(part);
  });
  return subjects;
}

const targetsOf = (subject) => subject.parts.filter((part) => part.answer.verb === "check").flatMap((part) => listOf(part.answer.targets).map((target) => ({ target, part })));
const nameOf = (subject) => (subject.name ? shortName(subject.name) : TITLES[subject.verb] ?? subject.verb);
const hostOf = (target) => target.argument ?? target.host ?? "";

function subjectView(subject, page) {
  const shown = subject.parts.find((part) => part.answer.verb === "show" && !part.role);
  const targets = targetsOf(subject);
  const sections = subject.parts.filter((part) => !part.role && part.answer.verb !== "check").map((part) => part.answer.error
    ? h("div", { class: "panel" }, chip("error", "unread"), " ", foreign(part.answer.error.message ?? ""))
    : [subject.parts.length > 1 ? h("h3", null, TITLES[part.answer.verb] ?? part.answer.verb) : null, sectionOf(part.answer, { id: subject.id, guest: part.guest }, page)]);
  const cards = targets.map(({ target }, index) => targetCard(target, {
    id: `${subject.id}-t${index}`, open: targets.length === 1 || (targets.length <= 3 && target.verdict !== "same"), state: shown?.answer,
    repaired: shown && subject.parts.find((part) => part.role === "repaired" && part.on === target.argument)?.answer,
  }, page));
  const alone = subject.parts.filter((part) => part.answer.verb === "check" && (part.answer.error || listOf(part.answer.findings).length > 0));
  return h("section", { id: subject.id, "aria-labelledby": `${subject.id}-h` }, ["show", "check"].includes(subject.verb) ? null : h("p", { class: "kicker" }, `xstate ${subject.verb}`), h("h2", { id: `${subject.id}-h` }, foreign(nameOf(subject))),
    h("div", { class: "stack" }, subject.name && nameOf(subject) !== subject.name ? h("p", { class: "soft mono" }, foreign(subject.name)) : null,
      cards.length > 0 ? [h("h3", null, TITLES.check), h("div", { class: "tight" }, cards)] : null,
      alone.map((part) => (part.answer.error ? h("div", { class: "panel" }, chip("error", "unread"), " ", foreign(part.answer.error.message ?? "")) : findingList(bySeverity(part.answer.findings), page))), sections));
}

/** Files by hosts; a cell leads to its detail. */
function overview(subjects, page, open) {
  const checked = subjects.filter((subject) => targetsOf(subject).length > 0);
  const hosts = [...new Set(checked.flatMap((subject) => targetsOf(subject).map(({ target }) => hostOf(target))))];
  const verdicts = new Set(ORDER);
  const search = h("input", { type: "search", placeholder: "file or rule", input: () => narrow() });
  const counts = ORDER.map((verdict) => [verdict, checked.flatMap(targetsOf).filter(({ target }) => target.verdict === verdict).length]).filter(([, count]) => count > 0);
  const rows = subjects.map((subject) => {
    const byHost = new Map(targetsOf(subject).map(({ target }, index) => [hostOf(target), { target, index }]));
    const row = h("tr", null, h("th", { scope: "row" }, h("a", { href: `#${subject.id}`, click: () => open(subject) }, foreign(nameOf(subject)))),
      byHost.size === 0 ? h("td", { colspan: Math.max(1, hosts.length), class: "soft" }, TITLES[subject.verb] ?? subject.verb) : hosts.map((host) => {
        const found = byHost.get(host);
        return h("td", null, found ? h("a", { href: `#${subject.id}-t${found.index}`, click: () => open(subject, found.index), "aria-label": `${found.target.verdict ?? "unread"}: ${nameOf(subject)} on ${host}` }, found.target.error ? chip("error", "unread") : chip(found.target.verdict)) : "");
      }));
    return { row, subject, text: `${subject.name} ${JSON.stringify(targetsOf(subject).map(({ target }) => listOf(target.findings).map((one) => one.rule)))}`.toLowerCase() };
  });
  const narrow = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const { row, subject, text } of rows) {
      row.hidden = !text.includes(wanted) || (targetsOf(subject).length > 0 && !targetsOf(subject).some(({ target }) => target.error || verdicts.has(target.verdict)));
    }
  };
  const controls = subjects.length > 3 ? h("div", { class: "controls" }, h("label", null, "Find", search), counts.length > 1 ? h("fieldset", null, h("legend", null, "Show"), counts.map(([verdict, count]) =>
    h("label", null, h("input", { type: "checkbox", checked: true, change: (event) => { verdicts[event.target.checked ? "add" : "delete"](verdict); narrow(); } }), chip(verdict), h("span", { class: "soft" }, count)))) : null) : null;
  return h("section", { id: "overview", "aria-labelledby": "overview-h" }, h("h2", { id: "overview-h" }, checked.length > 0 ? "Which file loads where" : "Overview"), controls,
    h("div", { class: "panel" }, scrolling(h("table", { class: "overview" }, h("thead", null, h("tr", null, h("th", { scope: "col" }, "File"), hosts.map((host) => h("th", { scope: "col" }, foreign(shortName(host)))), hosts.length > 0 ? null : h("th", { scope: "col" }, "Answer"))), h("tbody", null, rows.map((one) => one.row))), "verdicts")));
}

/** Every fact that an answer of the page hangs on, once. */
function unknownFacts(page) {
  const found = new Map();
  const add = (key, one, who) => found.set(key, { one, who: [...(found.get(key)?.who ?? []), who] });
  for (const { answer } of page.parts.filter((part) => !part.role)) {
    for (const target of listOf(answer.targets)) {
      for (const one of listOf(target.dependsOn)) {
        add(`${one.fact} ${one.id ?? ""} ${one.findOut}`, one, `${shortName(answer.file ?? "")} on ${shortName(hostOf(target))}`);
      }
    }
    for (const read of [answer, ...listOf(answer.targets)].filter((one) => ["assumed", "inferred"].includes(one.kernelRead?.confidence) && one.kernelRead.findOut)) {
      add(`kernel ${read.kernel}`, { fact: "kernel", why: `${read.kernel} was read as ${read.kernelRead.family}, ${read.kernelRead.base} (${read.kernelRead.confidence})`, findOut: read.kernelRead.findOut, outcomes: [] }, shortName(hostOf(read)));
    }
    for (const state of statesOf(answer).filter((one) => ["guess", "inferred"].includes(one.layout?.source)).slice(0, 1)) {
      add(`layout ${answer.file}`, { fact: "layout", why: `the layout of ${shortName(answer.file ?? "")} is ${state.layout.source === "guess" ? "a guess" : "inferred"}: ${state.layout.detail}`, findOut: "cpuid -1 -r, on the host that wrote it; then --layout FILE", outcomes: [] }, shortName(answer.file ?? ""));
    }
  }
  return [...found.values()];
}

function unknownSection(found, page) {
  return h("section", { id: "unknown", "aria-labelledby": "unknown-h" }, h("h2", { id: "unknown-h" }, "What is not known"), h("p", { class: "soft" }, "Facts that an answer depends on or was read from, and the command that settles each."),
    h("div", { class: "stack" }, found.map(({ one, who }) => h("div", { class: "panel" }, dependency(one, page), h("p", { class: "soft" }, "Concerns: ", foreign([...new Set(who)].slice(0, 8).join("; ")), new Set(who).size > 8 ? ` and ${new Set(who).size - 8} more` : "")))));
}

function render(page) {
  const subjects = subjectsOf(page);
  const isMany = subjects.length > MANY;
  const viewer = h("div", { id: "viewer", class: "stack" });
  let current;
  const open = (subject, target) => {
    if (isMany && current !== subject) {
      current = subject;
      replace(viewer, subjectView(subject, page));
      fitLabels(viewer);
    }
    const card = target === undefined ? null : document.getElementById(`${subject.id}-t${target}`);
    if (card) {
      card.open = true;
    }
  };
  const unknown = unknownFacts(page);
  const hasRules = Object.keys(page.rules).length + Object.keys(page.differences).length > 0;
  const sections = [
    subjects.length > 1 || targetsOf(subjects[0]).length > 1 ? overview(subjects, page, open) : null,
    isMany ? viewer : subjects.map((subject) => subjectView(subject, page)),
    unknown.length > 0 ? unknownSection(unknown, page) : null,
    page.timeline ? h("section", { id: "kernels", "aria-labelledby": "kernels-h" }, h("h2", { id: "kernels-h" }, "How kernels differ"), timelineSection(page)) : null,
    hasRules ? h("section", { id: "rules", "aria-labelledby": "rules-h" }, h("h2", { id: "rules-h" }, "Rules and differences on this page"), explanations(page)) : null,
  ].flat().filter(Boolean);
  const main = h("main", { id: "content" }, sections);
  const contents = sections.length < 2 ? h("div") : h("nav", { class: "contents", "aria-label": "Contents" }, h("ol", null, sections.filter((one) => one.id && one.id !== "viewer").map((one) => h("li", null, h("a", { href: `#${one.id}` }, one.querySelector("h2").textContent)))));
  document.body.append(
    h("a", { class: "skip", href: "#content" }, "Skip to the content"),
    s("svg", { width: 0, height: 0, "aria-hidden": "true", focusable: "false", class: "visually-hidden" }, s("defs", null,
      s("pattern", { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("rect", { width: 2, height: 7, fill: "currentColor", "fill-opacity": ".35" })),
      s("pattern", { id: "partly", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("rect", { width: 6, height: 6, class: "s-void" }), s("rect", { width: 3, height: 6, class: "s-in-use" })))),
    h("div", { class: "page" }, h("header", { class: "top" }, h("p", { class: "brand" }, "xstate report"), h("h1", null, foreign(page.title)), h("p", { class: "made" }, `Made by ${page.madeBy} from ${plural(page.parts.filter((part) => !part.role).length, "answer")}.${subjects.some((one) => one.parts.some((part) => statesOf(part.answer).length > 0)) ? " Areas are drawn to scale." : ""}`)), contents, main));
  if (isMany) {
    const asked = subjects.find((subject) => location.hash.slice(1).split("-")[0] === subject.id);
    open(asked ?? subjects[0]);
  }
  // A link into something that is closed opens it.
  const follow = () => {
    const id = location.hash.slice(1);
    const subject = subjects.find((one) => one.id === id.split("-")[0]);
    if (subject && isMany) {
      open(subject);
    }
    const element = document.getElementById(id);
    if (element instanceof HTMLDetailsElement) {
      element.open = true;
    }
    element?.scrollIntoView();
  };
  window.addEventListener("hashchange", follow);
  if (location.hash) {
    follow();
  }
  fitLabels(document);
  document.addEventListener("toggle", () => fitLabels(document), true);
  new ResizeObserver(() => fitLabels(document)).observe(document.querySelector(".page"));
}

render(JSON.parse(document.getElementById("data").textContent));
