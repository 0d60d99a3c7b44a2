// What a page does: theme, menu, contents, figures, search fields, filters. Without JavaScript all of
// it is absent.
"use strict";

// -- The theme switch: follows the system until it is used ---------------------------------
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const system = () => (dark.matches ? "dark" : "light");
const storage = {
  get: () => { try { return localStorage.theme; } catch { return undefined; } },
  set: (theme) => { try { localStorage.theme = theme; } catch { /* not kept */ } },
};
const show = (theme) => {
  root.dataset.theme = theme;
  for (const button of document.querySelectorAll(".theme-switch"))
    button.setAttribute("aria-pressed", theme === "dark");
};
show(storage.get() || system());
dark.addEventListener("change", () => storage.get() || show(system()));
for (const button of document.querySelectorAll(".theme-switch"))
  button.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    storage.set(theme === system() ? "" : theme);
    show(theme);
  });

// -- The menu: opened by its button on phones, closed by a tap beside it and by Escape -----
const menu = document.querySelector(".menu-button");
const side = document.querySelector(".wy-nav-side");
const open = (shown) => {
  side.classList.toggle("shift", shown);
  menu.setAttribute("aria-expanded", shown);
};
menu.addEventListener("click", () => open(!side.classList.contains("shift")));
document.addEventListener("click", ({ target }) => {
  if (!side.contains(target) && !menu.contains(target)) open(false);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !side.classList.contains("shift")) return;
  open(false);
  menu.focus();
});
// This page's line is in sight; scrollIntoView() would also move the start of the Tab key there.
const scroller = side.querySelector(".wy-side-scroll");
const line = scroller.querySelector("[aria-current]");
if (line) scroller.scrollTop = Math.max(0, line.offsetTop - scroller.clientHeight / 2);

// -- What scrolls can be scrolled by keyboard -----------------------------------------------
const scrolls = new ResizeObserver((entries) => entries.forEach(({ target: box }) => {
  if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}));
for (const box of document.querySelectorAll("pre, .table-box")) scrolls.observe(box);

// -- The contents: open beside the text of wide screens, with a mark of where one is --------
const contents = document.querySelector(".page-contents");
if (contents) {
  const wide = matchMedia("(min-width: 1440px)");
  const fit = () => { contents.open = wide.matches; };
  fit();
  wide.addEventListener("change", fit);
  const links = new Map([...contents.querySelectorAll("li li > a")].map((link) =>
    [document.getElementById(decodeURIComponent(link.hash.slice(1))), link]));
  links.delete(null);
  const mark = () => {
    const passed = [...links.keys()].filter((part) => part.getBoundingClientRect().top < 120);
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(passed.pop())?.setAttribute("aria-current", "true");
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
}

// -- A figure opens larger in a dialog; without it, the link leads to the file --------------
for (const link of document.querySelectorAll(".figure-link"))
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const dialog = document.createElement("dialog");
    dialog.className = "figure-dialog";
    dialog.innerHTML = "<button type=button>Close</button><div></div>";
    dialog.lastChild.append(...link.cloneNode(true).childNodes);
    const picture = dialog.querySelector("img");
    dialog.setAttribute("aria-label", picture.alt);
    picture.removeAttribute("srcset");
    picture.src = link.href;
    picture.width *= 2;
    picture.height *= 2;
    dialog.addEventListener("click", ({ target }) => {
      if (target === dialog || target.nodeName === "BUTTON") dialog.close();
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  });

// -- Search fields: suggestions while typing; / and Ctrl-K lead to the first that is shown ----
for (const field of document.querySelectorAll(".search-field")) {
  const form = field.closest("form"), list = document.createElement("ul");
  list.className = "search-suggestions";
  list.setAttribute("aria-label", "Suggestions");
  const suggest = async () => {
    await recipeSearch.load();
    const { results } = recipeSearch.ask(field.value, true);
    list.replaceChildren(...results.filter(({ recipe }) => recipe).slice(0, 6).map((result) => {
      const link = document.createElement("a"), item = document.createElement("li");
      link.href = recipeSearch.address(result.doc);
      link.textContent = result.title;
      item.append(link);
      return item;
    }));
    if (list.children.length) form.append(list);
    else list.remove();
  };
  field.addEventListener("focus", recipeSearch.load);
  field.addEventListener("input", suggest);
  form.addEventListener("focusout", (event) =>
    form.contains(event.relatedTarget) || list.remove());
  form.addEventListener("keydown", (event) => {
    const stops = [field, ...list.querySelectorAll("a")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!list.isConnected || !(step || event.key === "Escape")) return;
    event.preventDefault(); // Escape would clear the field
    const at = step ? stops.indexOf(document.activeElement) + step + stops.length : 0;
    stops[at % stops.length].focus();
    if (!step) list.remove();
  });
}
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const control = event.ctrlKey || event.metaKey;
  if (control ? event.key !== "k" : event.key !== "/" || typing) return;
  event.preventDefault();
  const shown = [...document.querySelectorAll("[name=q]:is(#search-query, .search-field)")]
    .filter((field) => field.checkVisibility({ visibilityProperty: true }));
  if (shown.length) shown.at(-1).select();
  else location = recipeSearch.address("search");
});

// -- Groups of cards, or of names, open one by one on phones: their headings become buttons ---
const phone = matchMedia("(max-width: 600px)");
for (const group of document.querySelectorAll(":is(.recipe-filter, .api-filter) ~ section")) {
  const heading = group.querySelector("h2, h3");
  const text = heading.firstChild;
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.members = group.querySelectorAll(".recipe-card, .api-index > dt").length;
  const show = (shown) => {
    group.classList.toggle("open", shown);
    button.setAttribute("aria-expanded", shown);
  };
  const arrange = () => {
    if (!phone.matches) return button.replaceWith(text);
    button.append(text);
    heading.prepend(button);
  };
  const follow = () => location.hash === `#${group.id}` && show(true);
  show(false);
  follow();
  arrange();
  group.classList.add("recipe-group");
  button.addEventListener("click", () => show(!group.classList.contains("open")));
  phone.addEventListener("change", arrange);
  addEventListener("hashchange", follow);
}

// -- The filter of the index of names -------------------------------------------------------
for (const form of document.querySelectorAll(".api-filter")) {
  const names = [...document.querySelectorAll(".api-index > dt")];
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const words = form.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    form.classList.toggle("filtering", words.length > 0);
    for (const name of names) {
      const text = name.textContent.toLowerCase();
      name.hidden = name.nextElementSibling.hidden = !words.every((word) => text.includes(word));
    }
    for (const list of document.querySelectorAll(".api-index"))
      list.closest("section").hidden = !list.querySelector("dt:not([hidden])");
    const found = names.filter((name) => !name.hidden).length;
    form.querySelector("output").textContent = `${found} of ${names.length} names`;
  });
}

// -- The filter of the cards: all chosen tags, all typed words; kept in the address --------
for (const form of document.querySelectorAll(".recipe-filter")) {
  const section = form.parentElement;
  const cards = [...section.querySelectorAll(".recipe-card")];
  const text = form.elements.q;
  const boxes = [...form.querySelectorAll("[name=tag]")];
  const instead = Object.assign(document.createElement("a"), { textContent: "Search all pages" });
  form.querySelector("output").after(" ", instead);
  const apply = async () => { // with the words of the search: names, synonyms, messages
    const words = text.value.trim();
    if (words) await recipeSearch.load();
    if (words !== text.value.trim()) return; // typed on meanwhile
    const { results, missing } = words ? recipeSearch.ask(words) : { results: [], missing: [] };
    const pages = results.filter(({ all }) => all).map(({ doc }) => recipeSearch.address(doc));
    const any = !results.length && !missing.length; // nothing typed yet that is a word
    instead.hidden = !words;
    instead.href = `${recipeSearch.address("search")}?q=${encodeURIComponent(words)}`;
    const tags = boxes.filter((box) => box.checked).map((box) => box.value);
    for (const card of cards) {
      const own = card.querySelector(".recipe-tags").textContent.split(" · ").pop().split(", ");
      const address = card.querySelector("a").href.split("#")[0];
      card.hidden = !(tags.every((tag) => own.includes(tag)) && (any || pages.includes(address)));
    }
    for (const group of section.querySelectorAll("section"))
      group.hidden = !group.querySelector(".recipe-card:not([hidden])");
    const found = cards.filter((card) => !card.hidden).length;
    form.querySelector("output").textContent = `${found} of ${cards.length} recipes`;
    form.querySelector("[type=reset]").hidden = !words && !tags.length;
  };
  const remember = () => {
    const query = new URLSearchParams(boxes.filter((box) => box.checked).map((b) => ["tag", b.value]));
    if (text.value.trim()) query.set("q", text.value.trim());
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
  };
  const restore = () => {
    const query = new URLSearchParams(location.search);
    text.value = query.get("q") || "";
    for (const box of boxes) box.checked = query.getAll("tag").includes(box.value);
    apply();
    if (query.has("tag")) form.scrollIntoView();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { apply(); remember(); });
  form.addEventListener("reset", () => setTimeout(() => { apply(); remember(); text.focus(); }));
  restore();
}
