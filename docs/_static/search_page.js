// The search page: says what was done, and shows the pages found as cards with quotations.
"use strict";

const [form, field, said, found, more, wish] = ["form", "query", "said", "results", "more", "wish"]
  .map((name) => document.getElementById(`search-${name}`));
const AT_FIRST = 5, LEAST = 0.2; // cards; of the first one's score

const element = (name, text, properties = {}) =>
  Object.assign(document.createElement(name), { textContent: text, ...properties });
const words = (text) => [...text.matchAll(recipeSearch.WORD)];
const hits = (word, wanted) => recipeSearch.known([word.replace(/\W|_/g, ""),
  ...(word.match(recipeSearch.PART) || [])].map((term) => term.toLowerCase()))
  .filter((entry) => wanted.has(entry));

// The passage with most of the words, which are marked.
const quote = async (doc, wanted, line) => {
  await recipeSearch.script(`search_texts/${doc.replaceAll("/", "-")}`);
  const worth = (text) => [...new Set(words(text).flatMap(([word]) => hits(word, wanted)))]
    .reduce((sum, { rarity }) => sum + rarity, 0);
  const [text] = searchTexts[doc].map((passage) => [passage, worth(passage)])
    .reduce((best, one) => (one[1] > best[1] ? one : best), ["", 0]);
  const places = words(text), first = places.findIndex(([word]) => hits(word, wanted).length);
  const start = first > 8 ? places[first - 8].index : 0;
  const passage = text.slice(start).match(/^(\S+\s*){0,45}/)[0];
  line.append(start ? "… " : "");
  let end = 0;
  for (const { 0: word, index: at } of words(passage)) {
    if (!hits(word, wanted).length) continue;
    line.append(passage.slice(end, at), element("mark", word));
    end = at + word.length;
  }
  line.append(passage.slice(end), text.length > start + passage.length ? "…" : "");
};

const card = (wanted) => ({ doc, title, outcome }) => {
  const item = element("li", ""), line = element("p", "", { className: "search-quote" });
  item.append(element("a", title, { href: recipeSearch.address(doc) }));
  if (outcome) item.append(element("p", outcome));
  item.append(line);
  quote(doc, wanted, line);
  return item;
};

const list = (names) => names.map((name) => `“${name}”`).join(", ");
const answer = () => {
  const query = field.value.trim();
  document.title = document.title.replace(/^.*?(?=Search —)/, query && `${query} — `);
  if (wish) wish.search = `?template=new_recipe.yml&title=${encodeURIComponent(query)}`;
  const { results, wanted, missing, changed } = recipeSearch.ask(query);
  const good = results.filter(({ score }) => score > LEAST * results[0].score);
  const recipes = good.filter(({ recipe }) => recipe).length;
  said.replaceChildren(query ? `${recipes || "No"} ${recipes === 1 ? "recipe" : "recipes"}. ` : "");
  if (missing.length) said.append(`No recipe has: ${list(missing)}. `);
  for (const [word, [entry]] of changed) {
    const other = query.replace(word, entry.term);
    const href = `?q=${encodeURIComponent(other)}`;
    said.append("Did you mean ", element("a", other, { href }), "? ");
  }
  if (query && !good.length) {
    said.append("These come first in the learning path:");
    good.push(...searchIndex.pages.slice(0, 3)
      .map(([doc, title, outcome]) => ({ doc, title, outcome })));
  }
  found.replaceChildren(...good.slice(0, AT_FIRST).map(card(wanted)));
  more.hidden = good.length <= AT_FIRST;
  more.textContent = `Show ${good.length - AT_FIRST} more`;
  more.onclick = () => {
    found.append(...good.slice(AT_FIRST).map(card(wanted)));
    more.hidden = true;
    found.children[AT_FIRST].querySelector("a").focus();
  };
};

field.value = new URLSearchParams(location.search).get("q") || "";
recipeSearch.load().then(() => {
  answer();
  field.addEventListener("input", () => {
    history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
    answer();
  });
});
form.addEventListener("submit", (event) => event.preventDefault());
