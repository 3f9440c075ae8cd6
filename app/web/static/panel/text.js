// Figures, moments and sentences for one viewer. Figures are texts of digits from end to end: no float rounds them.

/** @import { Digits, Writing } from "./types.js" */

const NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const DIGITS = /^(-?)(\d+)(?:\.(\d+))?$/;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Units of time, and from how many of the next smaller one on they are used. @type {[Intl.RelativeTimeFormatUnit, number, number][]} */
const SPANS = [
  ["day", DAY, 36 * HOUR],
  ["hour", HOUR, 90 * MINUTE],
  ["minute", MINUTE, 90 * SECOND],
  ["second", SECOND, 0],
];

/**
 * The value of a JSON text, in which numbers are texts.
 * @param {string} text
 * @returns {any}
 */
export const parseExactly = (text) =>
  JSON.parse(text.replace(NUMBERS, (token) => (token[0] === '"' ? token : `"${token}"`)));

/** 12,345.0025, with all its digits. */
export function amount(/** @type {Digits} */ digits, /** @type {Writing} */ { locale }, places = 0) {
  const [, sign, whole, fraction = ""] = DIGITS.exec(digits) ?? [];
  if (whole === undefined) return digits;
  const format = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
  const behind = [...fraction.padEnd(places, "0")].map((digit) => format.format(Number(digit))).join("");
  const point = new Intl.NumberFormat(locale).formatToParts(0.5).find((part) => part.type === "decimal")?.value ?? ".";
  return sign + format.format(BigInt(whole)) + (behind && point + behind);
}

/** $12.345, with all its digits, in the viewer's way. */
export function money(/** @type {Digits} */ digits, /** @type {Writing} */ writing, currency = "USD") {
  const format = new Intl.NumberFormat(writing.locale, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
  });
  const parts = format.formatToParts(0).filter((part) => part.type !== "decimal" && part.type !== "fraction");
  return parts.map((part) => (part.type === "integer" ? amount(digits, writing, 2) : part.value)).join("");
}

/** Tue 1 Dec, 00:00 GMT+1: in the viewer's zone. */
export const moment = (/** @type {number} */ at, /** @type {Writing} */ { locale }) =>
  new Intl.DateTimeFormat(locale, {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  }).format(at);

/** 12:03:04 */
export const clock = (/** @type {number} */ at, /** @type {Writing} */ { locale }) =>
  new Intl.DateTimeFormat(locale, { timeStyle: "medium" }).format(at);

/** in 3 hours */
export function relative(/** @type {number} */ milliseconds, /** @type {Writing} */ { locale }) {
  const span = SPANS.find(([, , least]) => Math.abs(milliseconds) >= least) ?? SPANS[SPANS.length - 1];
  const [unit, size] = span;
  return new Intl.RelativeTimeFormat(locale, { numeric: "always" }).format(Math.round(milliseconds / size), unit);
}

/**
 * A sentence with its values in place; empty where the strings have none of this name.
 * @param {Writing} writing
 * @param {string} name
 * @param {{[value: string]: string}} [values]
 */
export const say = ({ strings }, name, values = {}) =>
  (strings[name] ?? "").replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");

/** A sentence of `name.one`, `name.few` or what else the language has, by a figure; else of `name.other`. */
export function counted(
  /** @type {Writing} */ writing,
  /** @type {string} */ name,
  /** @type {Digits} */ digits,
  /** @type {{[value: string]: string}} */ values = {},
) {
  const form = new Intl.PluralRules(writing.locale).select(Number(digits));
  const known = writing.strings[`${name}.${form}`] === undefined ? "other" : form;
  return say(writing, `${name}.${known}`, { n: amount(digits, writing), ...values });
}
