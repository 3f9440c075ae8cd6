// Where calls are sent, and by which key: given in code, or by the environment.

/** @import { Settings } from "../index.d.ts" */

/** @typedef {{url: string, key: string, onRejected: Settings["onRejected"], waitUntil: Settings["waitUntil"]}} Configuration */

const SETTINGS = new Set(["url", "key", "onRejected", "waitUntil"]);
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
  return { url, key, onRejected: given.onRejected, waitUntil: given.waitUntil };
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
