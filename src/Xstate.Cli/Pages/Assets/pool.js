"use strict";
/* A pool's matrix as a heat map: a canvas, because there may be a quarter of a million cells, with a cursor that the keyboard moves and a spoken line for where it is. */

const GLYPHS = { same: "", repairable: "r", differs: "≠", refused: "×", dangerous: "!", unknown: "?" };
const ORDER = ["same", "unknown", "repairable", "differs", "refused", "dangerous"];

/** The cells of a compact matrix: a row of "outcome" numbers for each class, one or more characters of base 64 each. */
function decodeRow(text, width) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const cells = new Uint32Array(text.length / width);
  for (let i = 0; i < text.length; i++) {
    cells[Math.floor(i / width)] = cells[Math.floor(i / width)] * 64 + digits.indexOf(text[i]);
  }
  return cells;
}

/** The matrix of classes: outcomes, and for each class the number of its outcome on each. */
function moveMap(answer) {
  const classes = listOf(answer.classes);
  const side = { names: classes.map(classTitle), texts: classes.map((one) => `${listOf(one.hosts).join(" ")} ${one.kernel}`.toLowerCase()), describe: (i) => classPlace(classes[i]) };
  return {
    outcomes: listOf(answer.matrix?.outcomes), rows: listOf(answer.matrix?.rows).map((row) => decodeRow(row, answer.matrix.width)), from: side, to: side, omitted: answer.matrix?.omitted,
    label: "From each class of hosts, a row, to each, a column.", hint: "A row is where guests come from, a column where they go, in the same order.",
    moved: (outcome) => (outcome.moved === "fullest" ? "a guest with everything that the source offers" : "the guests that live there"),
  };
}

/** The verdicts of each class of guests on each class of hosts. */
function guestMap(answer) {
  const guests = listOf(answer.guests).filter((one) => typeof one.verdicts === "string");
  const examples = new Map();
  for (const capture of listOf(answer.captures)) {
    examples.set(capture.class, [...(examples.get(capture.class) ?? []), capture.file]);
  }
  const nameOfGuest = (one) => (examples.get(one.id) ? `${shortName(examples.get(one.id)[0])}${examples.get(one.id).length > 1 ? ` + ${examples.get(one.id).length - 1}` : ""}` : `guest class ${one.id}`);
  const count = (one) => listOf(one.homes).reduce((sum, home) => sum + (home.count ?? 0), 0);
  return {
    ...moveMap(answer), outcomes: [{}, ...ORDER.map((verdict) => ({ verdict }))], omitted: undefined,
    rows: guests.map((one) => Uint32Array.from(one.verdicts, (digit) => (digit === "-" ? 0 : Number(digit) + 1))),
    from: { names: guests.map(nameOfGuest), texts: guests.map((one) => `${listOf(examples.get(one.id)).join(" ")} guest class ${one.id}`.toLowerCase()),
      describe: (i) => [`Guest class ${guests[i].id}`, listOf(examples.get(guests[i].id)).slice(0, 4).map(shortName).join(", ") || nameOfGuest(guests[i]), plural(count(guests[i]), "guest")] },
    label: "From each class of guests, a row, to each class of hosts, a column.", hint: "A row is a class of equal guests, a column a class of equal hosts.", moved: () => "",
  };
}

const classPlace = (one) => [`Class ${one.id}`, hostList(one), one.kernel ?? ""];

const shortName = (name) => String(name).split("/").pop().replace(/\.json(?=$|@)/, "");
const classTitle = (one) => `${listOf(one.hosts).slice(0, 1).map(shortName)}${one.hosts?.length > 1 ? ` + ${one.hosts.length - 1}` : ""}`;

function poolSection(answer, page, id) {
  const classes = listOf(answer.classes);
  const hosts = classes.reduce((sum, one) => sum + listOf(one.hosts).length, 0);
  const captures = listOf(answer.captures);
  return h("div", { class: "stack" },
    facts(["Hosts", hosts], ["Classes of equal hosts", classes.length], ["Captures", captures.length || ""], ["Every host can give", answer.common ? `XCR0 ${answer.common.xcr0}` : ""], ["Pinned to one class", listOf(answer.pinned).length || ""]),
    h("h3", null, "From class to class of hosts"), heatMap(moveMap(answer), page, `${id}-hosts`),
    listOf(answer.guests).length > 0 ? [h("h3", null, "Guests on classes of hosts"), heatMap(guestMap(answer), page, `${id}-guests`)] : null,
    classTable(classes, page),
    captures.length > 0 ? later(["Captures ", h("span", { class: "soft" }, plural(captures.length, "file"))], () => captureTable(answer)) : null,
    listOf(answer.pinned).length > 0 ? later(["Guests that one class alone takes ", h("span", { class: "soft" }, answer.pinned.length)], () => pinnedTable(answer, page)) : null,
    listOf(answer.costs).length > 0 ? later(["What single classes cost all others ", h("span", { class: "soft" }, answer.costs.length)], () => costTable(answer)) : null,
    listOf(answer.changes).length > 0 ? later(["Changes that were tried ", h("span", { class: "soft" }, answer.changes.length)], () => changeTable(answer)) : null,
    listOf(answer.upgrades).map((one) => upgrade(one, page)));
}

function heatMap(given, page, id) {
  const { outcomes, rows, from, to } = given;
  if (given.omitted) {
    return h("p", { class: "soft" }, `The matrix of ${given.omitted.toLocaleString("en")} classes is not drawn; it is in the JSON answer.`);
  }
  const counts = new Map();
  for (const row of rows) {
    for (const cell of row) {
      counts.set(outcomes[cell]?.verdict, (counts.get(outcomes[cell]?.verdict) ?? 0) + 1);
    }
  }
  const all = (side) => given[side].names.map((_, i) => i);
  const state = { row: 0, column: 0, from: all("from"), to: all("to"), verdicts: new Set(ORDER), rule: "" };
  // Cells are drawn when the filter or the width changes; a step of the cursor copies them.
  const cells = document.createElement("canvas");
  const canvas = h("canvas", { tabindex: "0", role: "application", "aria-roledescription": "heat map", "aria-label": `${given.label} Arrow keys move, Home and End go to the ends of a row.`, id });
  const detail = h("div", { class: "panel cell", role: "status", "aria-live": "polite" });
  const map = h("div", { class: "map" }, canvas);
  const filters = h("fieldset", null, h("legend", null, "Show"), ORDER.filter((verdict) => counts.get(verdict) > 0).map((verdict) =>
    h("label", null, h("input", { type: "checkbox", checked: true, change: (event) => { state.verdicts[event.target.checked ? "add" : "delete"](verdict); draw(); } }), chip(verdict, `${verdict}${GLYPHS[verdict] ? ` ${GLYPHS[verdict]}` : ""}`), h("span", { class: "soft" }, counts.get(verdict).toLocaleString("en")))));
  const reasons = [...new Set(outcomes.flatMap((one) => listOf(one.why)))].sort();
  const rule = h("select", { change: () => { state.rule = rule.value; draw(); } }, h("option", { value: "" }, "any reason"), reasons.map((one) => h("option", { value: one }, one)));
  const search = (name, side) => h("label", null, name, h("input", { type: "search", placeholder: side === "to" ? "host or kernel" : "name", input: (event) => { narrow(side, event.target.value); } }));
  const narrow = (side, text) => {
    const wanted = text.trim().toLowerCase();
    state[side] = all(side).filter((i) => given[side].texts[i].includes(wanted));
    state.row = Math.min(state.row, Math.max(0, state.from.length - 1));
    state.column = Math.min(state.column, Math.max(0, state.to.length - 1));
    draw();
    tell();
  };

  let size = 8;
  let margin = 0;
  let top = 0;
  let colors;
  const readColors = () => {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    colors = { ink: {}, back: {}, line: read("--ink"), soft: read("--soft"), gap: read("--panel"), void: read("--void") };
    for (const verdict of ORDER) {
      colors.ink[verdict] = read(`--${verdict}`);
      colors.back[verdict] = read(`--${verdict}-back`);
    }
    // Pale in the chips, the verdicts have to be told apart at three pixels too.
    const strong = { same: read("--same-back"), repairable: read("--repairable"), differs: read("--event"), refused: read("--dropped"), dangerous: read("--ink"), unknown: read("--unknown") };
    colors.small = strong;
  };
  const outcomeAt = (row, column) => outcomes[rows[state.from[row]]?.[state.to[column]]];
  const isShown = (outcome) => outcome && state.verdicts.has(outcome.verdict) && (!state.rule || listOf(outcome.why).includes(state.rule));

  function draw() {
    const width = map.clientWidth || 600;
    const columns = Math.max(1, state.to.length);
    margin = columns <= 40 && state.from.length <= 60 ? Math.min(150, width * 0.3) : 0;
    top = margin;
    size = Math.max(3, Math.min(30, Math.floor((width - margin) / columns)));
    const scale = window.devicePixelRatio || 1;
    const [w, tall] = [margin + columns * size, top + Math.max(1, state.from.length) * size];
    canvas.width = cells.width = w * scale;
    canvas.height = cells.height = tall * scale;
    canvas.style.width = `${w}px`;
    canvas.style.height = `${tall}px`;
    const pen = cells.getContext("2d", { alpha: false });
    pen.scale(scale, scale);
    pen.fillStyle = colors.gap;
    pen.fillRect(0, 0, w, tall);
    const gap = size >= 8 ? 1 : 0;
    const large = size >= 15;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colors.soft;
    for (let column = 0; margin && size >= 12 && column < state.to.length; column++) {
      pen.save();
      pen.translate(margin + column * size + size / 2, top - 6);
      pen.rotate(-Math.PI / 2);
      pen.fillText(clean(to.names[state.to[column]]), 0, 0, top - 8);
      pen.restore();
    }
    for (let row = 0; row < state.from.length; row++) {
      const numbers = rows[state.from[row]];
      if (margin) {
        pen.textAlign = "left";
        pen.font = "11px system-ui, sans-serif";
        pen.fillStyle = colors.soft;
        pen.fillText(clean(from.names[state.from[row]]), 0, top + row * size + size / 2, margin - 8);
      }
      // Cells of one outcome side by side are one rectangle where nothing is written in them.
      for (let column = 0; column < columns;) {
        const number = numbers[state.to[column]];
        const outcome = outcomes[number];
        let end = column + 1;
        while (gap === 0 && end < columns && numbers[state.to[end]] === number) {
          end++;
        }
        const shown = isShown(outcome);
        pen.fillStyle = shown ? (large ? colors.back : colors.small)[outcome.verdict] : colors.void;
        pen.fillRect(margin + column * size, top + row * size, (end - column) * size - gap, size - gap);
        if (large && shown && GLYPHS[outcome.verdict]) {
          pen.textAlign = "center";
          pen.font = "600 12px system-ui, sans-serif";
          pen.fillStyle = colors.ink[outcome.verdict];
          pen.fillText(GLYPHS[outcome.verdict], margin + column * size + size / 2, top + row * size + size / 2);
        }
        column = end;
      }
    }
    mark();
  }

  function mark() {
    const pen = canvas.getContext("2d", { alpha: false });
    const scale = window.devicePixelRatio || 1;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(cells, 0, 0);
    if (state.from.length > 0 && state.to.length > 0) {
      pen.scale(scale, scale);
      pen.strokeStyle = colors.line;
      pen.lineWidth = 2;
      pen.strokeRect(margin + state.column * size + 0.5, top + state.row * size + 0.5, Math.max(4, size - 1), Math.max(4, size - 1));
    }
  }

  function tell() {
    const outcome = outcomeAt(state.row, state.column);
    if (!outcome) {
      replace(detail, h("p", { class: "soft" }, "Nothing fits the filter."));
      return;
    }
    const place = (name, side, index) => {
      const [title, who, more] = given[side].describe(state[side][index]);
      return h("div", null, h("dt", null, `${name}: ${title}`), h("dd", null, foreign(who), h("br"), h("span", { class: "soft" }, foreign(more))));
    };
    replace(detail, h("p", null, outcome.verdict ? chip(outcome.verdict) : h("span", { class: "soft" }, "The answer says nothing of it."), " ", h("span", { class: "soft" }, outcome.verdict ? given.moved(outcome) : "")),
      h("dl", { class: "facts" }, place("From", "from", state.row), place("To", "to", state.column)),
      listOf(outcome.why).length > 0 ? h("ul", { class: "findings" }, outcome.why.map((why) => h("li", null, idLink(why, page), h("div", { class: "message" }, page.rules[why]?.title ?? page.differences[why]?.effect ?? ""))))
        : h("p", { class: "soft" }, outcome.verdict === "same" ? "Nothing stands in the way." : ""));
  }

  const move = (row, column) => {
    state.row = Math.max(0, Math.min(state.from.length - 1, row));
    state.column = Math.max(0, Math.min(state.to.length - 1, column));
    mark();
    tell();
  };
  canvas.addEventListener("click", (event) => move(Math.floor((event.offsetY - top) / size), Math.floor((event.offsetX - margin) / size)));
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0], Home: [0, -1e9], End: [0, 1e9] };
    if (steps[event.key]) {
      event.preventDefault();
      move(state.row + steps[event.key][0], state.column + steps[event.key][1]);
      canvas.scrollIntoView({ block: "nearest" });
    }
  });
  readColors();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); draw(); });
  new ResizeObserver(() => draw()).observe(map);
  tell();
  return h("div", null,
    h("div", { class: "controls" }, filters, reasons.length > 0 ? h("label", null, "Reason", rule) : null, search("From", "from"), search("To", "to")),
    h("div", { class: "heat" }, h("div", { class: "panel" }, map, h("p", { class: "soft" }, `${given.hint} Click a cell, or move with the arrow keys.`)), detail));
}

function hostList(one) {
  const names = listOf(one.hosts).map(shortName);
  return names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", ");
}

function classTable(classes, page) {
  return later(["Classes of hosts ", h("span", { class: "soft" }, classes.length)], () => table(["class", "hosts", "kernel", "XCR0 that it gives"],
    classes.map((one) => [String(one.id), hostList(one), one.kernel ?? "", h("code", null, one.common?.upper ? `${one.common.xcr0} to ${one.common.upper.xcr0}` : one.common?.xcr0 ?? "")])));
}

const MAX_ROWS = 2000;

function captureTable(answer) {
  const shown = answer.captures.slice(0, MAX_ROWS);
  const guests = new Map(listOf(answer.guests).map((guest) => [guest.id, guest]));
  return h("div", null, table(["capture", "guest class", "home", "verdicts by class"], shown.map((one) => one.error ? [one.file, chip("error", "unread"), "", foreign(one.error.message ?? "")]
    : [one.file, String(one.class), one.home === undefined ? "" : String(one.home), tally(guests.get(one.class)?.verdicts)])),
  answer.captures.length > MAX_ROWS ? h("p", { class: "soft" }, `${answer.captures.length - MAX_ROWS} more are in the JSON answer.`) : null);
}

function tally(verdicts) {
  const count = (index) => [...String(verdicts ?? "")].filter((digit) => digit === String(index)).length;
  return h("span", null, ORDER.map((verdict, index) => [verdict, count(index)]).filter(([, count]) => count > 0).map(([verdict, count]) => [chip(verdict, `${count} ${verdict}`), " "]));
}

function pinnedTable(answer, page) {
  return table(["guest class", "home", "guests", "held by"], answer.pinned.slice(0, MAX_ROWS).map((one) => [String(one.guest), String(one.home ?? ""), `${one.count}${one.certain ? "" : ", perhaps"}`,
    h("span", null, foreign([one.by?.components && one.by.components !== "0x0" ? `components ${one.by.components}` : "", ...listOf(one.by?.features)].filter(Boolean).join(", ")), " ", idLinks([...listOf(one.by?.differences), ...listOf(one.by?.rules)], page))]));
}

function costTable(answer) {
  return table(["class", "without it all can give", "features"], answer.costs.map((one) => [`${one.class}: ${hostList(one)}${one.certain ? "" : ", perhaps"}`, h("code", null, `XCR0 ${one.xcr0}`), listOf(one.features).join(" ")]));
}

function changeTable(answer) {
  return table(["change", "class", "hosts touched", "guests freed", "with"], answer.changes.map((one) => [one.change, String(one.class), String(one.touches), one.mayFree > one.frees ? `${one.frees} to ${one.mayFree}` : String(one.frees), one.kernel ?? (one.xcr0 ? `XCR0 without ${one.xcr0}` : "")]));
}

function upgrade(plan) {
  return h("div", { class: "panel stack" }, h("h3", null, "Order of upgrades to ", foreign(plan.to)), facts(["Answer", plan.answer], ["Exact", plan.exact ? "yes" : "no"], ["Guests pinned before", plan.pinnedBefore]),
    h("ol", null, listOf(plan.steps).map((step) => h("li", null, `class ${step.class}: `, foreign(hostList(step))))));
}
