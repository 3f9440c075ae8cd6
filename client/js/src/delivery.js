// One batch on its way: posted in as many parts as the server needs, and its receipts read row by row.

import { TOLERANCE_MS } from "./clock.js";
import { because, DELIVERED, faultsOf, REJECTED, receipt, receiptsOf } from "./receipts.js";

/** @import { Receipt } from "../index.d.ts" */
/** @import { Call } from "./calls.js" */
/** @import { Clock } from "./clock.js" */
/** @import { Outcomes } from "./outcomes.js" */
/** @import { Answer, Transport } from "./transport.js" */

const PATH = "/api/ai/track/batch";
/** Of a batch. A single row may have more: the server says whether it takes it. */
const MOST_BYTES = 1_000_000;

const OK = 200;
const TOO_LARGE = 413;
/** Something in the batch is not taken: which row it is shows when there is just one. */
const IN_PARTS = new Set([400, TOO_LARGE, 422]);
/** As with every status from 500 on: the server is busy, or away. */
const LATER = new Set([408, 425, 429]);
const UNAUTHORIZED = new Set([401, 403]);

/** The server has not taken a batch, but it, or another one, will. */
export class NotTakenError extends Error {
  /**
   * @param {string} reason
   * @param {{retryAfter?: number, slowly?: boolean}} [how] `slowly`: until somebody changes a key, an address, a version
   */
  constructor(reason, how = {}) {
    super(reason);
    this.how = how;
  }
}

/** Sends batches. A call that has its outcome `isOver`; the others are to be sent again. */
export class Delivery {
  #transport;
  #clock;
  #outcomes;

  /**
   * @param {Transport} transport
   * @param {Clock} clock
   * @param {Outcomes} outcomes
   */
  constructor(transport, clock, outcomes) {
    this.#transport = transport;
    this.#clock = clock;
    this.#outcomes = outcomes;
  }

  /**
   * Rejects with NotTakenError and UnreachableError.
   * @param {Call[]} calls
   */
  async deliver(calls) {
    if (!this.#clock.isAsked) await this.#transport.learnTime();
    const parts = this.#parts(calls);
    for (let part = parts.shift(); part; part = parts.shift()) {
      const lines = part.map((call) => call.row(this.#clock));
      const answer = await this.#transport.post(PATH, lines);
      if (answer.status === OK) this.#read(part, answer);
      else if (!IN_PARTS.has(answer.status)) throw notTaken(answer);
      else if (part.length === 1) this.#outcomes.rejectedCall(part[0], receipt(REJECTED, problemsOf(answer)));
      else {
        const half = part.length >> 1;
        parts.unshift(part.slice(0, half), part.slice(half));
      }
    }
  }

  /** @param {Call[]} calls */
  #parts(calls) {
    /** @type {Call[][]} */
    const parts = [];
    let size = MOST_BYTES;
    for (const call of calls) {
      const bytes = call.row(this.#clock).length;
      size += bytes;
      if (size > MOST_BYTES) {
        parts.push([]);
        size = bytes;
      }
      parts[parts.length - 1].push(call);
    }
    return parts;
  }

  /**
   * @param {Call[]} part
   * @param {Answer} answer
   */
  #read(part, { content }) {
    const receipts = receiptsOf(content);
    if (!receipts) {
      const reason = "the server's answer has no receipts: see whether TWINMETER_URL is a twinmeter server";
      throw new NotTakenError(reason, { slowly: true });
    }
    part.slice(0, receipts.length).forEach((call, index) => {
      const told = receipts[index];
      if (DELIVERED.has(told.status)) this.#outcomes.deliveredCall(call, told);
      else if (told.status === REJECTED && !this.#wasMisdated(call, told)) this.#outcomes.rejectedCall(call, told);
    });
    if (receipts.length !== part.length) {
      throw new NotTakenError(`the server has answered ${part.length} calls with ${receipts.length} receipts`);
    }
  }

  /**
   * Whether a call was refused for a time that is known better now. It is then dated anew.
   * @param {Call} call
   * @param {Receipt} told
   */
  #wasMisdated(call, told) {
    const isForTime = told.errors.length > 0 && told.errors.every(({ field }) => field === "createdAt");
    if (!isForTime || call.isDated || Math.abs(call.offset - this.#clock.offset) <= TOLERANCE_MS) return false;
    call.redate();
    return true;
  }
}

/** @param {Answer} answer */
function notTaken({ status, retryAfter, location }) {
  if (LATER.has(status) || status >= 500) return new NotTakenError(`the server answers ${status}`, { retryAfter });
  const how = { retryAfter, slowly: true };
  if (UNAUTHORIZED.has(status)) {
    const advice = "set TWINMETER_KEY to one with the scope ingest";
    return new NotTakenError(`the server does not accept the key (${status}): ${advice}`, how);
  }
  if (location) {
    const advice = `set TWINMETER_URL to where it is, by ${location.slice(0, 200)}`;
    return new NotTakenError(`the server answers ${status}: ${advice}`, how);
  }
  const advice = "see whether TWINMETER_URL is right, and the server not too old";
  return new NotTakenError(`the server answers ${status}: ${advice}`, how);
}

/** @param {Answer} answer */
function problemsOf({ status, content }) {
  try {
    const problem = JSON.parse(content);
    const faults = faultsOf(problem);
    if (faults.length || problem.detail) return faults.length ? faults : because(String(problem.detail));
  } catch {
    // no problem document: the status has to do
  }
  return because(status === TOO_LARGE ? "the call is too large" : `status ${status}`);
}
