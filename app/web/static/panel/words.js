// Every sentence of the panel, in English. An application replaces those that it wants otherwise.

/** @import { Digits, OwnLimit, SharedLimit, Strings, Writing } from "./types.js" */

import { amount, counted, moment, money, relative, say } from "./text.js";

/** @type {Strings} */
export const STRINGS = {
  title: "Usage",
  plan: "Plan: {name}",
  upgrade: "Upgrade",
  limits: "Limits",
  "limits.none": "Nothing is limited.",
  costs: "Cost",
  "cost.month": "This month",
  "cost.lifetime": "Total",
  recent: "Latest calls",
  "recent.none": "No calls yet.",
  "tokens.one": "{n} token",
  "tokens.other": "{n} tokens",
  unpriced: "no price",
  cached: "from cache",
  "status.error": "failed",
  "status.rate_limited": "refused by the provider",
  "status.timeout": "timed out",

  "unit.requests": "Requests",
  "unit.tokens": "Tokens",
  "unit.usd": "Spend",
  "unit.images": "Images",
  "unit.seconds": "Seconds",
  "unit.concurrent": "Calls at a time",
  "window.minute": "this minute",
  "window.hour": "this hour",
  "window.day": "today",
  "window.week": "this week",
  "window.month": "this month",
  "window.year": "this year",
  "window.period": "this period",
  "window.lifetime": "in total",
  "name.all": "{unit} {window}",
  "name.some": "{unit} {window}, {which}",

  figures: "{used} of {limit}",
  used: "{percent}% used",
  "used.little": "Less than 0.01% used",
  "used.none": "Nothing may be used",
  left: "{left} left",
  over: "{over} over the limit",
  held: "{held} held by calls under way",
  granted: "{grants} of it granted on top",
  reached: "The limit is reached: further calls are refused.",
  soft: "Beyond it calls still pass.",
  "shared.title": "All users together",
  "shared.used": "{percent}% used by all together",
  resets: "Resets {relative}, {moment}",

  asOf: "As of {clock}",
  "state.loading": "Loading…",
  "state.live": "live",
  "state.stale": "The server does not answer. These figures may have changed since.",
  "state.unreachable": "The server does not answer. It is asked again by itself.",
  "state.no-token": "Sign in to see your usage.",
  "state.expired": "This view has expired. Reload the page.",
  "state.refused": "Your usage cannot be shown here.",
};

/** What a limit is called: its own name, or what it counts and over which time. */
export function nameOf(/** @type {OwnLimit | SharedLimit} */ limit, /** @type {Writing} */ writing) {
  if (limit.name) return limit.name;
  const { serviceType, feature, model } = limit.filter;
  const which = [serviceType, feature, model].filter(Boolean).join(", ");
  const window = limit.unit === "concurrent" ? "" : say(writing, `window.${limit.window}`);
  const values = { unit: say(writing, `unit.${limit.unit}`), window, which };
  return say(writing, which ? "name.some" : "name.all", values).replace(/ +(?=,|$)/g, "");
}

const inUnit = (/** @type {Digits} */ digits, /** @type {string} */ unit, /** @type {Writing} */ writing) =>
  unit === "usd" ? money(digits, writing) : amount(digits, writing);

/** Whether a figure is not zero. */
export const some = (/** @type {Digits} */ digits) => /[1-9]/.test(digits);

/** 7 of 10 */
export function figuresOf(/** @type {OwnLimit} */ limit, /** @type {Writing} */ writing) {
  const used = inUnit(limit.unit === "concurrent" ? limit.held : limit.used, limit.unit, writing);
  return say(writing, "figures", { used, limit: inUnit(limit.limit, limit.unit, writing) });
}

/** How much of it is used and left, as one sentence. What is beyond the limit is said, too. */
export function usedOf(/** @type {OwnLimit} */ limit, /** @type {Writing} */ writing) {
  const over = beyond(limit);
  const write = (/** @type {Digits} */ digits) => inUnit(digits, limit.unit, writing);
  const percent = limit.percent ?? "";
  const little = !some(percent) && some(limit.used) ? "used.little" : "used";
  const said = [
    say(writing, limit.percent === null ? "used.none" : little, { percent: amount(percent, writing) }),
    over
      ? say(writing, "over", { over: write(over) })
      : percent && say(writing, "left", { left: write(limit.remaining) }),
    limit.unit !== "concurrent" && some(limit.held) && say(writing, "held", { held: write(limit.held) }),
    some(limit.grants) && !limit.grants.startsWith("-") && say(writing, "granted", { grants: write(limit.grants) }),
  ];
  return `${said.filter(Boolean).join(", ")}.`;
}

/** The same of a limit whose amounts are not the viewer's. */
export const sharedOf = (/** @type {SharedLimit} */ { percent }, /** @type {Writing} */ writing) =>
  `${say(writing, percent === null ? "used.none" : "shared.used", { percent: amount(percent ?? "", writing) })}.`;

/** How much more is used than may be, exactly; empty where nothing is. */
function beyond(/** @type {OwnLimit} */ limit) {
  const places = Math.max(...[limit.used, limit.limit].map((digits) => digits.split(".")[1]?.length ?? 0));
  const units = (/** @type {Digits} */ digits) => {
    const [whole, fraction = ""] = digits.split(".");
    return BigInt(whole + fraction.padEnd(places, "0"));
  };
  const over = units(limit.used) - units(limit.limit);
  if (over <= 0n) return "";
  const digits = String(over).padStart(places + 1, "0");
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  return digits.slice(0, digits.length - places) + (places && fraction ? `.${fraction}` : "");
}

/** What follows for calls, where something does. */
export const effectOf = (/** @type {OwnLimit | SharedLimit} */ limit, /** @type {Writing} */ writing) => {
  if (limit.reached) return say(writing, "reached");
  return limit.kind === "soft" ? say(writing, "soft") : "";
};

/** When it counts anew, in words and in the viewer's zone. */
export const resetOf = (/** @type {string} */ at, /** @type {number} */ now, /** @type {Writing} */ writing) =>
  say(writing, "resets", {
    relative: relative(Date.parse(at) - now, writing),
    moment: moment(Date.parse(at), writing),
  });

/** 1,500 tokens */
export const tokensOf = (/** @type {Digits} */ digits, /** @type {Writing} */ writing) =>
  counted(writing, "tokens", digits);
