// Asking the server while somebody waits, for as long as there is time for it.

import { Circuit } from "./circuit.js";
import { isRefusal, toldOf } from "./decisions.js";
import { UnreachableError } from "./transport.js";

/** @import { Away } from "./decisions.js" */
/** @import { Notices } from "./notices.js" */
/** @import { Configuration } from "./settings.js" */
/** @import { Answer, Transport } from "./transport.js" */

/** @typedef {{status: number, told: Record<string, any>, retryAfter?: number}} Answered */

/** How long an answer is waited for that nobody wants any more: what it grants has to be given back. */
const LATE_MS = 10_000;
/** That wait until the server answers again. */
const MOST_ERRANDS = 1_000;
/** After which a reservation that could not be given back has ended by itself. */
const ERRAND_MS = 600_000;
const FORBIDDEN = 403;
const TOO_MANY_REQUESTS = 429;
const LATER = new Set([408, 425, TOO_MANY_REQUESTS]);
const SLOWLY = new Set([401, 404, 405]);

/** Asks one server. Nothing here rejects. */
export class Asker {
  #configuration;
  #transport;
  #notices;
  #circuit = new Circuit();
  /** Paths that are to be deleted, each with its time. @type {[string, number][]} */
  #errands = [];
  /** @type {Set<Promise<void>>} */
  #underWay = new Set();

  /**
   * @param {Configuration} configuration
   * @param {Transport} transport
   * @param {Notices} notices
   */
  constructor(configuration, transport, notices) {
    this.#configuration = configuration;
    this.#transport = transport;
    this.#notices = notices;
  }

  /**
   * What the server says, within `limitsTimeout`. `undo` is handed what it says later.
   * @param {string} path
   * @param {string} body
   * @param {(answered: Answered) => void} undo
   * @returns {Promise<Answered | Away>}
   */
  ask(path, body, undo) {
    const { turn } = this.#circuit;
    const away = this.#circuit.away();
    if (away) return Promise.resolve(away);
    return new Promise((resolve) => {
      let isOver = false;
      const ms = this.#configuration.limitsTimeout;
      const timer = setTimeout(() => {
        const away = { reason: `no answer within ${ms} ms` };
        isOver = true;
        this.#failed(away, turn);
        resolve(away);
      }, ms);
      this.#outcome("POST", path, body).then((outcome) => {
        clearTimeout(timer);
        const isAnswered = "status" in outcome;
        if (isOver) {
          if (isAnswered) undo(outcome);
          return;
        }
        if (isAnswered) this.#isThere();
        else if (!outcome.isOfOne) this.#failed(outcome, turn);
        resolve(outcome);
      });
    });
  }

  /**
   * Delete something. Nobody waits, and where the server is away it is sent again once that answers.
   * @param {string} path
   * @param {number} [since]
   * @returns {Promise<void>}
   */
  run(path, since = performance.now()) {
    if (!this.#circuit.isClosed) {
      if (this.#errands.length < MOST_ERRANDS) this.#errands.push([path, since]);
      return Promise.resolve();
    }
    const errand = this.#outcome("DELETE", path, undefined).then((outcome) => {
      this.#underWay.delete(errand);
      if (!("status" in outcome) && !outcome.isOfOne && this.#errands.length < MOST_ERRANDS) {
        this.#errands.push([path, since]);
      }
    });
    this.#underWay.add(errand);
    return errand;
  }

  /** Until nothing is under way that nobody waits for. */
  async settled() {
    while (this.#underWay.size) await Promise.all(this.#underWay);
  }

  #isThere() {
    this.#circuit.answered();
    this.#notices.over("limits");
    for (const [path, since] of this.#errands.splice(0)) {
      if (performance.now() - since < ERRAND_MS) this.run(path, since);
    }
  }

  /**
   * @param {Away} away
   * @param {number} turn
   */
  #failed(away, turn) {
    this.#circuit.failed(away, turn);
    const calls = this.#configuration.limitsWhenAway === "allow" ? "go on without" : "are refused";
    const message = `limits cannot be checked, and calls ${calls}: ${away.reason}`;
    this.#notices.once(`limits ${away.reason}`, message);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string | undefined} body
   * @returns {Promise<Answered | Away>}
   */
  async #outcome(method, path, body) {
    try {
      const ms = Math.max(LATE_MS, this.#configuration.limitsTimeout);
      return outcomeOf(await this.#transport.ask(method, path, body, ms), method);
    } catch (error) {
      const words = error instanceof UnreachableError ? error.message : "internal error";
      return { reason: `the server cannot be reached: ${words}` };
    }
  }
}

/**
 * What an answer says; Away where it says nothing of what was asked.
 * @param {Answer} answer
 * @param {string} method
 * @returns {Answered | Away}
 */
function outcomeOf({ status, content, retryAfter, location }, method) {
  const told = toldOf(content);
  if (status === TOO_MANY_REQUESTS && told && isRefusal(told)) return { status, told, retryAfter };
  if (LATER.has(status) || status >= 500) return { reason: `the server answers ${status}`, retryAfter };
  if (status === FORBIDDEN) {
    return { reason: "the server does not let this key, or token, ask for this user (403)", isOfOne: true };
  }
  if (SLOWLY.has(status) || location || (method === "POST" && !told)) {
    const advice = "see whether TWINMETER_URL and TWINMETER_KEY are right, and the server not too old";
    return { reason: `the server answers ${status}: ${advice}`, retryAfter, slowly: true };
  }
  return { status, told: told ?? {}, retryAfter };
}
