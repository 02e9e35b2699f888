"use strict";
/* The one door to the document: elements are made here, and text enters as text only. Nothing on the page parses foreign text as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** Text with what a reader could not see, or would see in another order, shown as an escape: the notation of the terminal. */
function clean(value) {
  return String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (found) => {
    const code = found.codePointAt(0);
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) {
      continue;
    }
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (name === "href" && !String(value).startsWith("#")) {
      throw new Error("the page links to itself only");
    } else {
      element.setAttribute(name, clean(value === true ? "" : value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) {
      element.append(child instanceof Node ? child : document.createTextNode(clean(child)));
    }
  }
  return element;
}

/** An HTML element: attributes, and functions as listeners; then children, of which strings are text. */
function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Foreign text within a sentence: its direction does not reach out of it. */
function foreign(text, tag = "bdi") {
  return h(tag, tag === "bdi" ? null : { dir: "auto" }, text);
}

function replace(element, ...children) {
  element.replaceChildren();
  return fill(element, null, children);
}

function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

function chip(verdict, text = verdict) {
  return h("span", { class: `chip ${KNOWN_CHIPS.has(verdict) ? verdict : "info"}` }, text);
}

const KNOWN_CHIPS = new Set(["same", "repairable", "differs", "refused", "dangerous", "unknown", "error", "warning", "info"]);

/** Words of a definition list; what has no value is left out. */
function facts(...pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value instanceof Node ? value : foreign(value)))));
}

function table(heads, rows, attributes) {
  const head = h("thead", null, h("tr", null, heads.map((one) => h("th", { scope: "col" }, one))));
  const body = h("tbody", null, rows.map((row) => h("tr", null, row.map((cell) => h("td", null, cell instanceof Node ? cell : foreign(cell ?? ""))))));
  return scrolling(h("table", attributes, head, body), heads.filter((one) => typeof one === "string").join(", "));
}

/** What may be wider than the page scrolls in a region that the keyboard reaches. */
function scrolling(content, label) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Table: ${label}` }, content);
}

/** Content that is made when it is first opened. */
function later(summary, make, attributes) {
  const box = h("details", attributes, h("summary", null, summary));
  const open = () => {
    if (box.open && box.childElementCount === 1) {
      box.append(make());
    }
  };
  box.addEventListener("toggle", open);
  if (box.open) {
    open();
  }
  return box;
}

/** A list or an object in a field that may be anything. */
const listOf = (value) => (Array.isArray(value) ? value : []);
const entriesOf = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : []);

/** A mask as text into a BigInt; 0 for what is none. */
function mask(text) {
  return /^0x[0-9a-f]{1,16}$/i.test(text ?? "") ? BigInt(text) : 0n;
}
