// Asking before a call is made: whether it may be, and for room that is held until it is reported. Nothing here rejects
// but where `enforce` says so.

import { randomDigits } from "./calls.js";
import { current } from "./client.js";
import { keepAlive, surroundings, within } from "./context.js";
import { decisionOf, QuotaExceededError, whenAway } from "./decisions.js";
import { AT_MOST, mostOf } from "./estimate.js";
import { DROPPED, REJECTED } from "./receipts.js";
import { plain, textOf } from "./values.js";

/** @import { AskFields, Decision, Receipt, Reservation as Told } from "../index.d.ts" */
/** @import { Answered, Asker } from "./asking.js" */
/** @import { Away } from "./decisions.js" */

const CHECK_PATH = "/api/ai/limits/check";
const RESERVE_PATH = "/api/ai/reservations";
/** Fields of the blocks around that say whose call it is, and of what. */
const AROUND = ["userId", "contentType", "clientId", "campaignId", "provider", "model", "serviceType", "serviceTier"];
/** What is given for a block holds for the calls inside, too. */
const OF_THE_BLOCK = ["userId", "contentType", "clientId"];
const NAMES = new Set([...AROUND, "requestId"]);
/** Where nobody says which: then no price is known either. */
const UNKNOWN_MODEL = "unknown";
const TOO_MANY_REQUESTS = 429;
/** What the call may take at most is not known, and a limit does not let that pass. */
const UNPROCESSABLE = 422;

/**
 * Whether a call would pass now; nothing is held.
 * @param {AskFields} [fields]
 * @returns {Promise<Decision>}
 */
export async function check(fields = {}) {
  const { decision } = await inquired(CHECK_PATH, fields, {});
  return decision;
}

/**
 * Hold room for one call, by the most that it can take. With `fn`: until it has run, for what is called inside.
 * @template T
 * @param {AskFields} fields
 * @param {(reservation: Reservation) => T | PromiseLike<T>} [fn]
 * @returns {Promise<any>}
 */
export async function reserve(fields, fn) {
  const reservation = new Reservation(await inquired(RESERVE_PATH, fields, { requestId: randomDigits() }), fields);
  if (!fn) return reservation;
  const around = surroundings();
  const own = Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => OF_THE_BLOCK.includes(name) && value),
  );
  try {
    return await within({ ...around, fields: { ...around.fields, ...own }, held: reservation }, () => fn(reservation));
  } finally {
    reservation.leave();
  }
}

/** @typedef {{decision: Decision, told: Record<string, any>, asker: Asker | undefined, user: unknown}} Inquired */

/**
 * Room for one call.
 * @implements {Told}
 */
export class Reservation {
  #asker;
  #user;
  #isFree = false;
  #isHeld = false;
  #isKept = false;
  #most;

  /**
   * @param {Inquired} inquired
   * @param {AskFields} asked
   */
  constructor({ decision, told, asker, user }, asked) {
    this.#asker = asker;
    this.#user = user;
    this.#most = mostOf(asked);
    this.decision = decision;
    /** @type {string | null} */
    this.id = decision.allowed && typeof told.id === "string" ? told.id : null;
    this.expiresAt = this.id && told.expiresAt ? new Date(told.expiresAt) : null;
    this.#isFree = this.#isHeld = this.id !== null;
  }

  get allowed() {
    return this.decision.allowed;
  }

  /** @param {Receipt | null} [receipt] */
  settle(receipt) {
    this.#isKept = true;
    if (receipt?.status === REJECTED || receipt?.status === DROPPED) this.#giveBack();
  }

  release() {
    if (!this.#isKept) this.#giveBack();
  }

  /** The block has ended: what no call has taken is given back. */
  leave() {
    if (this.#isFree) this.release();
  }

  /**
   * What it adds to the first call that asks for it; nothing for others, and for calls of other users.
   * @param {Record<PropertyKey, any>} fields
   */
  claim(fields) {
    const given = fields.reservationId;
    if (given === this.id) this.#isFree = false;
    const isOf = fields.userId === undefined || textOf(fields.userId) === textOf(this.#user);
    if (given || !this.#isFree || !this.#isHeld || !isOf) return {};
    this.#isFree = false;
    return this.fields;
  }

  /** What the call it is for is reported with. */
  get fields() {
    return this.id === null ? {} : { reservationId: this.id, [AT_MOST]: this.#most };
  }

  #giveBack() {
    if (!this.#isHeld || !this.#asker) return;
    this.#isHeld = this.#isFree = false;
    giveBack(this.#asker, this.id);
  }
}

/**
 * Ask for a call that is about to be made. Rejects with QuotaExceededError, or what `onRefused` throws.
 * @param {Record<string, any>} known the fields of the call
 * @param {AskFields | undefined} bounds
 * @param {((decision: Decision) => unknown) | undefined} onRefused
 * @returns {Promise<Reservation>}
 */
export async function permitted(known, bounds, onRefused) {
  const own = Object.fromEntries(AROUND.map((name) => [name, known[name]]));
  const reservation = await reserve({ ...withoutEmpty(own), ...bounds });
  if (!reservation.allowed) {
    await onRefused?.(reservation.decision);
    throw new QuotaExceededError(reservation.decision);
  }
  return reservation;
}

/**
 * @param {string} path
 * @param {Record<string, any>} fields
 * @param {Record<string, any>} more
 * @returns {Promise<Inquired>}
 */
async function inquired(path, fields, more) {
  const client = current();
  const { fields: around } = surroundings();
  const told = { ...Object.fromEntries(AROUND.map((name) => [name, around[name]])), ...withoutEmpty(fields), ...more };
  const feature = textOf(told.contentType ?? "");
  const without = (/** @type {Away} */ away) => whenAway(away, feature, client.limitsWhenAway === "allow");
  try {
    const { asker } = client;
    const outcome =
      "reason" in asker ? asker : await asker.ask(path, bodyOf(told), (late) => giveBack(asker, late.told.id));
    const decision = "reason" in outcome ? without(outcome) : read(outcome, feature, without);
    return {
      decision,
      told: "reason" in outcome ? {} : outcome.told,
      asker: "reason" in asker ? undefined : asker,
      user: told.userId,
    };
  } catch (error) {
    client.failed("asking", error);
    return { decision: without({ reason: "internal error" }), told: {}, asker: undefined, user: told.userId };
  }
}

/**
 * @param {Answered} answered
 * @param {string} feature
 * @param {(away: Away) => Decision} without
 * @returns {Decision}
 */
function read({ status, told, retryAfter }, feature, without) {
  if (status === TOO_MANY_REQUESTS) return decisionOf(told, feature, false, retryAfter);
  if (status === UNPROCESSABLE) return { ...decisionOf(told, feature, false), reason: String(told.detail) };
  if (status >= 400) {
    const reason = `the server does not take the question (${status}): ${told.detail}`;
    current().say(`question ${reason}`, `limits are not checked: ${reason}`);
    return without({ reason });
  }
  return decisionOf(told, feature, told.allowed !== false);
}

/** @param {Record<string, any>} fields */
function bodyOf(fields) {
  const row = { model: UNKNOWN_MODEL, ...withoutEmpty(fields) };
  const sent = Object.entries(row).map(([name, value]) => [name, NAMES.has(name) ? textOf(value) : plain(value)]);
  return JSON.stringify(Object.fromEntries(sent));
}

/** @param {Record<string, any>} fields */
function withoutEmpty(fields) {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== ""),
  );
}

/**
 * @param {Asker} asker
 * @param {unknown} id
 */
function giveBack(asker, id) {
  if (typeof id !== "string") return;
  const errand = asker.run(`${RESERVE_PATH}/${encodeURIComponent(id)}`);
  try {
    keepAlive(current().waitUntil)?.(errand);
  } catch (error) {
    current().failed("waitUntil", error);
  }
}
