// The most that a request can take, by what it says itself: room for that is held before it is sent. A text has no more
// tokens than bytes, and the names around it cover what a provider adds to each message. Where there are pictures or files
// too, or what the provider looks up by itself, nothing is said of the input: the server decides.

import { bytesOf } from "../values.js";

const OUTPUT = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
const ANSWERS = ["n", "best_of"];
const LOOKS = ["size", "quality"];
/** That a call is served by where it asks for them, or by a cheaper one. */
const TIERS = new Set(["default", "flex", "priority"]);
/** What a request with one of these is about lies at the provider. */
const ELSEWHERE = ["previous_response_id", "conversation"];
const NOT_TEXT = new Set([
  ...[
    "image",
    "images",
    "image_url",
    "input_image",
    "source",
    "file",
    "file_id",
    "input_file",
    "input_audio",
    "document",
  ],
  ...ELSEWHERE,
]);
/** Kinds of tools that the caller runs himself. */
const OWN_TOOLS = new Set([undefined, "function", "custom"]);
const DEEPEST = 12;

/**
 * Bounds as `reserve` takes them. Of nothing is said more than is certain.
 * @param {any} body
 * @param {string} [serviceType]
 * @returns {Record<string, any>}
 */
export function boundsOf(body, serviceType) {
  if (typeof body !== "object" || body === null || typeof body.get === "function") return {};
  /** @type {Record<string, any>} */
  const bounds = {};
  const output = OUTPUT.map((name) => body[name]).find(isCount);
  if (output !== undefined) bounds.maxOutputTokens = output * most(body, ANSWERS);
  if (TIERS.has(body.service_tier)) bounds.serviceTier = body.service_tier;
  if (serviceType === "embedding") bounds.maxOutputTokens = 0;
  if (serviceType === "image") {
    bounds.images = most(body, ["n"]);
    for (const name of LOOKS) if (typeof body[name] === "string" && body[name] !== "auto") bounds[name] = body[name];
  }
  const bytes = bytesIn(body, 0);
  if (Number.isFinite(bytes)) bounds.inputBytes = bytes;
  return bounds;
}

/** @param {any} value */
const isCount = (value) => Number.isInteger(value) && value >= 0;

/**
 * @param {Record<string, any>} body
 * @param {string[]} names
 */
const most = (body, names) => Math.max(...names.map((name) => (isCount(body[name]) ? body[name] : 1)));

/**
 * Of the texts in a value, and of the names in it; infinite where there is something of another kind.
 * @param {any} value
 * @param {number} depth
 * @returns {number}
 */
function bytesIn(value, depth) {
  if (typeof value === "string") return bytesOf(value).length;
  if (value === null || typeof value === "number" || typeof value === "boolean") return 8;
  if (value === undefined) return 0;
  if (typeof value !== "object" || depth >= DEEPEST || ArrayBuffer.isView(value)) return Number.POSITIVE_INFINITY;
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + bytesIn(item, depth + 1) + 1, 0);
  return Object.entries(value).reduce((sum, [name, member]) => sum + bytesOfMember(name, member, depth), 0);
}

/**
 * @param {string} name
 * @param {any} member
 * @param {number} depth
 */
function bytesOfMember(name, member, depth) {
  if (member === undefined || member === null) return 0;
  const isElsewhere = name === "tools" && Array.isArray(member) && member.some((tool) => !OWN_TOOLS.has(tool?.type));
  if (isElsewhere || NOT_TEXT.has(name)) return Number.POSITIVE_INFINITY;
  return name.length + 4 + bytesIn(member, depth + 1);
}
