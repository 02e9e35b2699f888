"use strict";
/* One answer of the command each: what it is called, and how it is shown. What has no drawing of its own is shown field by field, so that nothing of an answer is hidden. */

const HEAD = new Set(["schemaVersion", "verb", "file"]);
const MAX_ITEMS = 500;

/** Any value of JSON: objects as lists of names, equal objects side by side as a table. */
function tree(value, depth = 0) {
  if (Array.isArray(value)) {
    if (value.length === 0) {
      return h("span", { class: "soft" }, "none");
    }
    const rest = value.length > MAX_ITEMS ? h("p", { class: "soft" }, `${value.length - MAX_ITEMS} more are in the JSON answer.`) : null;
    const items = value.slice(0, MAX_ITEMS);
    if (items.every((one) => one === null || typeof one !== "object")) {
      return h("span", { class: "mono" }, foreign(items.join(", ")), rest);
    }
    const keys = [...new Set(items.flatMap((one) => entriesOf(one).map(([key]) => key)))];
    const isTable = keys.length > 0 && keys.length <= 7 && items.every((one) => entriesOf(one).length > 0 && entriesOf(one).every(([, field]) => field === null || typeof field !== "object"));
    return h("div", null, isTable ? table(keys, items.map((one) => keys.map((key) => (one[key] === undefined ? "" : String(one[key])))))
      : h("ol", null, items.map((one) => h("li", null, tree(one, depth + 1)))), rest);
  }
  if (value !== null && typeof value === "object") {
    return h("dl", { class: "tree" }, entriesOf(value).map(([name, field]) => {
      const isLarge = field !== null && typeof field === "object" && JSON.stringify(field).length > 400;
      return h("div", null, h("dt", null, name), h("dd", null, isLarge && depth < 40 ? later(h("span", { class: "soft" }, Array.isArray(field) ? plural(field.length, "item") : plural(entriesOf(field).length, "field")), () => tree(field, depth + 1)) : tree(field, depth + 1)));
    }));
  }
  return h("span", { class: "mono" }, foreign(String(value)));
}

/** The fields of an answer that its drawing did not show. */
function others(answer, shown) {
  const rest = Object.fromEntries(entriesOf(answer).filter(([name]) => !HEAD.has(name) && !shown.includes(name)));
  return Object.keys(rest).length > 0 ? h("div", { class: "panel" }, tree(rest)) : null;
}

function showSection(answer, context, page) {
  const states = statesOf(answer);
  const findings = listOf(answer.findings);
  const head = [
    facts(["Format", answer.format], ["From", answer.source], [listOf(answer.threads).length > 0 ? "Threads" : "Virtual CPUs", states.length || ""]),
    answer.note ? h("p", { class: "soft" }, foreign(answer.note)) : null,
    findings.length > 0 ? findingList(bySeverity(findings), page, listOf(answer.threads).length > 0 ? "thread" : "vCPU") : null,
  ];
  if (states.length === 0) {
    return h("div", { class: "stack" }, head, processors(answer), others(answer, ["format", "source", "note", "findings", "processors", "processor"]));
  }
  const box = h("div", { class: "stack" });
  const render = (index) => replace(box, stateView(states[index], context.guest?.[index], page));
  const choice = h("select", { change: () => render(Number(choice.value)) }, states.map((state, index) => h("option", { value: index }, nameOfState(state))));
  render(0);
  return h("div", { class: "stack" }, head, states.length > 1 ? h("div", { class: "controls" }, h("label", null, "State of", choice)) : null, box);
}

function stateView(state, guest, page) {
  return [
    h("div", { class: "panel" }, drawArea(nameOfState(state), state)),
    facts(["XSTATE_BV", state.xstateBv], ["XCOMP_BV", state.xcompBv], ["XCR0", state.xcr0], ["IA32_XSS", state.xss], ["IA32_XFD", state.xfd], ["Guest's CPUID offers", guest],
      ["Layout", state.layout ? `${state.layout.source}: ${state.layout.detail}` : ""], ["Signal stack", state.signalStack?.enabled ? `${state.signalStack.size} bytes, a frame needs ${state.signalStack.needed}` : ""]),
    later("Components", () => componentTable(state), { open: true }),
    h("div", { class: "panel" }, h("h3", null, "Registers"), registerPanel(state, page) ?? h("p", { class: "soft" }, "The answer has no registers.")),
  ];
}

/** Processors of CPUID dumps and host records: what the layout of their areas is. */
function processors(answer) {
  const found = listOf(answer.processors).length > 0 ? answer.processors : answer.processor ? [{ label: answer.host ?? "", processor: answer.processor }] : [];
  return found.slice(0, 16).map(({ label, processor }) => {
    const components = listOf(processor.components).filter((one) => !one.supervisor);
    const legacy = [{ component: "x87", bit: 0, offset: 0, size: 160, state: "in-use" }, { component: "sse", bit: 1, offset: 160, size: 256, state: "in-use" }];
    const state = { layout: { size: processor.standardSize }, xcompBv: "0x0", components: [...legacy, ...components.filter((one) => one.bit > 1).map((one) => ({ ...one, state: "in-use" }))] };
    return h("div", { class: "panel stack" }, h("h3", null, foreign(label || processor.vendor || "processor")),
      facts(["Vendor", processor.vendor], ["Family, model, stepping", [processor.family, processor.model, processor.stepping].join(", ")], ["User components", processor.userComponents], ["Supervisor components", processor.supervisorComponents]),
      drawArea("Standard area", state), later("Fields", () => tree(processor)));
  });
}

function verdictChange(answer) {
  return answer.before ? h("p", null, chip(answer.before), " → ", chip(answer.after ?? "unknown", answer.after ?? "not repaired")) : null;
}

function changeSection(answer, page) {
  const repairs = [...listOf(answer.repairs), ...listOf(answer.changes)];
  return h("div", { class: "stack" }, verdictChange(answer),
    facts(["Host", answer.host], ["Kernel", answer.kernel ? kernelText(answer) : ""], ["From", answer.from], ["To", answer.to], ["Format", answer.format], ["Written to", answer.output], ["Undo file", answer.undo], ["Bytes", answer.length]),
    repairs.length > 0 ? [h("h3", null, "Changes"), repairs[0].leaf ? table(["CPUID register", "before", "after"], repairs.map((one) => [one.leaf, one.before, one.after])) : repairList(repairs)] : null,
    listOf(answer.findings).length > 0 ? [h("h3", null, "Findings"), findingList(bySeverity(answer.findings), page)] : null,
    others(answer, ["host", "kernel", "kernelRead", "from", "to", "format", "output", "undo", "length", "before", "after", "repairs", "changes", "findings"]));
}

function diffSection(answer, page) {
  return h("div", { class: "stack" }, listOf(answer.differences).length > 0 ? differenceTable(answer.differences) : null,
    listOf(answer.findings).length > 0 ? findingList(bySeverity(answer.findings), page) : null, others(answer, ["differences", "findings"]));
}

function lintSection(answer, page) {
  return h("div", { class: "stack" }, listOf(answer.findings).length > 0 ? findingList(bySeverity(answer.findings), page) : h("p", null, chip("same", "consistent"), " Nothing contradicts itself."), others(answer, ["findings"]));
}

function rulesSection(answer, page) {
  const behaviors = listOf(answer.behaviors);
  return h("div", { class: "stack" }, answer.kernel ? facts(["Kernel", kernelText(answer)]) : null,
    listOf(answer.symptoms).length > 0 ? table(["message", "printed by", "rules", "find out"], answer.symptoms.map((one) => [foreign(one.text ?? ""), one.printedBy, h("span", null, idLinks(one.rules, page)), h("span", { class: "command" }, one.findOut ?? "")])) : null,
    listOf(answer.rules).length > 0 ? table(["rule", "severity", "title"], answer.rules.map((one) => [idLink(one.rule, page), chip(one.severity), one.title])) : null,
    behaviors.length > 0 ? table(["behaviour", "on this kernel", "effect", "kernels"], behaviors.map((one) => [idLink(one.behavior, page), one.knowledge ? h("span", { class: `know ${one.knowledge}`, title: one.why }, one.knowledge) : "", one.effect, one.affected])) : null);
}

/** How an answer of each verb is shown. */
const SECTIONS = {
  show: showSection, host: showSection,
  pool: (answer, context, page) => poolSection(answer, page, context.id),
  explore: (answer, context, page) => traceSection(answer, page),
  fix: (answer, context, page) => changeSection(answer, page), convert: (answer, context, page) => changeSection(answer, page),
  set: (answer, context, page) => changeSection(answer, page), "make-cpuid": (answer, context, page) => changeSection(answer, page),
  diff: (answer, context, page) => diffSection(answer, page), lint: (answer, context, page) => lintSection(answer, page), rules: (answer, context, page) => rulesSection(answer, page),
};
const TITLES = {
  show: "What is in it", check: "Where it can go", fix: "The repair", convert: "The conversion", set: "Registers that were set", diff: "What differs", lint: "Is its CPUID consistent?", "make-cpuid": "The CPUID that was made",
  pool: "The pool", host: "The host", run: "Answers of scenarios", explore: "A world switch", conform: "Model against kernel", rules: "Rules", vmms: "What VMMs do",
};

function sectionOf(answer, context, page) {
  return Object.hasOwn(SECTIONS, answer.verb) ? SECTIONS[answer.verb](answer, context, page) : h("div", { class: "panel" }, tree(Object.fromEntries(entriesOf(answer).filter(([name]) => !HEAD.has(name)))));
}
