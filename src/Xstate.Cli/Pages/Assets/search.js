"use strict";
/* The search of the site: over a list that lies beside it as a script, so that it works from a disk too. */

const MAX_RESULTS = 40;
const ORDER = ["How-to", "Symptom", "Rule", "Kernel difference", "Component", "Command", "Format", "Tutorial", "Guide", "Kernel"];

/* A page that says what to do about a message comes before the rules behind it. */
const MESSAGES = { "How-to": 60, Symptom: 50 };

const wordsOf = (text) => text.toLowerCase().match(/[a-z0-9_]+(?:[-.][a-z0-9_]+)*/g) ?? [];

const PAGES = SITE_PAGES.map((page) => ({ ...page, titleWords: wordsOf(page.title), bodyWords: page.words.split(" "), phrases: (page.phrases ?? []).map((phrase) => wordsOf(phrase)), summaryWords: wordsOf(page.summary) }));

/** A whole line of a log has numbers and names around a known message; a user may type a part of the message too. */
function meetsPhrase(page, asked) {
  const set = new Set(asked);
  return page.phrases.some((words) => (asked.length > 1 && asked.every((one) => words.includes(one))) || (words.length > 1 && words.every((word) => set.has(word))));
}

/** How well a word fits a page; 0 where it is not there. The last word may be half typed. */
function weightOf(page, word, isLast) {
  const begins = (one) => one.startsWith(word);
  if (page.titleWords.includes(word)) return 12;
  if (isLast && page.titleWords.some(begins)) return 8;
  if (page.summaryWords.includes(word) || page.phrases.some((words) => words.includes(word))) return 4;
  if (page.bodyWords.includes(word)) return 2;
  return isLast && word.length > 1 && (page.bodyWords.some(begins) || page.summaryWords.some(begins)) ? 1 : 0;
}

/** Pages with all words or with a message; where there are none, those with some of the words. */
function find(query) {
  const asked = [...new Set(wordsOf(query))];
  if (asked.length === 0) {
    return { asked, found: [], isPartial: false };
  }
  const rated = PAGES.map((page) => {
    const weights = asked.map((word, i) => weightOf(page, word, i === asked.length - 1));
    const has = weights.filter((weight) => weight > 0).length;
    const isMessage = meetsPhrase(page, asked);
    const inTitle = asked.filter((word) => page.titleWords.includes(word)).length / page.titleWords.length;
    const bonus = (isMessage ? 100 + (MESSAGES[page.kind] ?? 0) : 0) + 10 * inTitle + (page.titleWords.slice(0, asked.length).join(" ") === asked.join(" ") ? 60 : 0);
    return { page, has, isMessage, score: weights.reduce((sum, weight) => sum + weight, 0) / asked.length + bonus - ORDER.indexOf(page.kind) / 10 };
  });
  const best = rated.filter((one) => one.isMessage || one.has === asked.length);
  const found = best.length > 0 ? best : rated.filter((one) => one.has > 0).sort((a, b) => b.has - a.has).filter((one, _, all) => one.has === all[0].has);
  return { asked, found: found.sort((a, b) => b.score - a.score).map((one) => one.page), isPartial: best.length === 0 };
}

/** Text with the asked words marked. */
function marked(text, asked) {
  const parts = text.split(/([A-Za-z0-9_]+(?:[-.][A-Za-z0-9_]+)*)/);
  return parts.map((part) => (asked.includes(part.toLowerCase()) ? h("mark", null, part) : part));
}

function pageLink(path, ...text) {
  if (!/^[A-Za-z0-9_./-]+\.html$/.test(path)) {
    throw new Error("no page of the site");
  }
  const link = h("a", null, ...text);
  link.setAttribute("href", path);
  return link;
}

function resultList(found, asked) {
  return h("ol", null, found.slice(0, MAX_RESULTS).map((page) => h("li", null, h("span", { class: "kind" }, page.kind), pageLink(page.path, marked(page.title, asked)), h("p", { class: "soft" }, marked(page.summary, asked)))));
}

function start() {
  const input = document.getElementById("q");
  const results = document.getElementById("results");
  const home = document.getElementById("document");
  const status = h("p", { class: "visually-hidden", role: "status" });
  results.before(status);
  const show = () => {
    const query = input.value.trim();
    const { asked, found, isPartial } = find(query.slice(0, 2000));
    results.hidden = asked.length === 0;
    home.hidden = asked.length > 0;
    if (asked.length === 0) {
      status.textContent = "";
      return;
    }
    const count = found.length > MAX_RESULTS ? `The first ${MAX_RESULTS} of ${plural(found.length, "page")}` : plural(found.length, "page");
    const text = isPartial && found.length > 0 ? `No page has all of these words. ${count} with some of them` : found.length === 0 ? "No page has any of these words" : count;
    replace(results, h("h1", null, "Search"), h("h2", null, text), found.length > 0 ? resultList(found, asked) : h("p", null, "Try a word of the error message, the name of a register or component, or the id of a rule."));
    status.textContent = text;
  };
  input.addEventListener("input", show);
  input.value = new URLSearchParams(location.search).get("q") ?? "";
  show();
}

start();
