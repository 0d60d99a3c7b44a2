// Sphinx's search, with the texts of the pages from search_texts.js: what holds the sought words
// as they stand comes first, recipes before others; below each hit, the words around them.
"use strict";

const query = (new URLSearchParams(location.search).get("q") || "").toLowerCase().trim();
const words = query.split(/[^\p{L}\p{N}_]+/u).filter((word) => word.length > 2)
  .sort((a, b) => b.length - a.length);
const name = query.split(".").pop(); // of torch.nn.Linear, linear

Scorer.score = ([page, title, , , score]) => {
  const text = SEARCH_TEXTS[page].toLowerCase();
  if (title.toLowerCase().includes(query)) score += 40;
  if (text.includes(query)) score += 10;
  if (name.length > 2) score += Math.min(10, text.split(name).length - 1);
  return score + (/^recipes\/recipes\/(?!index$)/.test(page) ? 10 : 0);
};

const quote = (text, words) => {
  const lower = text.toLowerCase();
  const place = [query, name, ...words].map((word) => lower.indexOf(word)).find((at) => at >= 0);
  const start = Math.max(0, (place || 0) - 90);
  const from = start && text.indexOf(" ", start) + 1;
  const line = document.createElement("p");
  line.className = "context";
  const pattern = new RegExp(`(${words.map((w) => w.replace(/\W/g, "\\$&")).join("|")})`, "i");
  // Every second part is a hit, as the pattern is a group.
  const parts = text.slice(from, from + 260).split(new RegExp(pattern, "gi"));
  line.append(from ? "… " : "");
  parts.forEach((part, number) => {
    if (number % 2 === 0) return line.append(part);
    const mark = document.createElement("mark");
    mark.textContent = part;
    line.append(mark);
  });
  line.append(" …");
  return line;
};

new MutationObserver((changes) => {
  for (const item of changes.flatMap((change) => [...change.addedNodes])) {
    if (item.nodeName !== "LI" || !words.length) continue;
    const page = item.querySelector("a").getAttribute("href").split("#")[0].replace(/\.html$/, "");
    if (page in SEARCH_TEXTS) item.append(quote(SEARCH_TEXTS[page], words));
  }
}).observe(document.getElementById("search-results"), { childList: true, subtree: true });
