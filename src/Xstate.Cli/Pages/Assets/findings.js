"use strict";
/* Findings, verdicts, what they hang on, and the rules behind them. */

/** A rule's or a difference's id, which leads to its explanation on this page where there is one. */
function idLink(id, page) {
  const known = Object.hasOwn(page.rules, id) || Object.hasOwn(page.differences, id);
  return known ? h("a", { class: "rule", href: `#${id}` }, id) : h("span", { class: "rule" }, id);
}

function idLinks(ids, page) {
  return listOf(ids).map((id, index) => [index > 0 ? ", " : "", idLink(id, page)]);
}

function whereOf(where, unit) {
  const parts = [
    Number.isInteger(where?.vcpu) ? `${unit} ${where.vcpu}` : "", Number.isInteger(where?.offset) ? `byte ${where.offset}` : "", where?.leaf ? `CPUID ${where.leaf}` : "", where?.register ?? "",
  ];
  return parts.filter(Boolean).join(", ");
}

function findingList(findings, page, unit = "vCPU") {
  return h("ul", { class: "findings" }, listOf(findings).map((one) => {
    const evidence = [whereOf(one.where, unit), one.found ? `found ${one.found}` : "", one.expected ? `expected ${one.expected}` : "", one.since ? `kernels: ${one.since}` : ""].filter(Boolean).join(" · ");
    return h("li", null, h("div", null, chip(one.severity)),
      h("div", null, h("div", { class: "message" }, foreign(one.message ?? ""), " ", idLink(one.rule ?? "", page)),
        evidence ? h("p", { class: "more" }, foreign(evidence)) : null, one.mend ? h("p", { class: "more" }, h("strong", null, "What to do: "), foreign(one.mend)) : null));
  }));
}

const SEVERITIES = ["error", "warning", "info"];
const bySeverity = (findings) => [...listOf(findings)].sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));

/** A fact that is not known: what each value would give, and the command that finds it out. */
function dependency(one, page) {
  return h("div", { class: "stack" },
    h("p", null, h("strong", null, one.fact), one.id ? [" ", idLink(one.id, page)] : null, ": ", foreign(one.why ?? "")),
    listOf(one.outcomes).length === 0 ? null : h("dl", { class: "outcomes" }, listOf(one.outcomes).map((outcome) => [h("dt", null, outcome.value), h("dd", null, chip(outcome.verdict), " ",
      foreign([outcome.call, outcome.errno].filter(Boolean).join(" answers ")), " ", idLinks(outcome.rules, page))])),
    h("p", null, "Find out: ", h("span", { class: "command" }, one.findOut ?? "")));
}

/** How sure the reading of a kernel's name is. */
function kernelText(target) {
  const read = target.kernelRead;
  if (!read || read.confidence === "named") {
    return target.kernel ?? "";
  }
  const from = read.family && read.family !== "none" ? `${read.family}, ` : "";
  return `${target.kernel} (${from}${read.base}${read.backports ? " with backports" : ""}, ${read.confidence})`;
}

function repairList(repairs, unit = "vCPU") {
  return h("ul", null, listOf(repairs).map((one) => h("li", null, one.losesState ? [chip("error", "loses state"), " "] : null, h("strong", null, one.kind), ": ", foreign(one.message ?? ""),
    h("span", { class: "soft" }, ` (${unit} ${one.vcpu}${Number.isInteger(one.offset) ? `, byte ${one.offset}` : ""})`))));
}

/** Two values of a register, bytes that differ marked. */
function pairOfValues(before, after) {
  if (typeof before !== "string" || typeof after !== "string" || before.length !== after.length || before.startsWith("0x") || !isBytes(before)) {
    return [h("code", null, before ?? ""), h("code", { class: "changed" }, after ?? "")];
  }
  return [[before, null], [after, "changed"]].map(([text, style]) => h("code", { class: "bytes" }, text.match(/.{1,16}/g).map((group, index) => h("span", null,
    group.match(/../g).map((byte, at) => (style && byte !== before.match(/../g)[index * 8 + at] ? h("b", { class: style }, byte) : byte))))));
}

const FEW = 8;

function differenceTable(differences, unit = "vCPU") {
  const row = (one) => [String(one.vcpu ?? one.tid ?? one.state ?? ""), h("code", null, one.register ?? ""), ...pairOfValues(one.before, one.after)];
  const heads = [unit, "register", "before", "after"];
  const rest = listOf(differences).slice(FEW);
  return h("div", null, table(heads, listOf(differences).slice(0, FEW).map(row)), rest.length > 0 ? later(`${plural(rest.length, "more register")}`, () => table(heads, rest.map(row))) : null);
}

/** What becomes of a file on one host. */
function targetCard(target, context, page) {
  if (target.error) {
    return h("details", { class: "panel target", id: context.id, open: true }, h("summary", null, chip("error", "unread"), h("span", { class: "host" }, foreign(target.argument ?? ""))), h("p", null, foreign(target.error.message ?? "")));
  }
  const refused = target.call ? `${target.call}${target.errno ? ` answers ${target.errno}` : ""}` : "";
  const summary = [chip(target.verdict), h("span", { class: "host" }, foreign(target.argument ?? target.host ?? "")), h("span", { class: "soft" }, foreign(kernelText(target)), refused ? [" · ", foreign(refused)] : null)];
  const unit = /^criu/.test(target.vmm ?? "") ? "thread" : "vCPU";
  const make = () => h("div", { class: "stack" },
    facts(["Host", target.host], ["Kernel", kernelText(target)], ["Restored by", target.vmm], ["Looked at", listOf(target.scope).join(", ")], ["Recorded", target.recorded], ["Proof", target.proof ? `${target.proof.result}: ${target.proof.detail}` : ""]),
    target.kernelRead?.remark ? h("p", { class: "soft" }, foreign(target.kernelRead.remark)) : null,
    listOf(target.findings).length > 0 ? findingList(bySeverity(target.findings), page, unit) : h("p", { class: "soft" }, "No findings."),
    listOf(target.dependsOn).length > 0 ? [h("h4", null, "What the verdict depends on"), target.dependsOn.map((one) => dependency(one, page))] : null,
    listOf(target.differences).length > 0 ? [h("h4", null, "Registers that the guest would find changed"), differenceTable(target.differences, unit)] : null,
    listOf(target.repairs).length > 0 ? [h("h4", null, "Repairs"), repairList(target.repairs, unit)] : null,
    context.repaired ? [h("h4", null, "The area before and after the repair"), pairsOf(context.state, context.repaired)] : null);
  return later(summary, make, { class: "panel target", id: context.id, open: context.open });
}

const statesOf = (answer) => listOf(answer?.vcpus).length > 0 ? answer.vcpus : listOf(answer?.threads);
const nameOfState = (state) => (Number.isInteger(state.tid) ? `thread ${state.tid}` : `vCPU ${state.vcpu}`);

function pairsOf(before, after) {
  const afterStates = statesOf(after);
  return statesOf(before).slice(0, 4).map((state, index) => afterStates[index] ? drawPair(state, afterStates[index], [`${nameOfState(state)}, before`, `${nameOfState(state)}, after`]) : null);
}

/** Explanations of every rule and difference that this page mentions. */
function explanations(page) {
  const paragraphs = (...pairs) => pairs.filter(([, text]) => text).map(([name, text]) => h("p", null, name ? h("strong", null, `${name} `) : null, foreign(text)));
  const related = (name, ids) => (listOf(ids).length > 0 ? h("p", null, h("strong", null, `${name} `), idLinks(ids, page)) : null);
  return h("div", { class: "stack" },
    Object.entries(page.rules).map(([id, rule]) => h("article", { class: "panel explanation", id }, h("h3", null, h("code", null, id), rule.title, " ", chip(rule.severity)),
      paragraphs(["", rule.explanation], ["What to do.", rule.mend], ["Source.", rule.source]), related("Decided by", rule.decidedBy))),
    Object.entries(page.differences).map(([id, one]) => h("article", { class: "panel explanation", id }, h("h3", null, h("code", null, id), `Kernels: ${one.affected}`),
      paragraphs(["", one.effect], ["How to find out.", one.probe], ["Source.", one.source]), related("Decides", one.decides))));
}
