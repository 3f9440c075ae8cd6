// One call of an application becomes one row of a batch: with an id and a time of its own, and values of JSON.

import { bytesOf, flat, plain, textOf } from "./values.js";

/** @import { Clock } from "./clock.js" */
/** @import { Report } from "./report.js" */

/** Fields that are names: an application's id may be a number, and is sent as its text. */
const NAMES = [
  ...["userId", "contentType", "model", "clientId", "requestId", "clerkUserId", "conversationId", "campaignId"],
  ...["provider", "endpoint", "experiment", "variant"],
];
/** Of these the server takes no more characters, and their beginning is what matters. */
const MOST_CHARACTERS = { errorMessage: 10_000, userAgent: 1_000 };
/** Each only with the other. */
const HALVES = [
  ["experiment", "variant"],
  ["variant", "experiment"],
];
/** A half of a character in JSON, which no server reads. */
const HALF = /\\ud[89a-f]/;

/** A call on its way to the server. */
export class Call {
  /** Whether it has its outcome, so that nothing has to be done with it any more. */
  isOver = false;
  /** Milliseconds by which its time was corrected. */
  offset = 0;
  /** @type {Uint8Array<ArrayBuffer> | undefined} */
  #row;
  #head;

  /**
   * @param {number} number
   * @param {string} id
   * @param {number} time when it was reported, in ms since 1970 of this machine's clock
   * @param {Record<string, unknown>} fields
   * @param {Report} [report] who wants its receipt
   */
  constructor(number, id, time, fields, report) {
    this.number = number;
    this.time = time;
    this.report = report;
    const row = { ...fields, requestId: fields.requestId ?? id };
    this.isDated = fields.createdAt !== undefined;
    /** What could not be sent as it was. @type {string[]} */
    this.mended = [];
    this.#head = this.#json(row).slice(0, -1);
  }

  /**
   * A line of NDJSON, made once: a call that is sent again is the same to the last byte.
   * @param {Clock} clock
   */
  row(clock) {
    if (!this.#row) {
      this.offset = clock.offset;
      const date = this.isDated ? "" : `,"createdAt":"${clock.told(this.time)}"`;
      this.#row = bytesOf(`${this.#head}${date}}\n`);
    }
    return this.#row;
  }

  /** Date it anew: what is known of the time has changed. */
  redate() {
    this.#row = undefined;
  }

  /** The row as it was sent. */
  get sent() {
    return JSON.parse(new TextDecoder().decode(this.#row));
  }

  /** @param {Record<string, unknown>} row */
  #json(row) {
    for (const name of NAMES) if (name in row && typeof row[name] !== "string") row[name] = textOf(row[name]);
    for (const [name, other] of HALVES) {
      if (name in row && !(other in row)) {
        delete row[name]; // the server would refuse the call, which must count
        this.mended.push(name);
      }
    }
    for (const [name, most] of Object.entries(MOST_CHARACTERS)) if (name in row) row[name] = textOf(row[name], most);
    if ("metadata" in row) {
      const [metadata, isChanged] = flat(row.metadata);
      row.metadata = metadata;
      if (isChanged) this.mended.push("metadata");
    }
    try {
      const json = JSON.stringify(row);
      if (!HALF.test(json)) return json;
    } catch {
      // what can be sent of it is
    }
    const sent = Object.fromEntries(Object.entries(row).map(([name, value]) => [textOf(name), plain(value)]));
    this.mended.push(...Object.keys(row).filter((name) => !isSame(row[name], sent[name])));
    return JSON.stringify(sent);
  }
}

/** Digits that no other process makes. */
export function randomDigits() {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A copy of what is told: what is null or no finite number is not known, and left out.
 * @param {Record<string, any>} fields
 * @returns {Record<string, any>}
 */
export function told(fields) {
  /** @type {Record<string, any>} */
  const copy = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const isKnown = typeof value === "number" ? Number.isFinite(value) : value !== undefined && value !== null;
    if (isKnown) copy[name] = value;
  }
  return copy;
}

/**
 * @param {unknown} value
 * @param {unknown} sent
 */
function isSame(value, sent) {
  try {
    return typeof value === "object" ? JSON.stringify(value) === JSON.stringify(sent) : value === sent;
  } catch {
    return false;
  }
}
