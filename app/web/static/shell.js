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

/** The theme switch and the menu, which need nobody to be signed in. */
export function wireShell() {
  const [theme, menu] = [byId("theme"), byId("menu")];
  const draw = () => theme.setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
  draw();
  document.addEventListener("twinmeter:theme", draw);
  theme.onclick = () => {
    const detail = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.dispatchEvent(new CustomEvent("twinmeter:choose-theme", { detail }));
  };
  menu.onclick = () => menu.setAttribute("aria-expanded", String(byId("nav").classList.toggle("open")));
}

/** The menu of narrow screens. */
export function closeMenu() {
  byId("nav").classList.remove("open");
  byId("menu").setAttribute("aria-expanded", "false");
}
