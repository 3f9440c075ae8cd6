// From a provider's response, or the events of its stream, to what of it is no text: the server reads it.

import { bytesOf, plain } from "./values.js";

/** What a response, or an event, says beside its texts. */
const TOLD = [
  ...["id", "model", "modelVersion", "object", "type", "created", "created_at", "status", "stop_reason"],
  ...["service_tier", "serviceTier", "size", "quality", "duration", "seconds", "is_byok", "response_cost"],
];
/** Objects of numbers. */
const TOLD_WHOLE = ["tool_usage", "request_counts", "performanceConfig"];
const MOST_TEXT = 256;
/** Of JSON, that the server takes of one response. */
const MOST_BYTES = 16_000;
/** Of a text that is told by its length: the server takes no longer row than one of 1 MB. */
const MOST_CHARACTERS = 900_000;
const ANSWERED = "response.done";
const TOO_LARGE = "usage: with what else is read of the response, more than 16,000 bytes";

/** @typedef {Record<string, any>} Fields */

/**
 * The fields that a complete response tells.
 * @param {any} response
 * @returns {Fields}
 */
export function fieldsOf(response) {
  const usage = usageOf(response);
  const metadata = metadataOf(response);
  // without either the server could not know that there was a response whose usage nobody can read
  if (!usage && !metadata) return { unreadableReason: "usage: not reported" };
  return sendable({ ...(usage && { usage }), ...(metadata && { response: metadata }) });
}

/** What the events of a stream tell, taken in one by one. */
export class StreamReading {
  /** @type {Fields[]} */
  #usages = [];
  /** @type {Fields} */
  #metadata = {};
  /** Of a realtime session, which has several, each with a usage of its own. @type {Fields[]} */
  #answers = [];
  #characters = 0;
  #isEmpty = true;

  /**
   * Take an event in. Whether a piece of the answer is in it.
   * @param {any} event
   */
  take(event) {
    this.#isEmpty = false;
    const usage = usageOf(event);
    if (usage && event.type === ANSWERED) {
      const { id, status } = event.response ?? {};
      this.#answers.push(plain({ type: ANSWERED, response: { id, status, usage } }));
    } else if (usage) this.#used(plain(usage), Boolean(event.type)); // a copy: Anthropic's helper adds up in the first one
    for (const [name, value] of Object.entries(metadataOf(answerOf(event)) ?? {})) {
      if (value !== "" && name !== "type") this.#metadata[name] = value; // each event has a type of its own
    }
    const text = textOf(event);
    if (text) this.#characters += [...text].length;
    return Boolean(text);
  }

  /**
   * Of those who tell the counts so far in each event, such as xAI and Gemini, the last are enough: all would be too many.
   * @param {Fields} usage
   * @param {boolean} isPart an event of a type has a part of the usage
   */
  #used(usage, isPart) {
    const last = this.#usages.length - 1;
    if (last >= 0 && !isPart && saysMore(usage, this.#usages[last])) this.#usages[last] = usage;
    else this.#usages.push(usage);
  }

  /** @returns {Fields} */
  get fields() {
    if (this.#isEmpty) return {};
    const response = Object.keys(this.#metadata).length ? { response: this.#metadata } : {};
    if (this.#answers.length) return sendable({ response: this.#answers });
    if (this.#usages.length) return sendable({ usage: this.#usages, ...response });
    // a text of the same length: the server estimates by it, and the answer stays here
    return { ...sendable(response), outputText: "x".repeat(Math.min(this.#characters, MOST_CHARACTERS)) };
  }
}

/**
 * Whether the counts of an event replace those of the one before: it has the same members, or more, and the same words.
 * @param {Fields} later
 * @param {Fields} earlier
 */
function saysMore(later, earlier) {
  const leaves = new Map(leavesOf(later));
  const isKept = leavesOf(earlier).every(
    ([path, leaf]) => leaves.has(path) && (typeof leaf !== "string" || leaf === leaves.get(path)),
  );
  return isKept && [...leaves.values()].some((leaf) => leaf && typeof leaf !== "string");
}

/**
 * @param {any} value
 * @param {string} [path]
 * @returns {[string, unknown][]}
 */
function leavesOf(value, path = "") {
  const isLeaf = typeof value !== "object" || value === null || !Object.keys(value).length;
  return isLeaf ? [[path, value]] : Object.keys(value).flatMap((name) => leavesOf(value[name], `${path}.${name}`));
}

/**
 * What the server takes; it refuses a call with more.
 * @param {Fields} fields
 */
function sendable(fields) {
  const isTooLarge = Object.values(fields).some((value) => bytesOf(JSON.stringify(plain(value))).length > MOST_BYTES);
  return isTooLarge ? { unreadableReason: TOO_LARGE } : fields;
}

/**
 * The raw usage of a response or an event, wherever it has it.
 * @param {any} event
 */
function usageOf(event) {
  const answer = answerOf(event);
  const usage =
    answer?.usage ?? answer?.usageMetadata ?? answer?.x_groq?.usage ?? event?.usage ?? event?.metadata?.usage;
  return typeof usage === "object" && usage !== null && Object.keys(usage).length ? usage : undefined;
}

/**
 * The response that an event is about: OpenAI's responses and Anthropic's messages have it inside.
 * @param {any} event
 */
function answerOf(event) {
  const inner = event?.response ?? event?.message ?? (event?.data?.choices ? event.data : undefined);
  return typeof inner === "object" && inner !== null ? inner : event;
}

/**
 * What a response says beside its texts.
 * @param {any} response
 * @returns {Fields | undefined}
 */
function metadataOf(response) {
  if (typeof response !== "object" || response === null) return undefined;
  /** @type {Fields} */
  const told = {};
  for (const name of TOLD) if (isShort(response[name])) told[name] = response[name];
  for (const name of TOLD_WHOLE) if (response[name]) told[name] = response[name];
  const called = Array.isArray(response.output) ? calledOf(response.output) : [];
  if (called.length) told.output = called;
  if (Array.isArray(response.data)) told.data = mediaOf(response.data);
  const queries = response.candidates?.map?.((/** @type {any} */ each) => queriesOf(each));
  if (queries?.some(Boolean)) told.candidates = queries.map((/** @type {any} */ each) => each ?? {});
  return Object.keys(told).length ? told : undefined;
}

/** @param {unknown} value */
function isShort(value) {
  if (typeof value === "string") return value.length <= MOST_TEXT;
  return typeof value === "number" || typeof value === "boolean";
}

/**
 * The tools that a response has used, some of which are billed.
 * @param {any[]} output
 */
function calledOf(output) {
  const called = output.filter(({ type } = {}) => String(type).endsWith("_call") && type !== "function_call");
  return called.map(({ type, status, action }) => plain({ type, status, action: action && { type: action.type } }));
}

/**
 * Images count by how many there are; vectors of an embedding only by being such.
 * @param {any[]} data
 */
function mediaOf(data) {
  if (data.some((item) => item?.embedding)) return [{ embedding: [] }];
  return data.flatMap((item) => (item?.url || item?.b64_json ? [{ url: "" }] : []));
}

/** @param {any} candidate */
function queriesOf(candidate) {
  const queries = candidate?.groundingMetadata?.webSearchQueries;
  return Array.isArray(queries) ? { groundingMetadata: { webSearchQueries: queries.map(() => "") } } : undefined;
}

/**
 * The piece of the answer in an event.
 * @param {any} event
 * @returns {string | undefined}
 */
function textOf(event) {
  const chunk = event?.data?.choices ? event.data : event;
  const text =
    chunk?.choices?.[0]?.delta?.content ??
    chunk?.choices?.[0]?.text ??
    event?.delta?.text ??
    event?.candidates?.[0]?.content?.parts?.[0]?.text ??
    event?.contentBlockDelta?.delta?.text ??
    (typeof event?.delta === "string" ? event.delta : undefined);
  return typeof text === "string" ? text : undefined;
}
