// From a provider's response, or the events of its stream, to what of it is no text: the server reads it.

import { plain } from "./values.js";

/** What a response, or an event, says beside its texts. */
const TOLD = [
  ...["id", "model", "modelVersion", "object", "type", "created", "created_at", "status", "stop_reason"],
  ...["service_tier", "serviceTier", "size", "quality", "duration", "seconds", "is_byok", "response_cost"],
];
/** Objects of numbers. */
const TOLD_WHOLE = ["tool_usage", "request_counts", "performanceConfig"];
const MOST_TEXT = 256;

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
  return { ...(usage && { usage }), ...(metadata && { response: metadata }) };
}

/** What the events of a stream tell, taken in one by one. */
export class StreamReading {
  /** @type {unknown[]} */
  #usages = [];
  /** @type {Fields} */
  #metadata = {};
  #characters = 0;
  #isEmpty = true;

  /**
   * Take an event in. Whether a piece of the answer is in it.
   * @param {any} event
   */
  take(event) {
    this.#isEmpty = false;
    const usage = usageOf(event);
    if (usage) this.#usages.push(plain(usage)); // a copy: Anthropic's helper adds up in the first one
    for (const [name, value] of Object.entries(metadataOf(answerOf(event)) ?? {})) {
      if (value !== "" && name !== "type") this.#metadata[name] = value; // each event has a type of its own
    }
    const text = textOf(event);
    if (text) this.#characters += [...text].length;
    return Boolean(text);
  }

  /** @returns {Fields} */
  get fields() {
    if (this.#isEmpty) return {};
    const response = Object.keys(this.#metadata).length ? { response: this.#metadata } : {};
    if (this.#usages.length) return { usage: this.#usages, ...response };
    // a text of the same length: the server estimates by it, and the answer stays here
    return { ...response, outputText: "x".repeat(this.#characters) };
  }
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
