// Where calls are sent, and by which key: given in code, or by the environment.

/** @import { Settings } from "../index.d.ts" */

/**
 * @typedef {{
 *   url: string,
 *   key: string,
 *   onRejected: Settings["onRejected"],
 *   waitUntil: Settings["waitUntil"],
 *   limitsWhenAway: "allow" | "refuse",
 *   limitsTimeout: number,
 * }} Configuration
 */

const SETTINGS = new Set(["url", "key", "onRejected", "waitUntil", "limitsWhenAway", "limitsTimeout"]);
const WHEN_AWAY = /** @type {const} */ (["allow", "refuse"]);
const LIMITS_MS = 1_000;
const MOST_LIMITS_MS = 60_000;
/** Where nothing is set. @type {Configuration} */
export const UNCONFIGURED = {
  url: "",
  key: "",
  onRejected: undefined,
  waitUntil: undefined,
  limitsWhenAway: "allow",
  limitsTimeout: LIMITS_MS,
};
const FUNCTIONS = /** @type {const} */ (["onRejected", "waitUntil"]);
const PRINTABLE = /^[\x21-\x7e]*$/;

/**
 * The settings that are given, the others from the environment. Throws TypeError: a mistake of who writes the program.
 * @param {Settings} [given]
 * @returns {Configuration}
 */
export function configured(given = {}) {
  const unknown = Object.keys(given).filter((name) => !SETTINGS.has(name));
  if (unknown.length) {
    throw new TypeError(`unknown settings: ${unknown.join(", ")}; there are ${[...SETTINGS].join(", ")}`);
  }
  for (const name of FUNCTIONS) {
    if (given[name] !== undefined && typeof given[name] !== "function") {
      throw new TypeError(`${name} must be a function`);
    }
  }
  const url = checkedUrl(String(given.url ?? fromEnvironment("TWINMETER_URL")).trim());
  const key = String(given.key ?? fromEnvironment("TWINMETER_KEY")).trim();
  if (!PRINTABLE.test(key)) {
    throw new TypeError("the key must be printable ASCII; see whether it was copied whole (TWINMETER_KEY)");
  }
  const { onRejected, waitUntil } = given;
  return { url, key, onRejected, waitUntil, limitsWhenAway: whenAway(given), limitsTimeout: timeout(given) };
}

/** @param {Settings} given */
function whenAway({ limitsWhenAway }) {
  const told = limitsWhenAway ?? (fromEnvironment("TWINMETER_LIMITS_WHEN_AWAY").trim() || WHEN_AWAY[0]);
  const found = WHEN_AWAY.find((value) => value === told);
  if (!found) throw new TypeError(`limitsWhenAway (TWINMETER_LIMITS_WHEN_AWAY): ${WHEN_AWAY.join(" or ")}`);
  return found;
}

/** @param {Settings} given */
function timeout({ limitsTimeout }) {
  const seconds = fromEnvironment("TWINMETER_LIMITS_TIMEOUT").trim();
  const told = Number(limitsTimeout ?? (seconds ? Number(seconds) * 1_000 : LIMITS_MS));
  if (told > 0 && told <= MOST_LIMITS_MS) return told;
  throw new TypeError(`limitsTimeout (ms; TWINMETER_LIMITS_TIMEOUT in seconds): up to ${MOST_LIMITS_MS}`);
}

/**
 * What has to be set before anything can be sent; empty where nothing is missing.
 * @param {Configuration} configuration
 */
export function missing({ url, key }) {
  const names = [!url && "TWINMETER_URL", !key && "TWINMETER_KEY"].filter(Boolean).join(" and ");
  return names && `set ${names}, or call configure({url, key})`;
}

/** @param {string} name */
function fromEnvironment(name) {
  try {
    return /** @type {any} */ (globalThis).process?.env?.[name] ?? "";
  } catch {
    return ""; // Deno without the permission to read it
  }
}

/** @param {string} text */
function checkedUrl(text) {
  if (!text) return "";
  /** @type {URL | undefined} */
  let url;
  try {
    url = new URL(text);
  } catch {
    // told below, without the text: it may hold a password
  }
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new TypeError("the address of the server (TWINMETER_URL) must be like https://twinmeter.example");
  }
  return text.replace(/\/+$/, "");
}
