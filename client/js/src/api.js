// The functions of the package. Nothing here throws into the application but `configure` and `wrap`, on a mistake of who
// writes the program, and what is refused where that was asked for by `enforce`.

import { current } from "./client.js";

/** @import { CallFields, Counts, Flushed, Report } from "../index.d.ts" */

export { configure } from "./client.js";
export { withContext } from "./context.js";
export { QuotaExceededError } from "./decisions.js";
export { check, reserve } from "./limits.js";
export { call } from "./tracked_call.js";
export { wrap } from "./wrapping/wrap.js";

/**
 * Report one AI call. Takes microseconds; `await` it only for the server's receipt.
 * @param {Partial<CallFields>} fields
 * @returns {Report}
 */
export const trackAIRequest = (fields) => current().report(fields);

/**
 * Send what was reported until now, for `timeout` ms at most (5,000), and tell what became of all calls so far.
 * @param {{timeout?: number}} [options]
 * @returns {Promise<Flushed>}
 */
export const flush = (options) => current().flush(options);

/**
 * What became of the calls of this process so far.
 * @returns {Counts}
 */
export const counts = () => current().counts();
