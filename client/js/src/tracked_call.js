// Timing a model call and reporting it, whatever its outcome, without changing the application's own code.

import { current } from "./client.js";
import { surroundings, within, withReservation } from "./context.js";
import { QuotaExceededError } from "./decisions.js";
import { AT_MOST, INTERRUPTED } from "./estimate.js";
import { permitted } from "./limits.js";
import { fieldsOf, StreamReading } from "./usage.js";

/** @import { CallFields, Terms, TrackedCall as Told } from "../index.d.ts" */
/** @import { Report } from "./report.js" */

const TOO_MANY_REQUESTS = 429;
const ABORTED = new Set(["AbortError", "APIUserAbortError"]);

/** @typedef {Partial<CallFields> & Record<PropertyKey, unknown>} Fields */

/**
 * One model call. Nothing it does throws.
 * @implements {Told}
 */
export class TrackedCall {
  #around = surroundings();
  #known;
  #requested;
  /** How many calls a wrapped client reports instead of this one. */
  #handedOver = 0;
  #isOver = false;
  #started = performance.now();
  /** @type {number | undefined} */
  #firstToken;
  /** @type {Fields} */
  #facts = {};
  /** @type {StreamReading | undefined} */
  #reading;
  #hasStreamEnded = false;
  #isRecorded = false;
  /** Its report, once the call has ended. @type {Report | undefined} */
  report;

  /**
   * @param {Fields} known fields that hold whatever the provider answers
   * @param {() => string} [requested] the model that was asked for, where the response names none
   */
  constructor(known, requested = () => "") {
    this.#known = known;
    this.#requested = requested;
  }

  /** Its fields, for a wrapped client that reports its own calls. This one then reports nothing. */
  handOver() {
    const { reservationId, [AT_MOST]: _, ...known } = this.#known;
    this.#handedOver += 1;
    return this.#handedOver === 1 ? this.#known : known; // a reservation is of one call
  }

  /** The call that was handed over last was refused: there is none. */
  takeBack() {
    this.#handedOver -= 1;
  }

  /** It begins now, after the server was asked. @param {object} fields those of its reservation */
  permit(fields) {
    this.#known = { ...this.#known, ...fields };
    this.#started = performance.now();
  }

  /**
   * Run `fn` as what this call is about.
   * @template T
   * @param {() => T} fn
   * @returns {T}
   */
  around(fn) {
    return within({ ...this.#around, block: this }, fn);
  }

  /** Whether it was told what the provider has answered. */
  get isRecorded() {
    return this.#isRecorded;
  }

  /**
   * Take the usage of a complete response. `facts` are further fields, and come first.
   * @param {unknown} response
   * @param {Fields} [facts]
   */
  record(response, facts = {}) {
    this.#guarded(() => {
      this.#isRecorded = true;
      this.#facts = { ...fieldsOf(response), ...facts };
    });
  }

  /**
   * Take what is known of a response that says nothing itself.
   * @param {Fields} facts
   */
  recordFacts(facts) {
    this.#isRecorded = true;
    this.#facts = facts;
  }

  /**
   * Pass the events of a stream through untouched, and record their usage.
   * @template T
   * @param {AsyncIterable<T>} chunks
   * @returns {AsyncGenerator<T, void, undefined>}
   */
  async *stream(chunks) {
    this.begin();
    for await (const chunk of chunks) {
      this.take(chunk);
      yield chunk;
    }
    this.complete();
  }

  /** A stream begins. */
  begin() {
    this.#isRecorded = true;
    this.#reading ??= new StreamReading();
  }

  /**
   * An event of the stream has come.
   * @param {unknown} event
   */
  take(event) {
    this.#guarded(() => {
      if (this.#reading?.take(event)) this.#firstToken ??= performance.now();
    });
  }

  /** The stream has come to its end. */
  complete() {
    this.#hasStreamEnded = true;
  }

  /**
   * The call is over: report it, once.
   * @param {unknown} [error]
   * @param {boolean} [hasFailed] also where nothing was thrown that could be told
   */
  end(error, hasFailed = error !== undefined) {
    if (this.#isOver || this.#handedOver) return;
    this.#isOver = true;
    if (this.#wasRefused(error)) return;
    const ended = performance.now();
    this.#guarded(() => {
      const read = this.#reading ? { ...this.#reading.fields, ...this.#facts } : this.#facts;
      const fields = {
        requestDuration: ended - this.#started,
        ...(this.#firstToken !== undefined && { timeToFirstToken: this.#firstToken - this.#started }),
        ...read,
        ...this.#known,
        ...this.#outcome(error, hasFailed),
      };
      const { model, modelVersion } = /** @type {any} */ (fields.response) ?? {};
      const isNamed = fields.model || model || modelVersion;
      const reported = isNamed ? fields : { ...fields, model: this.#requested() || "unknown" };
      // a stream may end in somebody else's block
      this.report = within(this.#around, () => current().report(reported));
    });
  }

  /**
   * Whether it was refused before it was made, by a limit: then there is no call.
   * @param {unknown} error
   */
  #wasRefused(error) {
    return error instanceof QuotaExceededError && !this.#isRecorded && !this.#known.reservationId;
  }

  /** It is not made. */
  refuse() {
    this.#isOver = true;
  }

  /** It was cut off, or nobody wants its answer. */
  interrupt() {
    this.end(undefined, true);
  }

  /**
   * @param {unknown} error
   * @param {boolean} hasFailed
   * @returns {Fields}
   */
  #outcome(error, hasFailed) {
    if (hasFailed) return { status: statusOf(error), errorMessage: kindOf(error) };
    if (this.#reading && !this.#hasStreamEnded) return { status: "error", errorMessage: INTERRUPTED };
    return {};
  }

  /** @param {() => void} hook */
  #guarded(hook) {
    try {
      hook();
    } catch (error) {
      current().failed("the tracking of a call", error);
    }
  }
}

/**
 * Time what `fn` does, and report it as one call, also where it fails; errors propagate unchanged. What it returns is
 * the response, unless it told another one by `record` or `stream`. A wrapped client that is called inside reports each
 * of its calls itself, with these fields. With `enforce` the server is asked first, by `bounds`; where it refuses, this
 * rejects with QuotaExceededError, or what `onRefused` throws, and `fn` is not run.
 * @template T
 * @param {Fields & Terms} fields
 * @param {(call: TrackedCall) => T | PromiseLike<T>} fn
 * @returns {Promise<T>}
 */
export async function call({ enforce, bounds, onRefused, ...fields }, fn) {
  const known = withReservation(fields);
  const isAsked = enforce && !known.reservationId;
  const held = isAsked ? (await permitted(known, bounds, onRefused)).fields : {};
  const tracked = new TrackedCall({ ...known, ...held });
  try {
    const result = await tracked.around(() => fn(tracked));
    if (!tracked.isRecorded && typeof result === "object" && result !== null) tracked.record(result);
    tracked.end();
    return result;
  } catch (error) {
    tracked.end(error, true);
    throw error;
  }
}

/**
 * From what the SDKs of all providers have in common: a time-out in the name, 429 as the status.
 * @param {any} error
 */
function statusOf(error) {
  const name = nameOf(error).toLowerCase();
  if (name.includes("timeout")) return "timeout";
  if ((error?.status ?? error?.statusCode ?? error?.code) === TOO_MANY_REQUESTS) return "rate_limited";
  return name.includes("ratelimit") ? "rate_limited" : "error";
}

/**
 * Only the kind of error: a provider's message may quote the prompt.
 * @param {any} error
 */
function kindOf(error) {
  const name = nameOf(error);
  return !name || ABORTED.has(name) ? INTERRUPTED : name;
}

/** @param {any} error */
function nameOf(error) {
  try {
    const name = error?.name;
    return typeof name === "string" && name !== "Error" ? name : (error?.constructor?.name ?? "");
  } catch {
    return "";
  }
}
