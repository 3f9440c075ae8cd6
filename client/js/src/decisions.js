// Whether a call may be made, as the server says, or as is settled for when it cannot be asked.

/** @import { Decision } from "../index.d.ts" */

/** The end of the type of a refusal's problem document. */
const REFUSED = "quota-exceeded";
/** Amounts are kept as texts, for a number of JavaScript does not hold every digit. */
const AMOUNTS = /("(?:limit|used|held|asked)":\s*)(-?\d[\d.eE+-]*)/g;

/** The server cannot be asked. `isOfOne`: other questions may well be answered. */
/** @typedef {{reason: string, retryAfter?: number, slowly?: boolean, isOfOne?: boolean}} Away */

/** A call was refused before it was made. */
export class QuotaExceededError extends Error {
  /** @param {Decision} decision */
  constructor(decision) {
    super(decision.message ?? decision.reason ?? "a usage limit is reached");
    this.name = "QuotaExceededError";
    this.decision = decision;
    this.status = 429;
  }
}

/**
 * The JSON object of an answer; undefined where there is none.
 * @param {string} content
 * @returns {Record<string, any> | undefined}
 */
export function toldOf(content) {
  try {
    const told = JSON.parse(content.replace(AMOUNTS, '$1"$2"'));
    return typeof told === "object" && told !== null && !Array.isArray(told) ? told : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a 429 is the server's word on a limit, and not that of something in between which is busy.
 * @param {Record<string, any> | undefined} told
 */
export const isRefusal = (told) => String(told?.type ?? "").endsWith(REFUSED);

/**
 * A decision as the server's JSON has it. What is missing is null.
 * @param {Record<string, any>} told
 * @param {string} feature
 * @param {boolean} allowed
 * @param {number} [retryAfter] ms
 * @returns {Decision}
 */
export function decisionOf(told, feature, allowed, retryAfter) {
  const violated = told["violated-policies"] ?? told.violated;
  return {
    allowed,
    feature: String(told.feature ?? feature),
    violated: Array.isArray(violated) ? violated.map(String) : [],
    message: told.message ?? (allowed ? null : (told.detail ?? null)),
    limit: told.limit ?? null,
    used: told.used ?? null,
    held: typeof told.held === "string" ? told.held : null,
    asked: told.asked ?? null,
    unit: told.unit ?? null,
    window: told.window ?? null,
    resetsAt: told.resetsAt ? new Date(told.resetsAt) : null,
    retryAfter: retryAfter ?? null,
    upgradeUrl: told.upgradeUrl ?? null,
    unenforced: told.unenforced === true,
    reason: null,
  };
}

/**
 * What is settled for.
 * @param {Away} away
 * @param {string} feature
 * @param {boolean} allowed
 * @returns {Decision}
 */
export function whenAway({ reason, retryAfter }, feature, allowed) {
  const message = "Usage limits cannot be checked just now. Please try again in a moment.";
  const decision = decisionOf(allowed ? {} : { message }, feature, allowed, retryAfter);
  return { ...decision, unenforced: true, reason };
}
