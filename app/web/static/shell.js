// What surrounds the figures: the window in words, the banner, the theme switch and the menu.

import { byId, el } from "./dom.js";
import * as format from "./format.js";
import { CALL_FILTERS, FILTERS } from "./state.js";

/** @import { Context, Days, Parameters, State } from "./types.js" */

/** The window of the figures, in words; `times` are the instants that it was asked for, if any. */
export function windowWords(
  /** @type {Days} */ { from, to, days, timezone },
  /** @type {string} */ today,
  /** @type {Parameters} */ times = {},
) {
  const { fromTime, toTime } = times;
  if (fromTime && toTime) return `${format.times(String(fromTime), String(toTime), timezone)} in ${timezone}`;
  const partial = to === today ? " · today is partial: it counts up to now" : "";
  return `${format.span(from, to)} · ${format.plural(days, "day")} in ${timezone}${partial}`;
}

/** The filters that are on, in words: paper has no controls to read them from. */
export function filterWords(/** @type {State} */ state) {
  const set = [...FILTERS, ...CALL_FILTERS].filter((name) => state[name]);
  const words = set.map((name) => `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}: ${state[name]}`);
  const data = { real: [], demo: ["demo data"], all: ["real and demo data"] }[state.data];
  const all = [...words, ...data].join(" · ");
  return all.charAt(0).toUpperCase() + all.slice(1);
}

/** That demo data is shown; null where none is. */
export function banner(/** @type {Context} */ context) {
  if (context.state.data === "real") return null;
  const said =
    context.state.data === "demo"
      ? "Demo data: every figure here is from generated calls."
      : "Demo data is included in every figure.";
  return el(
    "div.banner",
    { role: "note" },
    el("span", {}, said),
    el("a", { href: context.href({ data: "real" }), "data-link": "" }, "Show real data"),
  );
}

/** The choice of a theme, the menu and the space bar, which need nobody to be signed in. */
export function wireShell() {
  const choices = [...byId("theme").querySelectorAll("button")];
  const draw = () => {
    for (const each of choices)
      each.setAttribute("aria-pressed", String(each.dataset.choice === document.documentElement.dataset.choice));
  };
  draw();
  document.addEventListener("twinmeter:theme", draw);
  for (const each of choices) {
    const detail = each.dataset.choice;
    each.onclick = () => document.dispatchEvent(new CustomEvent("twinmeter:choose-theme", { detail }));
  }
  const menu = byId("menu");
  menu.onclick = () => menu.setAttribute("aria-expanded", String(byId("nav").classList.toggle("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") {
      closeMenu();
      menu.focus();
    }
    if (event.key === " ") pressed(event);
  });
}

/** What looks like a button is pressed by the space bar too, though it is a link. */
function pressed(/** @type {KeyboardEvent} */ event) {
  const link = event.target instanceof Element ? event.target.closest("a.button, a[role=button], .segments a") : null;
  if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); // or the page scrolls
  link.click();
}

/** The menu of narrow screens. */
export function closeMenu() {
  byId("nav").classList.remove("open");
  byId("menu").setAttribute("aria-expanded", "false");
}
