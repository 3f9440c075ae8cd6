// A call whose usage nobody knows is taken to have used all that was held for it: it may have.

/** Among the fields of a call with a reservation, until it is reported: the most that was asked for. */
export const AT_MOST = Symbol("atMost");
export const INTERRUPTED = "interrupted before the answer was complete";
/** Beside the bytes of its texts: what the server adds to them when it is asked. */
const OVERHEAD_TOKENS = 1_000;
const MEDIA = ["images", "characters", "videoSeconds", "audioSeconds"];
const USED = [...MEDIA, "tokensUsed", "inputTokens", "outputTokens", "cost", "usage"];
const NOT_BILLED = new Set(["error", "rate_limited"]);
const GUESSES = ["inputText", "outputText", "unreadableUsage", "unreadableReason"];

/** @typedef {Record<PropertyKey, any>} Fields */

/**
 * What a call may have used by what was asked for it; undefined where that leaves something open.
 * @param {Fields} asked
 * @returns {Fields | undefined}
 */
export function mostOf({ inputTokens, inputBytes, maxOutputTokens, ...asked }) {
  const inputs = inputTokens ?? (inputBytes === undefined ? undefined : inputBytes + OVERHEAD_TOKENS);
  if (inputs === undefined || maxOutputTokens === undefined) return undefined;
  const media = Object.fromEntries(MEDIA.filter((name) => asked[name]).map((name) => [name, asked[name]]));
  return { ...media, inputTokens: inputs, outputTokens: maxOutputTokens, estimatedUsage: true };
}

/**
 * The fields of a call that is reported, with what it is taken to have used where that is not known.
 * @param {Fields} fields
 * @returns {Fields}
 */
export function estimated({ [AT_MOST]: most, ...told }) {
  const isKnown = USED.some((name) => told[name] !== undefined) || Array.isArray(told.response);
  const status = told.status ?? (told.success === false ? "error" : undefined);
  const hasBegun = told.errorMessage === INTERRUPTED || Boolean(told.outputText);
  if (!most || isKnown || told.cached || (NOT_BILLED.has(status) && !hasBegun)) return told;
  for (const name of GUESSES) delete told[name];
  return { ...told, ...most };
}
