// What a page does: theme, menu, filter of the cards. Without JavaScript all of it is absent.
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

// -- The menu button of phones: the theme opens and closes, this says so -------------------
const menu = document.querySelector(".menu-button");
const side = document.querySelector(".wy-nav-side");
new MutationObserver(() => menu.setAttribute("aria-expanded", side.classList.contains("shift")))
  .observe(side, { attributeFilter: ["class"] });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !side.classList.contains("shift")) return;
  menu.click();
  menu.focus();
});

// -- The theme scrolls the menu until this page's line is on top: only as far as needed ----
for (const line of document.querySelectorAll(".wy-side-scroll [aria-current]"))
  line.scrollIntoView = () => Element.prototype.scrollIntoView.call(line, { block: "nearest" });

// -- Code that scrolls can be scrolled by keyboard ------------------------------------------
const scrolls = new ResizeObserver((entries) => entries.forEach(({ target: pre }) => {
  if (pre.scrollWidth > pre.clientWidth || pre.scrollHeight > pre.clientHeight) pre.tabIndex = 0;
  else pre.removeAttribute("tabindex");
}));
for (const pre of document.querySelectorAll("pre")) scrolls.observe(pre);

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
