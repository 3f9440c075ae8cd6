// A client: whatever an application reports, by whatever way, ends in `Client.report`.

import { Asker } from "./asking.js";
import { Call, randomDigits, told } from "./calls.js";
import { Clock } from "./clock.js";
import { keepAlive, surroundings, withReservation } from "./context.js";
import { Delivery } from "./delivery.js";
import { AT_MOST, estimated } from "./estimate.js";
import { watchOver } from "./life.js";
import { Notices } from "./notices.js";
import { Outcomes } from "./outcomes.js";
import { because, receipt } from "./receipts.js";
import { Report } from "./report.js";
import { MOST_CALLS, Sender } from "./sender.js";
import { configured, missing, UNCONFIGURED } from "./settings.js";
import { Transport } from "./transport.js";

/** @import { Counts, Flushed, Settings } from "../index.d.ts" */
/** @import { Configuration } from "./settings.js" */

const FLUSH_MS = 5_000;

/** Reports calls to one server with one key. Nothing it does throws or rejects. */
export class Client {
  #configuration;
  #notices = new Notices();
  #outcomes;
  #transport;
  #sender;
  #asker;
  #number = 0;
  #process = "";
  /** What is wrong with the environment, for the client that stands for a missing one. */
  problem = "";

  /** @param {Configuration} configuration */
  constructor(configuration) {
    const clock = new Clock();
    this.#configuration = configuration;
    this.#outcomes = new Outcomes(this.#notices, configuration.onRejected);
    this.#transport = new Transport(configuration, clock);
    this.#asker = new Asker(configuration, this.#transport, this.#notices);
    this.#sender = new Sender(new Delivery(this.#transport, clock, this.#outcomes), this.#notices);
  }

  /** Who asks the server about limits, or why nobody can. */
  get asker() {
    const reason = this.problem || missing(this.#configuration);
    return reason ? { reason } : this.#asker;
  }

  /** What becomes of calls whose limits cannot be checked. */
  get limitsWhenAway() {
    return this.#configuration.limitsWhenAway;
  }

  get waitUntil() {
    return this.#configuration.waitUntil;
  }

  /**
   * Report one call. What `fields` lack comes from `withContext`.
   * @param {Record<string, any>} fields
   * @returns {Report}
   */
  report(fields) {
    const report = new Report(() => this.#hurry(report));
    try {
      const reason = this.#take(fields, report);
      if (reason) report.told(receipt("dropped", because(reason)));
    } catch (error) {
      this.#outcomes.lost += 1;
      this.#notices.once("failed", "a call is lost by a fault of the client", error);
      report.told(receipt("dropped", because("internal error")));
    }
    return report;
  }

  /**
   * Send what was reported until now, for so many ms at most. A pause that the server has asked for is kept.
   * @param {{timeout?: number}} [options]
   * @returns {Promise<Flushed>}
   */
  async flush({ timeout = FLUSH_MS } = {}) {
    try {
      await Promise.all([this.#sender.settle(this.#number, timeout), within(this.#asker.settled(), timeout)]);
    } catch (error) {
      this.#notices.once("flush", "a flush has failed", error);
    }
    const { delivered, rejected, waiting } = this.counts();
    return { delivered, rejected, waiting };
  }

  /** What became of the calls so far. @returns {Counts} */
  counts() {
    const { delivered, rejected, lost, mended } = this.#outcomes;
    return { delivered, rejected, waiting: this.#sender.size, lost, mended };
  }

  /** The process ends: what is left is lost, counted and said. */
  end() {
    const left = this.#sender.drain();
    this.#transport.end();
    if (!left.length) return;
    const reason = `they were left at the exit: ${this.#sender.trouble || "the server has not answered in time"}`;
    for (const call of left) this.#outcomes.lostCall(call, reason);
    this.#notices.once("left", `calls are lost: ${left.length}; ${reason}`);
  }

  /**
   * @param {string} kind
   * @param {string} message
   */
  say(kind, message) {
    this.#notices.once(kind, message);
  }

  /**
   * @param {string} kind
   * @param {unknown} error
   */
  failed(kind, error) {
    this.#notices.once(kind, `${kind} has failed; the application's call goes on`, error);
  }

  /**
   * Queue one call. Why it is lost, where it is.
   * @param {Record<PropertyKey, any>} fields
   * @param {Report} report
   */
  #take(fields, report) {
    const problem = this.problem || missing(this.#configuration);
    if (problem) return this.#lost("unconfigured", problem, `calls are not sent: ${problem}`);
    const around = surroundings().fields;
    this.#process ||= randomDigits();
    const number = ++this.#number;
    const id = `${this.#process}${number.toString(16).padStart(8, "0")}`;
    const known = { [AT_MOST]: fields[AT_MOST], ...around, ...withoutEmpty(told(fields), around) };
    const call = new Call(number, id, Date.now(), estimated(withReservation(known)), report);
    if (!this.#sender.put(call)) {
      const reason = `${MOST_CALLS} calls wait already`;
      return this.#lost("full", reason, `calls are lost: ${reason}. ${this.#sender.trouble}`);
    }
    watchOver(this);
    if (!this.#isKeptAlive(number)) this.#sender.wake();
    return "";
  }

  /**
   * Whether a request keeps itself at work until its call of this number is sent.
   * @param {number} number
   */
  #isKeptAlive(number) {
    try {
      const waitUntil = keepAlive(this.#configuration.waitUntil);
      const said = /** @type {any} */ (waitUntil?.(this.#sender.sendHere(number)));
      if (typeof said?.catch === "function")
        said.catch((/** @type {unknown} */ error) => this.failed("waitUntil", error));
      return Boolean(waitUntil);
    } catch (error) {
      this.failed("waitUntil", error);
      return false;
    }
  }

  /**
   * @param {string} kind
   * @param {string} reason
   * @param {string} message
   */
  #lost(kind, reason, message) {
    this.#outcomes.lost += 1;
    this.#notices.once(kind, message);
    return reason;
  }

  /**
   * Somebody waits for this receipt: nobody does while the server is away.
   * @param {Report} report
   */
  #hurry(report) {
    if (this.#sender.isPausing) report.told(receipt("queued", because(this.#sender.trouble)));
    else this.#sender.hurry();
  }
}

/**
 * An empty text is no user where the context has one.
 * @param {Record<string, any>} fields
 * @param {Record<string, any>} around
 */
function withoutEmpty(fields, around) {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => value !== "" || !(name in around)));
}

/**
 * Until something has happened, or so many ms are over.
 * @param {Promise<unknown>} something
 * @param {number} ms
 */
async function within(something, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([something, over]);
  clearTimeout(timer);
}

/** @type {Client | undefined} */
let configuredClient;
/** @type {Client | undefined} */
let unconfigured;

/** The client of this process. As long as the environment lacks what it needs, it is looked at again with each call. */
export function current() {
  if (configuredClient) return configuredClient;
  /** @type {string} */
  let problem;
  try {
    const configuration = configured();
    problem = missing(configuration);
    if (!problem) {
      configuredClient = new Client(configuration);
      return configuredClient;
    }
  } catch (error) {
    problem = /** @type {Error} */ (error).message;
  }
  unconfigured ??= new Client(UNCONFIGURED);
  unconfigured.problem = problem;
  return unconfigured;
}

/**
 * Set in code what the environment does not. What was reported before is still sent to where it was meant for.
 * Throws TypeError.
 * @param {Settings} settings
 */
export function configure(settings) {
  configuredClient = new Client(configured(settings));
}
