// @ts-check
// What a page shows. All of it is in the address, so that a view can be shared and the back button works.

export const PERIODS = [7, 30, 60, 90];
export const FILTERS = ["clientId", "provider", "model", "feature"];
/** Which calls count: real ones, demo data, or both; and how the routes call that. */
export const DATA = { real: "exclude", demo: "only", all: "include" };
const KEPT = ["days", "from", "to", ...FILTERS, "data", "compare"];
/** What only lists of calls are narrowed to. */
export const CALL_FILTERS = [
  "status",
  "costSource",
  "userId",
  "conversationId",
  "serviceType",
  "reportedProvider",
  "weekday",
  "hour",
  "minDuration",
  "maxDuration",
];
const OF_A_TAB = [...CALL_FILTERS, "series", "sort", "cursor", "call"];
/** Changes after which a view has nothing left that belongs to a tab alone. */
export const OF_NO_TAB = Object.fromEntries(OF_A_TAB.map((name) => [name, null]));
const HOME = "home";

/**
 * What an address asks for.
 * @param {{pathname: string, search: string}} location
 * @returns {Record<string, any>}
 */
export function read({ pathname, search }) {
  const query = new URLSearchParams(search);
  const state = { tab: pathname.replace(/^\/admin\/?/, "").replace(/\/$/, "") || HOME };
  for (const name of [...KEPT, ...OF_A_TAB]) state[name] = query.get(name) || null;
  if (!(state.data in DATA)) state.data = null;
  if (state.from === null) state.days = Math.min(366, Math.max(1, Number.parseInt(state.days, 10) || 30));
  else state.days = null;
  return state;
}

/**
 * The address of a view: of `state` with `changes`. Another tab keeps the period and the filters, and drops the rest.
 * @param {Record<string, any>} state
 * @param {Record<string, any>} changes
 */
export function href(state, changes) {
  const moves = (changes.tab ?? state.tab) !== state.tab;
  const next = { ...(moves ? only(state, KEPT) : state), ...changes };
  if (changes.from) next.days = null;
  if (changes.days) next.from = next.to = null;
  const named = [...KEPT, ...OF_A_TAB].filter((name) => next[name] !== null && next[name] !== undefined);
  const given = named.filter((name) => next[name] !== "" && !(name === "days" && Number(next.days) === 30));
  const query = new URLSearchParams(given.map((name) => [name, String(next[name])])).toString();
  const path = next.tab === HOME ? "/admin" : `/admin/${next.tab}`;
  return query ? `${path}?${query}` : path;
}

function only(state, names) {
  return Object.fromEntries(names.map((name) => [name, state[name]]));
}

/** The parameters of a report: its window, its filters, and whether demo data counts. */
export function reportParameters(/** @type {Record<string, any>} */ state) {
  const { days, from, to, clientId, provider, model, feature } = state;
  return { days, from, to, clientId, provider, model, feature, synthetic: DATA[state.data] };
}

/** Whether the view is narrowed to a provider, a model or a feature: some figures are not kept by those. */
export function narrowed(/** @type {Record<string, any>} */ state) {
  return Boolean(state.provider || state.model || state.feature);
}
