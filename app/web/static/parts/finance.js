// What pages about money in are narrowed to.

/** @import { Context } from "../types.js" */

/** The window, the client and which data counts. */
export function financeParameters(/** @type {Context} */ context) {
  const { days, from, to, clientId, synthetic } = context.parameters();
  return { days, from, to, clientId, synthetic };
}

/** That filters of calls do not apply here. */
export const narrowing = (/** @type {Context} */ { state }) =>
  state.provider || state.model || state.feature
    ? "Revenue is not kept by provider, model or feature: these filters do not apply here."
    : null;
