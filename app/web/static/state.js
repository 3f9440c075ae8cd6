// What a page shows. All of it is in the address, so that a view can be shared and the back button works.

import { OF_PERIOD, readPeriod, USUAL_DAYS, withPeriod } from "./period.js";
import { ROOT } from "./root.js";

/** @import { Address, CallFilter, Changes, Choice, DataName, Filter, OfFinance, OfSettings, Page, Parameters, State } from "./types.js" */

/** @type {Filter[]} */
export const FILTERS = ["clientId", "provider", "model", "feature"];
/** Which calls count: real ones, demo data, or both; and how the routes call that. */
/** @type {Record<DataName, string>} */
export const DATA = { real: "exclude", demo: "only", all: "include" };
/** @type {(keyof Address)[]} */
const KEPT = [...OF_PERIOD, "step", ...FILTERS, "data", "compare"];
/** What only lists of calls are narrowed to. @type {CallFilter[]} */
export const CALL_FILTERS = [
  "status",
  "costSource",
  "userId",
  "conversationId",
  "serviceType",
  "reportedProvider",
  "upstream",
  "weekday",
  "hour",
  "minCost",
  "maxCost",
  "userPrefix",
  "minDuration",
  "maxDuration",
];
/** @type {OfFinance[]} */
const OF_FINANCE = ["by", "allocation", "against", "campaign", "experiment", "month"];
/** Of the audit trail. @type {OfSettings[]} */
const OF_SETTINGS = ["kind", "subject"];
/** @type {Page[]} */
const PAGES = ["cursor", "deliveriesCursor"];
/** @type {Choice[]} */
const OF_A_TAB = [...CALL_FILTERS, "series", "sort", ...PAGES, "call", ...OF_FINANCE, ...OF_SETTINGS];
/** Changes after which a view has nothing left that belongs to a tab alone. */
export const OF_NO_TAB = Object.fromEntries(OF_A_TAB.map((name) => [name, null]));
export const HOME = "overview";

/**
 * What an address asks for.
 * @param {{pathname: string, search: string}} location
 */
export function read({ pathname, search }) {
  const query = new URLSearchParams(search);
  const given = Object.fromEntries([...KEPT, ...OF_A_TAB].map((name) => [name, query.get(name) || null]));
  return /** @type {Address} */ ({
    ...given,
    ...readPeriod(given),
    tab:
      below(pathname)
        .replace(/^\/admin\/?/, "")
        .replace(/\/$/, "") || HOME,
    data: given.data !== null && given.data in DATA ? given.data : null,
  });
}

/** The place of a view. */
export const placeOf = (/** @type {string} */ tab) => tab.split("/")[0];

/** The module that shows a view. */
export const moduleOf = (/** @type {string} */ tab) =>
  `./places/${tab}${tab === HOME || tab.includes("/") ? "" : "/index"}.js`;

/** Whether an address is that of a view. */
export const isView = (/** @type {string} */ pathname) => /^\/admin(\/[a-z-]+){0,2}$/.test(below(pathname));

/** A path without the prefix. */
function below(/** @type {string} */ pathname) {
  return pathname.startsWith(`${ROOT}/`) ? pathname.slice(ROOT.length) : pathname;
}

/**
 * The address of a view: of `state` with `changes`. Another tab keeps the period and the filters, and drops the rest.
 * @param {Address} state
 * @param {Changes} changes
 */
export function href(state, changes) {
  const moves = (changes.tab ?? state.tab) !== state.tab;
  /** @type {Changes} */
  const next = { ...(moves ? only(state, KEPT) : state), tab: state.tab, ...withPeriod(changes) };
  if (changes.cursor === null) next.deliveriesCursor = null; // whatever begins a list anew begins all
  const named = [...KEPT, ...OF_A_TAB].filter((name) => next[name] !== null && next[name] !== undefined);
  const given = named.filter((name) => next[name] !== "" && !(name === "days" && Number(next.days) === USUAL_DAYS));
  const query = new URLSearchParams(given.map((name) => [name, String(next[name])])).toString();
  const path = `${ROOT}/admin${next.tab === HOME ? "" : `/${next.tab}`}`;
  return query ? `${path}?${query}` : path;
}

function only(/** @type {Address} */ state, /** @type {(keyof Address)[]} */ names) {
  return Object.fromEntries(names.map((name) => [name, state[name]]));
}

/** The parameters of a report: its `window`, its filters, and whether demo data counts. */
export function reportParameters(/** @type {State} */ state, /** @type {Parameters} */ window) {
  const { clientId, provider, model, feature } = state;
  return { ...window, clientId, provider, model, feature, synthetic: DATA[state.data] };
}

/** Whether the view is narrowed to a provider, a model or a feature: some figures are not kept by those. */
export function narrowed(/** @type {Address} */ state) {
  return Boolean(state.provider || state.model || state.feature);
}
