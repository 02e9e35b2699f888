"use strict";
/* What an exploration of a world switch found: each shortest sequence as a life line between the worlds of each processor. */

const WORLDS = [["host user", "user"], ["host kernel", "kernel"], ["guest", "guest"], ["other task", "task"]];
const LANE = 22;

function traceSection(answer, page) {
  if (Array.isArray(answer.protocols)) {
    return table(["protocol", "kind", "what it is"], answer.protocols.map((one) => [h("code", null, one.protocol), one.kind, one.summary]));
  }
  const violations = listOf(answer.violations);
  return h("div", { class: "stack" },
    page.protocols[answer.protocol] ? h("p", null, page.protocols[answer.protocol]) : null,
    facts(["Protocol", answer.protocol], ["Kind", answer.kind], ["vCPUs", answer.vcpus], ["Processors", answer.cpus], ["Events", answer.events], ["States", Number(answer.states ?? 0).toLocaleString("en")], ["Complete", answer.complete ? "yes" : "no, it stopped at a bound"]),
    invariantTable(answer, page),
    violations.map((one) => sequence(one, page)));
}

function invariantTable(answer, page) {
  const found = new Map(listOf(answer.violations).map((one) => [one.invariant, listOf(one.trace).length]));
  const ids = [...new Set([...Object.keys(page.invariants), ...found.keys()])];
  return h("ul", { class: "findings invariants" }, ids.map((id) => h("li", null, h("div", null, found.has(id) ? chip("refused", `violated in ${plural(found.get(id), "step")}`) : answer.complete ? chip("same", "holds") : chip("unknown", "not violated so far")),
    h("div", null, h("code", null, id), h("p", { class: "more" }, page.invariants[id]?.statement ?? "")))));
}

function sequence(violation, page) {
  const trace = listOf(violation.trace);
  const cpus = [...new Set(trace.map((step) => step.cpu))].sort((a, b) => a - b);
  const vcpus = new Set(trace.map((step) => step.vcpu)).size;
  const worlds = WORLDS.filter(([name]) => trace.some((step) => step.world === name));
  const lanes = cpus.flatMap((cpu) => worlds.map(([name, style]) => ({ cpu, name, style })));
  const laneOf = (step) => lanes.findIndex((lane) => lane.cpu === step.cpu && lane.name === step.world);
  const x = (lane) => lane * LANE + LANE / 2 + Math.floor(lane / Math.max(1, worlds.length)) * 8;
  const width = x(lanes.length - 1) + LANE / 2;
  const last = new Map();
  const list = h("ol", { class: "trace" }, trace.map((step, index) => {
    const lane = laneOf(step);
    const style = lanes[lane]?.style ?? "task";
    const isEvent = String(step.actor).startsWith("cpu");
    const isLast = index === trace.length - 1;
    const drawing = s("svg", { "aria-hidden": "true", focusable: "false" }, lanes.map((_, i) => s("line", { class: "rail", x1: x(i), x2: x(i), y1: 0, y2: "100%" })));
    for (const [cpu, before] of last) {
      if (cpu !== step.cpu) {
        drawing.append(s("line", { class: `life w-${lanes[before].style}`, x1: x(before), x2: x(before), y1: 0, y2: "100%", "stroke-opacity": ".35" }));
      }
    }
    const before = last.get(step.cpu);
    if (before !== undefined && before !== lane) {
      drawing.append(s("line", { class: `life w-${style}`, x1: x(before), x2: x(lane), y1: 0, y2: 0 }));
    }
    drawing.append(s("line", { class: `life w-${style}`, x1: x(lane), x2: x(lane), y1: 0, y2: isLast ? "50%" : "100%" }));
    drawing.append(isEvent ? s("svg", { x: x(lane) - 7, y: "50%", overflow: "visible" }, s("path", { class: "bolt", d: "M7 -8 L14 0 L7 8 L0 0 Z" })) : s("circle", { class: `dot w-${style}`, cx: x(lane), cy: "50%", r: 4 }));
    last.set(step.cpu, lane);
    const name = `${step.world}${cpus.length > 1 ? `, CPU ${step.cpu}` : ""}${vcpus > 1 ? `, vCPU ${step.vcpu}` : ""}`;
    return h("li", { class: [isLast ? "bad" : "", isEvent ? "event" : "", step.note ? "changes" : "idle"].filter(Boolean).join(" ") },
      h("span", { class: "n" }, index + 1), h("span", { class: "lane" }, drawing, h("span", { class: "visually-hidden" }, `${isEvent ? "event, " : ""}${name}:`)),
      h("span", { class: "what" }, h("code", null, step.step), vcpus > 1 ? h("span", { class: "soft" }, ` vCPU ${step.vcpu}`) : null, step.note ? h("span", { class: "note" }, step.note) : null));
  }));
  list.style.setProperty("--lanes", `${width}px`);
  const legend = h("ul", { class: "legend" }, worlds.map(([name, style]) => h("li", null, h("span", { class: `swatch ${style}` }), name)), h("li", null, h("span", { class: "event" }, "◆"), "event"),
    cpus.length > 1 ? h("li", null, `lanes from left to right: ${cpus.map((cpu) => `CPU ${cpu}`).join(", ")}`) : null);
  const info = page.invariants[violation.invariant];
  return h("article", { class: "panel" }, h("h3", null, h("code", null, violation.invariant ?? "")),
    h("p", null, `A shortest sequence after which ${info?.violated ?? "it is violated"}.`), legend, list);
}
