// The JSON routes, with a limit of time, and errors that say what happened.

import { parse } from "./money.js";
import { ROOT } from "./root.js";

/** @import { Parameters } from "./types.js" */

export const PATIENCE_MS = 10_000;
const KINDS = new Map([
  [401, "signed-out"],
  [403, "not-allowed"],
]);

/** Why a request has no answer. `title` and `detail` are sentences for a person. */
export class RequestError extends Error {
  /**
   * @param {{
   *   kind: string, title: string, detail: string, status?: number, errors?: {field: string, message: string}[],
   * }} about
   */
  constructor({ kind, title, detail, status = 0, errors = [] }) {
    super(`${title}: ${detail}`);
    /** signed-out, not-allowed, slow, offline, or refused */
    this.kind = kind;
    this.title = title;
    this.detail = detail;
    this.status = status;
    /** What is wrong with single fields. */
    this.errors = errors;
  }
}

/**
 * What a route answers. Rejects with RequestError, and with the signal's own reason where the caller gave up.
 * @param {string} path
 * @param {Parameters} [parameters] those that are null or empty are left out
 * @param {{method?: string, body?: object, signal?: AbortSignal}} [options]
 */
export async function ask(path, parameters = {}, { method = "GET", body, signal } = {}) {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  const signals = signal ? [signal, limit] : [limit];
  try {
    const response = await fetch(address(path, parameters), {
      method,
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.any(signals),
    });
    const text = await response.text();
    if (!response.ok) throw refused(response, text);
    return text ? parse(text) : null;
  } catch (error) {
    if (error instanceof RequestError || signal?.aborted) throw error;
    throw limit.aborted ? slow() : unreachable();
  }
}

/** The address of a route with its parameters. */
export function address(/** @type {string} */ path, /** @type {Parameters} */ parameters = {}) {
  const given = Object.entries(parameters)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [name, String(value)]);
  const query = new URLSearchParams(given).toString();
  return query ? `${ROOT}${path}?${query}` : ROOT + path;
}

function refused(/** @type {Response} */ response, /** @type {string} */ text) {
  const problem = described(text);
  const kind = KINDS.get(response.status) ?? "refused";
  const title = problem.title ?? `The server answered ${response.status}`;
  const detail = problem.detail ?? "It gave no reason; see the server's log.";
  return new RequestError({ kind, title, detail, status: response.status, errors: problem.errors });
}

/** @returns {{title?: string, detail?: string, errors?: {field: string, message: string}[]}} */
function described(/** @type {string} */ text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // not of our server: a proxy answers in words of its own
  }
}

function slow() {
  return new RequestError({
    kind: "slow",
    title: "The request timed out",
    detail: `The server did not answer within ${PATIENCE_MS / 1000} seconds. A shorter period may help.`,
  });
}

/** That there was no answer at all. */
export function unreachable() {
  return new RequestError({
    kind: "offline",
    title: "The server cannot be reached",
    detail: "The connection failed or was cut. It may be restarting, or this machine may be offline.",
  });
}
