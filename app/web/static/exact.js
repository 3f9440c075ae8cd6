// @ts-check
// Money keeps every digit: costs have 15 decimals, which a float of JavaScript would round. A cost is a text here.

const PLACES = 15;
const MONEY = /"(cost|\w+Cost|aiCost\w+)":(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[,}\]\s])/g;

/**
 * The value of a JSON text, with costs as texts. A quoted name followed by a colon is always a key: within a string
 * of JSON, quotes are escaped.
 * @param {string} text
 */
export function parse(text) {
  return JSON.parse(text.replace(MONEY, '"$1":"$2"'));
}

/**
 * The exact sum of amounts, each a number or the text of one.
 * @param {Iterable<string | number | null | undefined>} amounts
 * @returns {string}
 */
export function sum(amounts) {
  let units = 0n;
  for (const amount of amounts) units += toUnits(amount ?? 0);
  return fromUnits(units);
}

/** `whole - part`, exactly. @returns {string} */
export function minus(/** @type {string | number} */ whole, /** @type {string | number} */ part) {
  return fromUnits(toUnits(whole) - toUnits(part));
}

function toUnits(amount) {
  const text = /e/i.test(String(amount)) ? Number(amount).toFixed(PLACES) : String(amount);
  const negative = text.startsWith("-");
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const units = BigInt(whole + fraction.slice(0, PLACES).padEnd(PLACES, "0"));
  return negative ? -units : units;
}

function fromUnits(units) {
  const sign = units < 0n ? "-" : "";
  const digits = String(units < 0n ? -units : units).padStart(PLACES + 1, "0");
  const fraction = digits.slice(-PLACES).replace(/0+$/, "");
  return sign + digits.slice(0, -PLACES) + (fraction && `.${fraction}`);
}
