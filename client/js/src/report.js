// A call that was reported, for who wants to know what became of it: by `await`, or by looking later.

import { receipt } from "./receipts.js";

/** @import { Receipt } from "../index.d.ts" */

export const WAIT_MS = 5_000;

/** Its receipt is `queued` until the server's has come. It waits, and hurries, only where somebody awaits it. */
export class Report {
  receipt = receipt("queued");
  #isOver = false;
  /** @type {(() => void) | undefined} */
  #hurry;
  /** @type {Promise<Receipt> | undefined} */
  #promise;
  /** @type {((receipt: Receipt) => void) | undefined} */
  #resolve;

  /** @param {() => void} [hurry] */
  constructor(hurry) {
    this.#hurry = hurry;
  }

  /**
   * The outcome, or what there is of it: who waits is told.
   * @param {Receipt} receipt
   */
  told(receipt) {
    this.receipt = receipt;
    this.#isOver = receipt.status !== "queued";
    this.#resolve?.(receipt);
  }

  /**
   * @template A, B
   * @param {((receipt: Receipt) => A | PromiseLike<A>) | null} [fulfilled]
   * @param {((error: unknown) => B | PromiseLike<B>) | null} [rejected]
   */
  // biome-ignore lint/suspicious/noThenProperty: it is for `await`
  then(fulfilled, rejected) {
    return this.#awaited().then(fulfilled, rejected);
  }

  /**
   * It never rejects. This is here for callers who are used to promises that do.
   * @template B
   * @param {((error: unknown) => B | PromiseLike<B>) | null} [rejected]
   */
  catch(rejected) {
    return this.#awaited().catch(rejected);
  }

  /** @param {(() => void) | null} [ended] */
  finally(ended) {
    return this.#awaited().finally(ended);
  }

  get [Symbol.toStringTag]() {
    return "Report";
  }

  #awaited() {
    this.#promise ??= this.#isOver ? Promise.resolve(this.receipt) : this.#wait();
    return this.#promise;
  }

  async #wait() {
    /** @type {Promise<Receipt>} */
    const outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const timer = setTimeout(() => this.#resolve?.(this.receipt), WAIT_MS);
    try {
      this.#hurry?.();
      return await outcome;
    } finally {
      clearTimeout(timer);
    }
  }
}
