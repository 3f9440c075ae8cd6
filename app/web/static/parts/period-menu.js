// The menu of periods: which span the page is about, in words, and steps to the one before and after.

import { el } from "../dom.js";
import * as format from "../format.js";
import { DAYS, daysOf, MOST_DAYS, PRESETS, stepped, timesOf, wrongDays } from "../period.js";
import { close, formOf, popover, textOf } from "./popover.js";

/** @import { Changes, Context, PeriodName } from "../types.js" */
/** @typedef {Context["state"]} State */

const MOVES = ["ArrowDown", "ArrowUp", "Home", "End"];

/** What a period is called. */
function nameOf(/** @type {Context} */ context, /** @type {Changes} */ span) {
  if (span.period) return PRESETS[/** @type {PeriodName} */ (span.period)];
  if (span.days) return `Last ${format.plural(Number(span.days), "day")}`;
  if (span.fromTime) return format.times(String(span.fromTime), String(span.toTime), context.who.timezone);
  return format.span(String(span.from), String(span.to ?? context.today()));
}

/** Steps, and between them the button that opens the menu. `instants`: whether the page can be about less than days. */
export function periodMenu(/** @type {Context} */ context, /** @type {boolean} */ instants) {
  const { state } = context;
  const whole = !instants && timesOf(state) !== null;
  const label = [nameOf(context, state), whole ? el("span.muted", {}, " as whole days") : null];
  return el(
    "div.period",
    { "data-key": "period", role: "group", "aria-label": "Period" },
    step(context, -1),
    popover(
      {
        key: "period-menu",
        label,
        title: `Days of ${context.who.timezone}`,
        first: "[aria-current]",
      },
      el(
        "div.period-choices",
        { onkeydown: walk },
        el("div.period-lists", {}, presets(context), lengths(context)),
        custom(context),
      ),
    ),
    step(context, 1),
  );
}

function step(/** @type {Context} */ context, /** @type {1 | -1} */ by) {
  const span = stepped(context.state, context.today(), (moment) => format.dayIn(moment, context.who.timezone), by);
  const name = by < 0 ? "Previous period" : "Next period";
  const arrow = el("span", { "aria-hidden": "true" }, by < 0 ? "‹" : "›");
  const key = `step${by}`;
  if (!span) {
    const off = { "data-key": key, role: "link", "aria-disabled": "true", "aria-label": `${name}: it has not begun` };
    return el("a.button.step", off, arrow);
  }
  const words = `${name}: ${nameOf(context, span)}`;
  const href = context.href({ ...span, cursor: null });
  return el("a.button.step", { "data-key": key, href, "data-link": "", "aria-label": words, title: words }, arrow);
}

function choice(
  /** @type {Context} */ context,
  /** @type {string} */ label,
  /** @type {Changes} */ span,
  /** @type {boolean} */ current,
) {
  const href = context.href({ cursor: null, ...span });
  return el(
    "li",
    {},
    el("a", { href, "data-link": "", "aria-current": current ? "true" : null, onclick: close }, label),
  );
}

function presets(/** @type {Context} */ context) {
  const names = Object.entries(PRESETS);
  return el(
    "ul",
    { "aria-label": "Of the calendar" },
    names.map(([period, label]) => choice(context, label, { period }, context.state.period === period)),
  );
}

function lengths(/** @type {Context} */ context) {
  return el(
    "ul",
    { "aria-label": "Up to today" },
    DAYS.map((days) => choice(context, `Last ${days} days`, { days }, context.state.days === days)),
  );
}

/** Up and down among the choices. */
function walk(/** @type {KeyboardEvent} */ event) {
  const list = /** @type {HTMLElement} */ (event.currentTarget);
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(/** @type {HTMLAnchorElement} */ (event.target));
  if (at < 0 || !MOVES.includes(event.key)) return;
  event.preventDefault();
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key] ?? at;
  links[(next + links.length) % links.length].focus();
}

function custom(/** @type {Context} */ context) {
  const today = context.today();
  const { from, to } = daysOf(context.state, today, (moment) => format.dayIn(moment, context.who.timezone));
  const field = (/** @type {"from" | "to"} */ name, /** @type {string} */ label, /** @type {string} */ value) => {
    const about = { id: `custom-${name}`, name, type: "date", max: today, min: "2000-01-01", value };
    return el(
      "div",
      {},
      el("label", { for: `custom-${name}` }, label),
      el("input", { ...about, "aria-describedby": "custom-error" }),
    );
  };
  return el(
    "form",
    { onsubmit: (event) => apply(context, event), novalidate: true },
    field("from", "First day", from),
    field("to", "Last day", to),
    el("p.field-error", { id: "custom-error", role: "alert" }),
    el("p.help", {}, `Up to ${MOST_DAYS} days, in ${context.who.timezone}.`),
    el("button.button.primary", { type: "submit" }, "Apply"),
  );
}

function apply(/** @type {Context} */ context, /** @type {SubmitEvent} */ event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const given = formOf(event);
  const [from, to] = [textOf(given, "from"), textOf(given, "to")];
  const wrong = wrongDays(from, to);
  const told = form.querySelector("#custom-error");
  if (told) told.textContent = wrong?.words ?? "";
  for (const input of form.querySelectorAll("input")) {
    input.toggleAttribute("aria-invalid", input.name === wrong?.field);
    if (input.name === wrong?.field) input.focus();
  }
  if (wrong) return;
  close(event);
  context.go({ from, to, cursor: null });
}
