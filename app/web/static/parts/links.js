// Where a row leads: to the calls behind it, under the filters that are on.

import { OF_NO_TAB } from "../state.js";
import { periodOf } from "./buckets.js";

/** @import { Changes, Context } from "../types.js" */
/** @import { Bucket } from "./buckets.js" */

/** Links to the calls behind a row, by what the row is about. */
export function callsBehind(/** @type {Context} */ context) {
  const { tab, userId } = context.state;
  const own = tab === "usage/users" && userId ? { userId } : {}; // on the page of one user
  const to = (/** @type {Changes} */ changes) => context.href({ tab: "calls", ...own, ...changes });
  return {
    day: (/** @type {Bucket} */ row) => to(periodOf(row, row)),
    days: (/** @type {string} */ from, /** @type {string} */ last) => to({ from, to: last }),
    feature: (/** @type {{feature: string}} */ { feature }) => to({ feature }),
    provider: (/** @type {{provider: string}} */ { provider }) => to({ provider }),
    model: (/** @type {{provider: string, model: string}} */ { provider, model }) => to({ provider, model }),
    part: (/** @type {{provider: string, model: string, feature: string}} */ { provider, model, feature }) =>
      to({ provider, model, feature }),
    service: (/** @type {{provider: string, serviceType: string}} */ { provider, serviceType }) =>
      to({ provider, serviceType }),
    pair: (
      /** @type {{reportedProvider: string, provider: string, model: string}} */ { reportedProvider, provider, model },
    ) => to({ reportedProvider, provider, model }),
    upstream: (/** @type {{name: string}} */ { name }) => to({ upstream: name }),
    conversation: (/** @type {{clientId: string, conversationId: string}} */ { clientId, conversationId }) =>
      to({ clientId, conversationId }),
    hour: (/** @type {{weekday?: number, hour: number}} */ { weekday, hour }) => to({ weekday, hour }),
    duration: (/** @type {{from: number, to: number}} */ row) => to({ minDuration: row.from, maxDuration: row.to }),
    client: (/** @type {{clientId: string}} */ { clientId }) => to({ clientId }),
    status: (/** @type {{status: string, provider?: string}} */ { status, provider }) =>
      to({ status, ...(provider && { provider }) }),
    costSource: (/** @type {string} */ costSource, /** @type {Changes} */ more = {}) => to({ costSource, ...more }),
    call: (/** @type {{id: string}} */ { id }) => to({ call: id }),
    all: () => to({}),
  };
}

/** Where a name leads, wherever it stands: everything begins anew there. */
export function placesOf(/** @type {Context} */ context) {
  const to = (/** @type {Changes} */ changes) =>
    context.href({ ...OF_NO_TAB, provider: null, model: null, feature: null, ...changes });
  return {
    user: (/** @type {{userId: string}} */ { userId }) => to({ tab: "usage/users", userId }),
    model: (/** @type {{provider: string, model: string}} */ { provider, model }) =>
      to({ tab: "calls", provider, model }),
    feature: (/** @type {{feature: string}} */ { feature }) => to({ tab: "calls", feature }),
    provider: (/** @type {{provider: string}} */ { provider }) => to({ tab: "calls", provider }),
    client: (/** @type {{clientId: string}} */ { clientId }) => to({ tab: "usage", clientId }),
    conversation: (/** @type {{clientId: string, conversationId: string}} */ { clientId, conversationId }) =>
      to({ tab: "calls", clientId, conversationId }),
    call: (/** @type {{id: string}} */ { id }) => to({ tab: "calls", call: id }),
  };
}
