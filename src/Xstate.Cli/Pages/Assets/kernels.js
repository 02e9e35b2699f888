"use strict";
/* Named differences of kernels over the releases of Linux, and in kernels of distributions and of the hosts on this page. */

const KNOW = { p: "present", a: "absent", m: "partly", u: "unknown" };
const KNOW_TEXT = { present: "present", absent: "absent", partly: "present in a part of its stable releases", unknown: "not known" };

/** Side by side, releases of one kind are one bar. */
function spansOf(text) {
  const spans = [];
  for (let i = 0; i < text.length; i++) {
    if (spans.length > 0 && spans.at(-1).kind === text[i] && text[i] !== "m") {
      spans.at(-1).end = i + 1;
    } else {
      spans.push({ kind: text[i], start: i, end: i + 1 });
    }
  }
  return spans;
}

function timelineRow(id, text, series) {
  const row = s("svg", { role: "img", "aria-label": `${id}: ${spansOf(text).filter((span) => span.kind !== "a").map((span) => `${KNOW_TEXT[KNOW[span.kind]]} ${series[span.start]} to ${series[span.end - 1]}`).join("; ") || "in no release"}` });
  for (const span of spansOf(text)) {
    const title = `${series[span.start]}${span.end - span.start > 1 ? ` to ${series[span.end - 1]}` : ""}: ${KNOW_TEXT[KNOW[span.kind]]}`;
    row.append(s("rect", { class: `k-${KNOW[span.kind]}`, x: `${(100 * span.start) / series.length}%`, width: `${(100 * (span.end - span.start)) / series.length}%`, y: span.kind === "a" ? 9 : 3, height: span.kind === "a" ? 2 : 14, rx: span.kind === "a" ? 0 : 2 }, s("title", null, title)));
  }
  return row;
}

function timelineSection(page) {
  const { series, rows, kernels } = page.timeline;
  const ids = Object.keys(rows);
  const axis = s("svg", { class: "axis", "aria-hidden": "true" }, series.map((name, i) => (i % 5 === 0 || i === series.length - 1) && !(i % 5 === 0 && series.length - 1 - i < 3 && i !== series.length - 1)
    ? s("text", { x: `${(100 * (i + 0.5)) / series.length}%`, y: 14, "text-anchor": i === 0 ? "start" : i === series.length - 1 ? "end" : "middle" }, name) : null));
  const search = h("input", { type: "search", placeholder: "XSAVE, PKRU, KVM-SET…", input: () => narrow() });
  const mentioned = h("input", { type: "checkbox", change: () => narrow() });
  mentioned.checked = Object.keys(page.differences).length > 0;
  const lines = ids.map((id) => h("tr", { "data-id": id }, h("th", { scope: "row" }, idLink(id, page)), h("td", { class: "span" }, timelineRow(id, rows[id], series))));
  const narrow = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const line of lines) {
      const id = line.dataset.id;
      line.hidden = (mentioned.checked && Object.keys(page.differences).length > 0 && !Object.hasOwn(page.differences, id)) || !(`${id} ${page.differences[id]?.effect ?? ""}`.toLowerCase().includes(wanted));
    }
  };
  narrow();
  const grid = h("table", { class: "grid" }, h("thead", null, h("tr", null, h("th", { scope: "col", style: null }, "kernel"), ids.map((id) => h("th", { scope: "col" }, id)))),
    h("tbody", null, kernels.map((kernel) => h("tr", null, h("th", { scope: "row" }, foreign(kernel.name), h("br"), h("span", { class: "soft" }, foreign([kernel.title, kernel.base, kernel.confidence === "named" ? "" : kernel.confidence].filter(Boolean).join(", ")))),
      [...kernel.known].map((letter, i) => h("td", null, h("span", { class: `know ${KNOW[letter]}`, title: `${ids[i]}: ${KNOW_TEXT[KNOW[letter]]}` }, h("span", { class: "visually-hidden" }, KNOW_TEXT[KNOW[letter]]), h("span", { "aria-hidden": "true" }, { p: "●", a: "·", u: "?" }[letter]))))))));
  return h("div", { class: "stack timeline" },
    h("div", { class: "controls" }, h("label", null, "Find", search), Object.keys(page.differences).length > 0 ? h("label", null, mentioned, "Only those that this page mentions") : null),
    h("div", { class: "panel" }, scrolling(h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, "difference"), h("th", { scope: "col", class: "span" }, axis, h("span", { class: "visually-hidden" }, "releases of Linux")))), h("tbody", null, lines)), "differences by release"),
      h("ul", { class: "legend" }, ["present", "partly", "unknown", "void"].map((kind) => h("li", null, h("span", { class: `swatch ${kind}` }), kind === "void" ? "absent" : KNOW_TEXT[kind])))),
    later(["Distributions, and the hosts of this page ", h("span", { class: "soft" }, plural(kernels.length, "kernel"))], () => h("div", { class: "panel" }, scrolling(grid, "differences by kernel")), { open: false }));
}
