// @ts-check
// Where a row leads: to the calls behind it, under the filters that are on.

/** Links to the calls behind a row, by what the row is about. */
export function callsBehind(/** @type {any} */ context) {
  const { tab, userId } = context.state;
  const own = tab === "users" && userId ? { userId } : {}; // on the page of one user
  const to = (changes) => context.href({ tab: "calls", ...own, ...changes });
  return {
    day: (/** @type {any} */ { day }) => to({ from: day, to: day }),
    days: (/** @type {string} */ from, /** @type {string} */ last) => to({ from, to: last }),
    feature: (/** @type {any} */ { feature }) => to({ feature }),
    provider: (/** @type {any} */ { provider }) => to({ provider }),
    model: (/** @type {any} */ { provider, model }) => to({ provider, model }),
    service: (/** @type {any} */ { provider, serviceType }) => to({ provider, serviceType }),
    pair: (/** @type {any} */ { reportedProvider, provider, model }) => to({ reportedProvider, provider, model }),
    user: (/** @type {any} */ { userId }) => to({ userId }),
    conversation: (/** @type {any} */ { clientId, conversationId }) => to({ clientId, conversationId }),
    hour: (/** @type {any} */ { weekday, hour }) => to({ weekday, hour }),
    duration: (/** @type {any} */ row) => to({ minDuration: row.from, maxDuration: row.to }),
    client: (/** @type {any} */ { clientId }) => to({ clientId }),
    status: (/** @type {any} */ { status, provider }) => to({ status, ...(provider && { provider }) }),
    costSource: (/** @type {any} */ costSource, more = {}) => to({ costSource, ...more }),
    call: (/** @type {any} */ { id }) => to({ call: id }),
    all: () => to({}),
  };
}
