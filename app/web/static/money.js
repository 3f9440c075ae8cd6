// Money keeps every digit: a number of JSON that a float of JavaScript could round is a Decimal here.

/** @import { Amount } from "./types.js" */

/** What tells numbers of JSON from digits in its strings: an escape, a quote, or digits. */
const TOKENS = /\\.|"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Whole, and within 2^53: JavaScript prints such a number as it was. */
const SAFE = /^-?\d{1,15}$/;
const NUMBER = /^(-?\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** A number with all its digits. Comparing it or `Number()` of it rounds, as charts may; `sum` and `minus` do not. */
export class Decimal {
  /** @param {string} digits */
  constructor(digits) {
    this.digits = digits;
  }

  toString() {
    return this.digits;
  }

  valueOf() {
    return Number(this.digits);
  }
}

/**
 * The value of a JSON text. Numbers are `Amount`s, whatever their field is called.
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  /** @type {string[]} */
  const exact = [];
  let quoted = false;
  // a number that stays has no fraction: one that has stands for a place in `exact`
  const placed = text.replace(TOKENS, (token) => {
    if (token === '"') quoted = !quoted;
    return quoted || SAFE.test(token) || !NUMBER.test(token) ? token : String(exact.push(token) - 0.5);
  });
  return JSON.parse(placed, (_, value) =>
    typeof value === "number" && !Number.isInteger(value) ? new Decimal(exact[value - 0.5]) : value,
  );
}

/**
 * Whether a value is a figure.
 * @param {unknown} value
 * @returns {value is Amount}
 */
export const isAmount = (value) => typeof value === "number" || value instanceof Decimal;

/** The exact sum of amounts. One that is not known adds nothing. */
export function sum(/** @type {Iterable<Amount | null | undefined>} */ amounts) {
  const all = [...amounts].map((amount) => scaled(amount ?? 0));
  const places = Math.max(0, ...all.map((each) => each.places));
  return fromUnits(
    all.map(unitsOf(places)).reduce((total, units) => total + units, 0n),
    places,
  );
}

/** `whole - part`, exactly. */
export function minus(/** @type {Amount} */ whole, /** @type {Amount} */ part) {
  const both = [scaled(whole), scaled(part)];
  const places = Math.max(both[0].places, both[1].places);
  const [all, less] = both.map(unitsOf(places));
  return fromUnits(all - less, places);
}

/** An amount as a whole number of units of its last decimal. */
function scaled(/** @type {Amount} */ amount) {
  const [, whole, fraction = "", exponent = "0"] = NUMBER.exec(String(amount)) ?? [];
  const places = fraction.length - Number(exponent);
  return { units: BigInt(whole + fraction + "0".repeat(Math.max(0, -places))), places: Math.max(0, places) };
}

const unitsOf = (/** @type {number} */ places) => (/** @type {ReturnType<typeof scaled>} */ each) =>
  each.units * 10n ** BigInt(places - each.places);

/** @returns {Amount} */
function fromUnits(/** @type {bigint} */ units, /** @type {number} */ places) {
  const sign = units < 0n ? "-" : "";
  const digits = String(units < 0n ? -units : units).padStart(places + 1, "0");
  const point = digits.length - places;
  const fraction = digits.slice(point).replace(/0+$/, "");
  const text = sign + digits.slice(0, point) + (fraction && `.${fraction}`);
  return SAFE.test(text) ? Number(text) : new Decimal(text);
}
