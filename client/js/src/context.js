// Fields that hold for every call made inside a function: who the user is is known far from where the model is called.

import { told } from "./calls.js";

/** @import { CallFields } from "../index.d.ts" */

/** @typedef {(promise: Promise<unknown>) => void} WaitUntil */
/**
 * A block of `call`, whose call a wrapped client may report; where that is refused, it is the block's again.
 * @typedef {{handOver(): Record<string, unknown>, takeBack(): void}} Block
 */
/** A reservation, which the first call inside takes. @typedef {{claim(fields: Record<PropertyKey, any>): object}} Held */
/** @typedef {{fields: Record<string, unknown>, waitUntil?: WaitUntil, block?: Block, held?: Held}} Around */
/** @typedef {{run<T>(store: Around, fn: () => T): T, getStore(): Around | undefined}} Storage */

const NODE_MODULE = "node:async_hooks";
const VERCEL = Symbol.for("@vercel/request-context");

/** @type {Storage | undefined} */
let storage;
/** What is around a synchronous function, where there is no storage. @type {Around | undefined} */
let here;

const runtime = /** @type {any} */ (globalThis);
const AsyncLocalStorage =
  runtime.AsyncLocalStorage ?? runtime.process?.getBuiltinModule?.(NODE_MODULE)?.AsyncLocalStorage;
if (AsyncLocalStorage) {
  storage = new AsyncLocalStorage();
} else if (runtime.process?.versions?.node) {
  // Node before 20.16 has it by import alone, which takes a moment
  import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_MODULE).then(
    (found) => {
      storage ??= new found.AsyncLocalStorage();
    },
    () => {}, // a bundle for another runtime: blocks then hold for synchronous code
  );
}

/**
 * Run `fn`, and give every call that is reported inside, also after an `await`, these fields where it has none of its
 * own. Blocks nest: the inner one's fields come first. `waitUntil` is that of the request, for edge runtimes.
 * @template T
 * @param {Partial<CallFields> & {waitUntil?: WaitUntil}} fields
 * @param {() => T} fn
 * @returns {T}
 */
export function withContext(fields, fn) {
  const outer = surroundings();
  const { waitUntil, ...inner } = toldSafely(fields);
  return within({ ...outer, fields: { ...outer.fields, ...inner }, waitUntil: waitUntil ?? outer.waitUntil }, fn);
}

/**
 * Run `fn` with this around it, and nothing else.
 * @template T
 * @param {Around} around
 * @param {() => T} fn
 * @returns {T}
 */
export function within(around, fn) {
  if (storage) return storage.run(around, fn);
  const before = here;
  here = around;
  try {
    return fn();
  } finally {
    here = before;
  }
}

/** What the blocks around say, the innermost first. @returns {Around} */
export const surroundings = () => storage?.getStore() ?? here ?? { fields: {} };

/**
 * The fields of a call that begins here, which takes the reservation around it.
 * @template {Record<string, any>} F
 * @param {F} fields
 * @returns {F}
 */
export function withReservation(fields) {
  const { held, fields: around } = surroundings();
  return held ? { ...fields, ...held.claim({ ...around, ...fields }) } : fields;
}

/**
 * What keeps a request's runtime at work after its answer, where there is such a thing.
 * @param {WaitUntil} [configured]
 */
export function keepAlive(configured) {
  const request = runtime[VERCEL]?.get?.();
  return surroundings().waitUntil ?? configured ?? request?.waitUntil?.bind(request);
}

/** @param {Record<string, any>} fields */
function toldSafely(fields) {
  try {
    return told(fields);
  } catch {
    return {};
  }
}
