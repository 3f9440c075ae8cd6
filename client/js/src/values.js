// What an application hands over is made sendable: JSON has few kinds of values, and the server takes flat metadata.
// Nothing here throws, whatever a value does when it is looked at.

const MOST_METADATA_KEYS = 32;
const MOST_METADATA_BYTES = 4_096;
const MOST_KEY_CHARACTERS = 64;
/** Characters that are kept of the text of a value that is none of JSON's. */
const MOST_TEXT = 256;
const DEEPEST = 8;
const MOST_ITEMS = 10_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what the server does not take
const NOT_IN_KEYS = /[.\x00-\x1f\x7f]/g;

const encoder = new TextEncoder();

/** @param {string} text */
export const bytesOf = (text) => encoder.encode(text);

/**
 * The nearest to `value` that JSON can hold; undefined where nothing is near, such as NaN.
 * @param {any} value
 * @param {number} [depth]
 * @returns {any}
 */
export function plain(value, depth = 0) {
  try {
    if (typeof value === "string") return wellFormed(value);
    if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
    if (typeof value === "boolean" || value === null) return value;
    if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    if (typeof value !== "object") return value === undefined ? undefined : textOf(value);
    if (depth >= DEEPEST) return textOf(value);
    if (typeof value.toJSON === "function") return plain(value.toJSON(), depth + 1);
    if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
    if (Array.isArray(value)) return value.slice(0, MOST_ITEMS).map((item) => plain(item, depth + 1) ?? null);
    const entries = value instanceof Map ? [...value] : value instanceof Set ? [...value].entries() : readable(value);
    return Object.fromEntries(Array.from(entries, ([name, item]) => [wellFormed(`${name}`), plain(item, depth + 1)]));
  } catch {
    return textOf(value);
  }
}

/**
 * The members of an object; one that throws when it is read is told as its error.
 * @param {object} value
 * @returns {[string, unknown][]}
 */
function readable(value) {
  return Object.keys(value).map((name) => {
    try {
      return [name, /** @type {any} */ (value)[name]];
    } catch (error) {
      return [name, textOf(error)];
    }
  });
}

/**
 * A value as a text of so many characters at most.
 * @param {unknown} value
 * @param {number} [most]
 */
export function textOf(value, most = MOST_TEXT) {
  try {
    return wellFormed(String(value).slice(0, most));
  } catch {
    return `<${typeof value}>`;
  }
}

/** @param {string} text */
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\ufffd");

/**
 * A copy of `metadata` that the server takes, and whether something of it had to be changed for that. Values that are
 * no scalars become JSON texts. What would make it too large is left out, the longest first.
 * @param {any} metadata
 * @returns {[Record<string, unknown>, boolean]}
 */
export function flat(metadata) {
  if (typeof metadata !== "object" || Array.isArray(metadata)) return [{ value: textOf(metadata) }, true];
  /** @type {Map<string, unknown>} */
  const kept = new Map();
  /** @type {Map<string, number>} */
  const sizes = new Map();
  const entries = readable(metadata).filter(([, value]) => value !== undefined);
  let changed = entries.length > MOST_METADATA_KEYS;
  for (const [key, value] of entries.slice(0, MOST_METADATA_KEYS)) {
    const name = keyOf(key);
    const scalar = flatValue(value);
    changed ||= name !== key || scalar !== value;
    kept.set(name, scalar);
    sizes.set(name, bytesOf(name).length + bytesOf(String(scalar)).length);
  }
  while (sum(sizes.values()) > MOST_METADATA_BYTES) {
    const [longest] = [...sizes].reduce((most, each) => (each[1] > most[1] ? each : most));
    sizes.delete(longest);
    kept.delete(longest);
    changed = true;
  }
  return [Object.fromEntries(kept), changed];
}

/** @param {Iterable<number>} sizes */
const sum = (sizes) => [...sizes].reduce((all, size) => all + size, 0);

/** @param {string} key */
function keyOf(key) {
  const name = wellFormed(key.slice(0, MOST_KEY_CHARACTERS)).replace(NOT_IN_KEYS, "_").replace(/^\$/, "_");
  return name || "_";
}

/** @param {unknown} value */
function flatValue(value) {
  const told = plain(value) ?? null;
  const text = typeof told === "object" && told !== null ? JSON.stringify(told) : told;
  const isTooLong = typeof text === "string" && text.length > MOST_METADATA_BYTES;
  return isTooLong ? `(left out: ${text.length.toLocaleString("en")} characters)` : text;
}
