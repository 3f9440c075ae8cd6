// Whether the server is worth asking: one that is dead or slow costs time only whoever looks whether it is back.

/** @import { Away } from "./decisions.js" */

const FIRST_MS = 250;
const LONGEST_MS = 5_000;
/** What a server may ask for by `Retry-After`: meanwhile no limit holds, or nobody is served. */
const LONGEST_ASKED_MS = 60_000;

/** After a fault nobody asks for a while, then one does. */
export class Circuit {
  #faults = 0;
  #until = 0;
  #reason = "";
  /** Grows with each fault: whatever was asked before it and fails is part of it. */
  turn = 0;

  /** Whether the server has answered the last time. */
  get isClosed() {
    return !this.#faults;
  }

  /** Why not to ask now; undefined where this caller is to ask, and to tell what comes of it. @returns {Away | undefined} */
  away() {
    if (!this.#faults) return undefined;
    const left = this.#until - performance.now();
    if (left > 0) return { reason: this.#reason, retryAfter: left };
    this.#until = performance.now() + LONGEST_MS; // the others wait for what this one finds
    return undefined;
  }

  /**
   * What was asked at this turn was in vain.
   * @param {Away} away
   * @param {number} turn
   */
  failed({ reason, retryAfter = 0, slowly }, turn) {
    if (turn !== this.turn) return;
    this.turn += 1;
    const longest = slowly ? LONGEST_MS : Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#faults, 20));
    this.#faults += 1;
    this.#reason = reason;
    const jittered = longest * (1 - Math.random() / 2);
    this.#until = performance.now() + Math.max(jittered, Math.min(retryAfter, LONGEST_ASKED_MS));
  }

  /** The server is there. */
  answered() {
    this.#faults = 0;
  }
}
