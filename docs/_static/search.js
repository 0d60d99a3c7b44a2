// The search: ranks the pages by the words of a query; for the search page, and for the suggestions
// and the filter of the cards in site.js. What pages say is in search_index.js.
"use strict";

const recipeSearch = (() => {
  const files = document.currentScript.src;
  const loaded = {};
  const script = (name) => (loaded[name] ??= new Promise((resolve) => {
    const tag = Object.assign(document.createElement("script"), { onload: resolve });
    tag.src = new URL(`${name}.js`, files); // from file://, too, unlike fetch
    document.head.append(tag);
  }));
  const address = (doc) => new URL(`../${doc}.html`, files).href;

  // -- Words, as in recipe_site/search.py, to their terms in the index -----------------------
  const WORD = /(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9]*(?:[_'-][A-Za-z0-9]+)*/g;
  const PART = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g;
  let index, stem;
  const entry = (term, root, on, count) =>
    ({ term, root, on, rarity: Math.log(1 + (count - on.size + 0.5) / (on.size + 0.5)) });
  const load = () => (loaded.index ??= Promise.all(["language_data", "search_index"].map(script))
    .then(() => {
      const { pages, recipes, terms, places } = searchIndex, stemmer = new Stemmer();
      const found = new Map(), lines = places.split(" ");
      let term = "";
      stem = (word) => stemmer.stemWord(word);
      [...terms.matchAll(/([A-Z])([a-z\d]+)/g)].forEach(([, shared, rest], at) => {
        const on = new Map();
        let page = -1;
        for (const code of [...lines[at]].map((letter) => letter.charCodeAt(0) - 35))
          if (code < 0) page += 18;
          else on.set(page += 1 + code % 18, 2 * Math.floor(code / 18) || 1);
        term = term.slice(0, shared.charCodeAt(0) - 65) + rest;
        found.set(stem(term), entry(term, stem(term), on, pages.length));
      });
      index = { pages, recipes, found, all: [...found.values()] };
    }));
  const get = (word) => (stopwords.has(word) ? undefined : index.found.get(stem(word)));
  const known = (words) => words.map(get).filter(Boolean);
  const nearly = (a, b) => { // one letter is changed, missing or too many, or two are exchanged
    let from = 0, to = 0;
    while (from < a.length && a[from] === b[from]) from += 1;
    while (to < Math.min(a.length, b.length) - from && a.at(-1 - to) === b.at(-1 - to)) to += 1;
    const [x, y] = [a, b].map((word) => word.slice(from, word.length - to));
    return (x.length < 2 && y.length < 2) || (x.length === 2 && x === y[1] + y[0]);
  };
  const common = (test) => index.all.filter(({ term, root }) => test(term, root))
    .sort((a, b) => b.on.size - a.on.size);
  const begun = (word) => { // all words with this beginning, as if they were one
    const longer = word.length < 3 ? [] : common((term) => term.startsWith(word)), on = new Map();
    for (const [page, digit] of longer.flatMap((one) => [...one.on]))
      on.set(page, Math.max(digit, on.get(page) || 0));
    const [{ term, root } = {}] = longer;
    return longer.length ? [{ ...entry(term, root, on, index.pages.length), longer }] : [];
  };
  const instead = (word) => { // what somebody may have meant who wrote what no page has
    const american = known([word.replace(/s(?=(e[drs]?|ers|ing|ations?)$)/, "z")]);
    if (american.length) return american;
    const longer = begun(word);
    if (longer.length) return longer;
    for (let at = 3; at < word.length - 2; at += 1) { // two words in one
      const both = known([word.slice(0, at), word.slice(at)]);
      if (both.length === 2) return both;
    }
    const own = stem(word);
    const close = (term, root) => term[0] === word[0] && (nearly(word, term) || nearly(own, root));
    return word.length > 4 ? common(close).slice(0, 1) : [];
  };

  // -- The order: BM25 over words and parts of words, times how much of the query a page has --
  const ask = (query, typing = false) => {
    const wanted = new Map(), groups = [], missing = [], changed = [], said = [];
    const want = (entries, weight) => entries.forEach((one) => {
      wanted.set(one, Math.max(weight, wanted.get(one) || 0));
      want(one.longer || [], 0); // to be marked
    });
    let before = "";
    for (const word of query.match(WORD) || []) {
      const small = word.toLowerCase(), whole = small.replace(/\W|_/g, "");
      const direct = known([whole]), joined = before ? known([before + whole]) : [];
      const told = direct.length && !stopwords.has(before); // by each word alone
      before = whole;
      if (stopwords.has(small) || whole.length < 2) continue;
      const parts = known([whole.replace(/\d+d?$/, ""), ...(word.match(PART) || [])]
        .map((part) => part.toLowerCase()).filter((part) => part.length > 1 && part !== whole));
      const others = [...direct, ...joined, ...parts].length ? [] : instead(whole);
      want(direct, 1);
      want(joined, told ? 0.3 : 0.8);
      want(said.push(whole) > 2 ? known([said.slice(-3).join("")]) : [], 2);
      want(parts, 0.6);
      want(others, 0.7);
      if (typing && query.endsWith(word)) want(begun(whole), 0.5);
      const group = direct.length ? direct : [...joined, ...parts, ...others];
      groups.push(group);
      if (others.length && !others[0].term.startsWith(whole)) changed.push([word, others]);
      const pages = group.flatMap(({ on }) => [...on.keys()]);
      if (!pages.some((page) => page < index.recipes)) missing.push(word);
    }
    // Who types a whole title or address wants this page, the more so the less else is typed.
    const named = (text) => {
      const words = (text.match(WORD) || []).map((word) => word.toLowerCase())
        .filter((small) => !stopwords.has(small)).map((word) => word.replace(/\W|_/g, ""));
      return words.every((word) => said.includes(word)) && words.length / said.length;
    };
    const score = new Map(), had = new Map();
    let total = 0;
    for (const [{ on, rarity }, weight] of wanted) {
      total += weight * rarity;
      for (const [page, digit] of on) {
        score.set(page, (score.get(page) || 0) + weight * rarity * digit);
        had.set(page, (had.get(page) || 0) + weight * rarity);
      }
    }
    const results = [...score].map(([number, sum]) => {
      const [doc, title, outcome] = index.pages[number], recipe = number < index.recipes;
      const share = had.get(number) / total;
      const whole = 1 + 3 * Math.max(named(title), named(doc.split("/").pop()));
      const all = groups.every((group) => group.some(({ on }) => on.has(number)));
      const score = sum * share * whole * (recipe ? 1 : 0.3);
      return { doc, title, outcome, recipe, share, all, score };
    });
    results.sort((a, b) => b.score - a.score);
    return { results, wanted, missing, changed };
  };

  return { load, ask, script, address, known, WORD, PART };
})();
