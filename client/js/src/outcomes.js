// What became of calls: counted, told to who waits, and logged once for each reason.

import { because, receipt } from "./receipts.js";

/** @import { Receipt } from "../index.d.ts" */
/** @import { Call } from "./calls.js" */
/** @import { Notices } from "./notices.js" */
/** @import { Configuration } from "./settings.js" */

/** Fields that servers from before this client do not know; all others are as old as it is. */
const OF_PROVIDERS = new Set(["usage", "response"]);
const UNKNOWN = /^unknown field/;

export class Outcomes {
  delivered = 0;
  rejected = 0;
  lost = 0;
  mended = 0;
  #notices;
  #onRejected;

  /**
   * @param {Notices} notices
   * @param {Configuration["onRejected"]} onRejected
   */
  constructor(notices, onRejected) {
    this.#notices = notices;
    this.#onRejected = onRejected;
  }

  /**
   * The server has it.
   * @param {Call} call
   * @param {Receipt} receipt
   */
  deliveredCall(call, receipt) {
    if (call.isOver) return; // it was sent twice
    call.isOver = true;
    this.delivered += 1;
    if (call.mended.length) {
      this.mended += 1;
      const names = call.mended.join(", ");
      this.#notices.once(`mended ${names}`, `a call was sent without what JSON or the server cannot hold: ${names}`);
    }
    call.report?.told(receipt);
  }

  /**
   * The server never takes it.
   * @param {Call} call
   * @param {Receipt} receipt
   */
  rejectedCall(call, receipt) {
    if (call.isOver) return;
    call.isOver = true;
    this.rejected += 1;
    const faults = receipt.errors.map(({ field, message }) => `${field || "the call"}: ${message}`).join("; ");
    const isTooOld = receipt.errors.some(({ field, message }) => OF_PROVIDERS.has(field) && UNKNOWN.test(message));
    const reasons = isTooOld ? `the server is older than this client, and has to be upgraded (${faults})` : faults;
    this.#notices.once(`rejected ${reasons}`, `the server rejects a call, and others like it: ${reasons}`);
    call.report?.told(receipt);
    try {
      const said = /** @type {any} */ (this.#onRejected?.(call.sent, receipt));
      if (typeof said?.catch === "function") said.catch((/** @type {unknown} */ error) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * It could not be kept.
   * @param {Call} call
   * @param {string} reason
   */
  lostCall(call, reason) {
    call.isOver = true;
    this.lost += 1;
    call.report?.told(receipt("dropped", because(reason)));
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#notices.once("onRejected", "onRejected has thrown an error", error);
  }
}
