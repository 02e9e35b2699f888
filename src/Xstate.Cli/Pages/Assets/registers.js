"use strict";
/* Registers, read as numbers of any width. Vector registers are bytes in memory order, lowest first; others are values. */

const VIEWS = {
  bytes: null,
  x32: [4, (view, at) => hex(view.getUint32(at, true), 8)],
  x64: [8, (view, at) => hex(view.getBigUint64(at, true), 16)],
  u8: [1, (view, at) => view.getUint8(at)], u16: [2, (view, at) => view.getUint16(at, true)], u32: [4, (view, at) => view.getUint32(at, true)], u64: [8, (view, at) => view.getBigUint64(at, true)],
  i8: [1, (view, at) => view.getInt8(at)], i16: [2, (view, at) => view.getInt16(at, true)], i32: [4, (view, at) => view.getInt32(at, true)], i64: [8, (view, at) => view.getBigInt64(at, true)],
  f32: [4, (view, at) => shortFloat(view.getFloat32(at, true))], f64: [8, (view, at) => number(view.getFloat64(at, true))],
};
const VIEW_NAMES = {
  bytes: "bytes, lowest first", x32: "32-bit words", x64: "64-bit words", u8: "unsigned 8-bit", u16: "unsigned 16-bit", u32: "unsigned 32-bit", u64: "unsigned 64-bit",
  i8: "signed 8-bit", i16: "signed 16-bit", i32: "signed 32-bit", i64: "signed 64-bit", f32: "float", f64: "double",
};
const GROUPS = [
  ["Control", /^(fcw|fsw|ftw|fop|fip|fdp|fcs|fds|mxcsr|mxcsr_mask|xcr0)$/], ["x87 stack", /^st\d$/], ["Protection keys", /^pkru$/], ["Vectors", /^[xyz]mm\d+$/], ["Masks", /^k\d$/],
  ["Bounds", /^bnd/], ["Tiles", /^(tile\d|tilecfg)/], ["Others", /./],
];

const hex = (value, digits) => value.toString(16).padStart(digits, "0");
const number = (value) => (Object.is(value, -0) ? "-0" : Number.isNaN(value) ? "NaN" : String(value));
// As few digits as bring the float back.
const shortFloat = (value) => {
  for (let digits = 1; Number.isFinite(value) && digits <= 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) {
      return number(text);
    }
  }
  return number(value);
};

const isBytes = (text) => /^([0-9a-f]{2}|\?\?)+$/i.test(text) && text.length >= 8;

function elementsOf(text, viewName) {
  const pairs = text.match(/../g);
  const view = VIEWS[viewName];
  if (!view || pairs.length % view[0] !== 0) {
    return pairs.map((pair) => pair);
  }
  const bytes = new DataView(Uint8Array.from(pairs, (pair) => (pair === "??" ? 0 : parseInt(pair, 16))).buffer);
  const [size, read] = view;
  const found = [];
  for (let at = 0; at < pairs.length; at += size) {
    found.push(pairs.slice(at, at + size).includes("??") ? "?" : String(read(bytes, at)));
  }
  return found;
}

/** An x87 register as a number, as near as a double comes. */
function float80(text) {
  const pairs = text.match(/../g);
  if (pairs.length !== 10 || pairs.includes("??")) {
    return "";
  }
  const bytes = pairs.map((pair) => parseInt(pair, 16));
  const fraction = bytes.slice(0, 8).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const exponent = ((bytes[9] & 0x7f) << 8) | bytes[8];
  const sign = bytes[9] & 0x80 ? -1 : 1;
  if (exponent === 0x7fff) {
    return fraction << 1n & 0xffffffffffffffffn ? "NaN" : sign < 0 ? "-∞" : "∞";
  }
  const value = sign * Number(fraction) * 2 ** -63 * 2 ** (Math.max(exponent, 1) - 16383);
  return value === 0 && fraction !== 0n ? "≈ 0, below a double" : number(value);
}

/** Flags that are set and fields with their values, by the rows that the command itself prints them from. */
function fieldsOf(name, text, page) {
  const value = mask(text);
  return listOf(page.fields[name]).map((field) => {
    const found = Number((value >> BigInt(field.shift)) & ((1n << BigInt(field.width)) - 1n));
    return field.width === 1 && !field.values ? (found ? field.name : "") : `${field.name}:${field.values?.[found] ?? found}`;
  }).filter(Boolean);
}

function keysOf(text, page) {
  const value = mask(text);
  return h("ol", { class: "keys", "aria-label": "Rights of protection keys" }, listOf(page.fields.pkru).map((field, key) => {
    const right = field.values[Number((value >> BigInt(field.shift)) & 3n)];
    return h("li", { class: right }, h("span", null, `key ${key}`), h("span", null, right));
  }));
}

function valueOf(name, text, viewName, page) {
  if (typeof text !== "string") {
    return foreign(JSON.stringify(text) ?? "");
  }
  if (name === "pkru") {
    return h("div", null, foreign(text), keysOf(text, page));
  }
  if (/^st\d$/.test(name)) {
    return h("div", null, foreign(text), h("span", { class: "flags" }, isBytes(text) ? float80(text) : ""));
  }
  if (!text.startsWith("0x") && isBytes(text)) {
    const elements = elementsOf(text, viewName);
    return viewName === "bytes" ? foreign(elements.join("").replace(/(.{16})(?=.)/g, "$1 "))
      : h("div", { class: "elements" }, elements.map((one) => h("span", { class: /^-?0*$/.test(one) ? "zero" : null }, one)));
  }
  const fields = fieldsOf(name, text, page);
  return h("div", null, foreign(text), fields.length > 0 ? h("span", { class: "flags" }, fields.join(" ")) : null);
}

const isZero = (text) => typeof text === "string" && /^(0x)?0*$/.test(text);

/** The registers of a state in groups, each opened when it is wanted. */
function registerPanel(state, page) {
  const registers = entriesOf(state.registers);
  const msrs = entriesOf(state.msrs);
  const groups = new Map(GROUPS.map(([name]) => [name, []]));
  for (const entry of registers) {
    groups.get(GROUPS.find(([, pattern]) => pattern.test(entry[0]))[0]).push(entry);
  }
  groups.set("Model-specific registers", msrs);
  const box = h("div");
  const choice = h("select", { change: render }, Object.keys(VIEWS).map((name) => h("option", { value: name }, VIEW_NAMES[name])));
  const zeros = h("input", { type: "checkbox", change: render });
  function render() {
    const open = new Set([...box.querySelectorAll("details[open]")].map((one) => one.dataset.group));
    const first = box.childElementCount === 0;
    replace(box, [...groups].filter(([, entries]) => entries.length > 0).map(([name, entries]) => {
      const shown = zeros.checked ? entries.filter(([, text]) => !isZero(text)) : entries;
      const rest = entries.length - shown.length;
      return later([name, h("span", { class: "soft" }, `${entries.length}${rest ? `, ${rest} zero and not shown` : ""}`)],
        () => h("div", { class: "registers" }, shown.map(([register, text]) => h("div", { class: "register" }, h("span", { class: "name" }, register), h("div", { class: "value" }, valueOf(register, text, choice.value, page))))),
        { class: "group", "data-group": name, open: first ? ["Control", "Protection keys"].includes(name) : open.has(name) });
    }));
  }
  render();
  return registers.length + msrs.length === 0 ? null : h("div", { class: "stack" },
    h("div", { class: "controls" }, h("label", null, "Read vectors as", choice), h("label", null, zeros, "Leave zeros out")), box);
}
