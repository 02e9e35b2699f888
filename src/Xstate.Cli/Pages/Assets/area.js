"use strict";
/* The XSAVE area to scale: a row is 1,024 bytes, a pixel is the same number of bytes in every drawing of the page. */

const ROW = 1024;
const LEGACY = 512;
const HEADER = 64;
const STATES = {
  "in-use": "in use", init: "initial", hidden: "hidden from the guest", dropped: "dropped by the repair", header: "XSAVE header", void: "no component", unrecorded: "not recorded",
};

/** The state in which a component is drawn. */
function stateOf(component, after) {
  if (component.state !== "in-use") {
    return component.state === "init" ? "init" : component.state === "not-recorded" ? "unrecorded" : "void";
  }
  if (after && !listOf(after.components).some((other) => other.bit === component.bit && other.state === "in-use")) {
    return "dropped";
  }
  return component.hidden === true ? "hidden" : "in-use";
}

/** Everything with a place, from the lowest byte: components, the header, and what lies between. */
function placesOf(state, after) {
  const size = Math.max(state.layout?.size ?? 0, LEGACY + HEADER);
  const placed = listOf(state.components).filter((one) => Number.isSafeInteger(one.offset) && Number.isSafeInteger(one.size) && one.size > 0 && one.offset >= 0 && one.offset + one.size <= 65536)
    .map((one) => ({ name: one.component, offset: one.offset, size: one.size, state: stateOf(one, after) }));
  placed.push({ name: "header", offset: LEGACY, size: HEADER, state: "header" });
  placed.sort((a, b) => a.offset - b.offset);
  const all = [];
  let at = 0;
  for (const place of placed) {
    if (place.offset > at) {
      all.push({ name: "", offset: at, size: place.offset - at, state: "void" });
    }
    all.push(place);
    at = Math.max(at, place.offset + place.size);
  }
  if (size > at) {
    all.push({ name: "", offset: at, size: size - at, state: "void" });
  }
  return { all, size: Math.max(size, at) };
}

/** The drawing of one area, and under it what the colours mean. */
function drawArea(caption, state, after) {
  const { all, size } = placesOf(state, after);
  const rows = h("div", { class: "rows" });
  for (let start = 0; start < size; start += ROW) {
    rows.append(h("div", { class: "ruler", "aria-hidden": "true" }, start), drawRow(all, start, Math.min(size, start + ROW)));
  }
  const used = [...new Set(all.map((place) => place.state))];
  const spoken = all.filter((place) => place.name).map((place) => `${place.name} at ${place.offset}, ${place.size} bytes, ${STATES[place.state]}`).join("; ");
  return h("figure", { class: "area" },
    h("figcaption", null, h("strong", null, caption), h("span", { class: "soft" }, ` ${plural(size, "byte")}, ${mask(state.xcompBv) >> 63n ? "compacted" : "standard"} format`), disabledNote(state)),
    h("div", { role: "img", "aria-label": `Layout of the area: ${spoken}` }, rows),
    h("ul", { class: "legend" }, Object.keys(STATES).filter((key) => used.includes(key)).map((key) => h("li", null, h("span", { class: `swatch ${key === "unrecorded" ? "void" : key}` }), STATES[key]))));
}

/** State that IA32_XFD disables stays where it is, and what uses it faults first. */
function disabledNote(state) {
  const names = listOf(state.components).filter((one) => Number.isSafeInteger(one.bit) && (mask(state.xfd) >> BigInt(one.bit)) & 1n).map((one) => one.component);
  return names.length > 0 ? h("span", { class: "soft" }, ". IA32_XFD disables ", foreign(names.join(", ")), ": an instruction that uses it takes #NM") : null;
}

function drawRow(all, start, end) {
  const row = s("svg", { "aria-hidden": "true", focusable: "false" });
  all.forEach((place, index) => {
    const from = Math.max(place.offset, start);
    const to = Math.min(place.offset + place.size, end);
    if (from >= to) {
      return;
    }
    const x = `${(100 * (from - start)) / ROW}%`;
    const width = `${(100 * (to - from)) / ROW}%`;
    const title = `${place.name || "no component"}: offset ${place.offset}, ${plural(place.size, "byte")}, ${STATES[place.state]}`;
    row.append(s("rect", { class: `part s-${place.state}`, "data-part": place.name, x, width, y: 0, height: 34 }, s("title", null, title)));
    if (place.state === "dropped" || place.state === "unrecorded") {
      row.append(s("rect", { class: "hatch", x, width, y: 0, height: 34 }));
    }
    // A name stands in its place, or behind a narrow one where there is room; the table and the title have it anyway.
    const next = all[index + 1];
    const room = !next ? start + ROW - to : next.state === "void" ? Math.min(next.offset + next.size, start + ROW) - to : 0;
    if (place.name && to - from < 48 && room > 0) {
      row.append(s("svg", { x: `${(100 * (to - start)) / ROW}%`, width: `${(100 * room) / ROW}%`, y: 0, height: 34, "data-bytes": room, class: "label" }, s("text", { x: 4, y: 21, class: "t-outside" }, place.name)));
    } else if (place.name) {
      row.append(s("svg", { x, width, y: 0, height: 34, "data-bytes": to - from, class: "label" }, s("text", { x: 5, y: 21, class: `t-${place.state}` }, place.name)));
    }
  });
  return row;
}

/** A name is shown where it fits whole. Called when the page is laid out, and when its width changes. */
function fitLabels(root) {
  for (const label of root.querySelectorAll("svg.label")) {
    const row = label.parentNode.getBoundingClientRect().width;
    // What is not shown has no length, so that it is measured once.
    label.dataset.length ||= label.firstChild.getComputedTextLength() || "";
    if (row > 0 && label.dataset.length) {
      label.style.display = Number(label.dataset.length) + 8 <= (row * Number(label.dataset.bytes)) / ROW ? "" : "none";
    }
  }
}

/** Two states of one area side by side, and what moved between them. */
function drawPair(before, after, captions) {
  const moved = [];
  for (const component of listOf(before.components)) {
    const other = listOf(after.components).find((one) => one.bit === component.bit);
    const left = placeText(component);
    const right = other ? placeText(other) : "no place";
    if (left !== right) {
      moved.push([h("code", null, component.component), left, h("span", { class: "changed" }, right)]);
    }
  }
  return h("div", { class: "stack" },
    h("div", { class: "pair" }, drawArea(captions[0], before, after), drawArea(captions[1], after)),
    moved.length > 0 ? table(["component", "before", "after"], moved) : h("p", { class: "soft" }, "Every component keeps its place and its state."));
}

function placeText(component) {
  const place = Number.isSafeInteger(component.offset) ? `${component.offset} + ${component.size}` : "no place";
  return `${place}, ${STATES[component.state] ?? component.state}`;
}

function componentTable(state) {
  const rows = listOf(state.components).map((one) => h("tr", null,
    h("td", null, h("code", null, one.component)), h("td", { class: "number" }, one.bit), h("td", { class: "number" }, one.offset ?? "–"), h("td", { class: "number" }, one.size ?? "–"),
    h("td", null, h("span", { class: `swatch ${stateOf(one)}`, "aria-hidden": "true" }), " ", one.state === "in-use" ? STATES[stateOf(one)] : one.state)));
  const heads = [["component"], ["bit", "number"], ["offset", "number"], ["bytes", "number"], ["state"]];
  const made = h("table", { class: "components" }, h("thead", null, h("tr", null, heads.map(([name, style]) => h("th", { scope: "col", class: style }, name)))), h("tbody", null, rows));
  return scrolling(made, "components");
}
