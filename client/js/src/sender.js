// Sends what waits. A call stays in hand until it has its outcome, or goes back to where it came from.

import { NotTakenError } from "./delivery.js";
import { Pause } from "./pause.js";
import { because, receipt } from "./receipts.js";
import { UnreachableError } from "./transport.js";

/** @import { Call } from "./calls.js" */
/** @import { Delivery } from "./delivery.js" */
/** @import { Notices } from "./notices.js" */

export const MOST_CALLS = 10_000;
/** Rows of a batch. */
const BATCH = 500;
/** How long a batch waits for more calls. */
const LINGER_MS = 500;
/** Attempts in a row that fail before it is logged: a server that is restarted is not worth a line. */
const TOLD_AFTER = 3;
/** After so long what is in hand is taken for left there: some runtimes end a request in the middle of what it does. */
const LEFT_MS = 120_000;
/** How long what a request has reported is tried by that request, on runtimes where each has its own life. */
const REQUEST_MS = 20_000;

export class Sender {
  #delivery;
  #notices;
  #pause = new Pause();
  /** @type {Call[]} */
  #waiting = [];
  /** Since when. @type {Map<Call, number>} */
  #inHand = new Map();
  /** @type {Set<() => void>} */
  #watchers = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isRunning = false;
  #isHurried = false;
  /** Why nothing can be sent just now; empty where it can. */
  trouble = "";

  /**
   * @param {Delivery} delivery
   * @param {Notices} notices
   */
  constructor(delivery, notices) {
    this.#delivery = delivery;
    this.#notices = notices;
  }

  /** Calls that are here, those in hand included. */
  get size() {
    return this.#waiting.length + this.#inHand.size;
  }

  /** Whether an attempt has failed, and the next one is not due yet. */
  get isPausing() {
    return this.#pause.left > 0;
  }

  /**
   * Take a call in; false where there is no room.
   * @param {Call} call
   */
  put(call) {
    if (this.size >= MOST_CALLS) return false;
    this.#waiting.push(call);
    return true;
  }

  /** See that what waits is sent: soon, or at once where there is a batch of it, or somebody waits. */
  wake() {
    if (this.#isRunning || !this.#waiting.length) return;
    const isDue = this.#isHurried || this.#waiting.length >= BATCH;
    const wait = this.#pause.left || (isDue ? 0 : LINGER_MS);
    if (this.#timer !== undefined && wait > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), wait);
    letGo(this.#timer);
  }

  hurry() {
    this.#isHurried = true;
    this.wake();
  }

  /**
   * Send until no call up to this number is left, or so many ms are over; sooner where the next attempt comes too late.
   * @param {number} number
   * @param {number} timeout
   */
  async settle(number, timeout) {
    const until = performance.now() + timeout;
    this.#pause.cutShort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (let left = timeout; left > 0 && !this.#hasSettled(number); left = until - performance.now()) {
      if (this.#pause.left > left) break;
      this.hurry();
      await this.#change(Math.min(left, this.#pause.left || left));
    }
  }

  /**
   * Send what waits, beside whatever else is sent: for a request of an edge runtime, which can rely on no other's
   * promises and timers. Never rejects.
   * @param {number} number
   */
  async sendHere(number) {
    const until = performance.now() + REQUEST_MS;
    await sleep(LINGER_MS);
    while (this.#waiting.some((call) => call.number <= number)) {
      const wait = this.#pause.left;
      if (performance.now() + wait > until) return;
      if (wait > 0) await sleep(wait);
      else await this.#step();
    }
  }

  /** All that waits, and is in hand: it will not be sent. */
  drain() {
    const calls = [...this.#inHand.keys(), ...this.#waiting].filter((call) => !call.isOver);
    this.#waiting = [];
    this.#inHand.clear();
    return calls;
  }

  async #run() {
    this.#timer = undefined;
    if (this.isPausing) return this.wake();
    this.#isRunning = true;
    try {
      do {
        await this.#step();
      } while (!this.isPausing && (this.#waiting.length >= BATCH || (this.#isHurried && this.#waiting.length)));
    } finally {
      this.#isRunning = false;
      if (!this.#waiting.length) this.#isHurried = false;
      this.wake();
    }
  }

  /** Send one batch. Never rejects. */
  async #step() {
    this.#takeUp();
    const calls = this.#waiting.splice(0, BATCH);
    for (const call of calls) this.#inHand.set(call, performance.now());
    try {
      if (calls.length) await this.#attempt(calls);
    } catch (error) {
      this.#pause.failed(); // a bug of ours must not end the sending of all that follows
      this.#notices.once("bug", "the sender has failed, and goes on", error);
    }
    const again = calls.filter((call) => this.#inHand.delete(call) && !call.isOver);
    this.#waiting.unshift(...again);
    for (const { report } of again) report?.told(receipt("queued", because(this.trouble)));
    for (const watcher of this.#watchers) watcher();
  }

  /** What was left in hand is sent again: it counts once. */
  #takeUp() {
    const until = performance.now() - LEFT_MS;
    const left = [...this.#inHand].filter(([, since]) => since < until).map(([call]) => call);
    for (const call of left) this.#inHand.delete(call);
    this.#waiting.unshift(...left);
  }

  /** @param {Call[]} calls */
  async #attempt(calls) {
    try {
      await this.#delivery.deliver(calls);
    } catch (error) {
      if (error instanceof NotTakenError) this.#failed(error.message, error.how);
      else if (error instanceof UnreachableError) this.#failed(`the server cannot be reached: ${error.message}`);
      else throw error;
      return;
    }
    if (!calls.every((call) => call.isOver)) return this.#failed("the server could not store all of the calls");
    this.#pause.succeeded();
    this.trouble = "";
    this.#notices.over("trouble");
  }

  /**
   * @param {string} reason
   * @param {{retryAfter?: number, slowly?: boolean}} [how]
   */
  #failed(reason, how = {}) {
    this.trouble = reason;
    this.#pause.failed(how);
    if (how.slowly || this.#pause.faults >= TOLD_AFTER) {
      this.#notices.once(`trouble ${reason}`, `calls are kept, and sent again later: ${reason}`);
    }
  }

  /** @param {number} number */
  #hasSettled(number) {
    return (
      !this.#waiting.some((call) => call.number <= number) &&
      ![...this.#inHand.keys()].some((call) => call.number <= number)
    );
  }

  /**
   * Wait until something was sent, or could not be; or for so many ms.
   * @param {number} ms
   */
  async #change(ms) {
    /** @type {() => void} */
    let watcher = () => {};
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    await new Promise((resolve) => {
      watcher = () => resolve(undefined);
      this.#watchers.add(watcher);
      timer = setTimeout(watcher, ms);
    });
    clearTimeout(timer);
    this.#watchers.delete(watcher);
  }
}

/**
 * A timer that keeps no process from its end: what is left then is for `life.js`.
 * @param {any} timer
 */
function letGo(timer) {
  const { Deno } = /** @type {any} */ (globalThis);
  if (typeof timer?.unref === "function") timer.unref();
  else Deno?.unrefTimer?.(timer);
}

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
