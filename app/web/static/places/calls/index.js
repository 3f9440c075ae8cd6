// Calls: the ledger, newest first, and one call with where its price comes from.

import { el } from "../../dom.js";
import { chip } from "../../filters.js";
import * as format from "../../format.js";
import { download, panel } from "../../panels.js";
import { callDialog } from "../../parts/call-dialog.js";
import { callTable } from "../../parts/call-rows.js";
import { chosen, formOf, textOf } from "../../parts/popover.js";
import { CALL_FILTERS } from "../../state.js";

/** @import { Answers, CallFilter, Context, Section, Tab } from "../../types.js" */

const STATUSES = ["success", "error", "rate_limited", "timeout"];
const SOURCES = ["priced", "reported", "estimated", "cached", "unpriced"];
const PAGE = 50;
/** How a list is, by what it is in order of. @type {Record<string, string>} */
const ORDERS = {
  "-createdAt": "newest first",
  createdAt: "oldest first",
  "-cost": "dearest first, of the calls whose cost is known",
  cost: "cheapest first, of the calls whose cost is known",
  "-requestDuration": "slowest first, of the calls whose duration is known",
  requestDuration: "fastest first, of the calls whose duration is known",
};
/** @type {[name: CallFilter, label: string, kind: string][]} */
const TYPED = [
  ["userPrefix", "User begins with", "text"],
  ["minCost", "Cost from ($)", "number"],
  ["minDuration", "Duration from (ms)", "number"],
];

/** @type {Section} */
const ONE = { id: "call", needs: ["call"], skeleton: null, render: callDialog, always: true };

/** @type {Tab} */
export default {
  title: "Calls",
  controls: { instants: true },
  requests: (context) => {
    const { cursor, call } = context.state;
    const { sort } = context.state;
    const parameters = { ...context.parameters(), ...wanted(context), sort, limit: PAGE, cursor };
    return {
      calls: ["/api/admin/ai/calls", parameters],
      ...(call && { call: [`/api/admin/ai/calls/${encodeURIComponent(call)}`, {}] }),
    };
  },
  calls: ({ calls }) => (calls && !calls.calls.length ? 0 : undefined),
  sections: (context) => [
    { id: "choices", needs: [], skeleton: null, render: choices, always: true },
    ...(context.state.call ? [ONE] : []),
    { id: "calls", needs: ["calls"], skeleton: "table", render: list },
  ],
};

const wanted = (/** @type {Context} */ { state }) =>
  Object.fromEntries(CALL_FILTERS.map((name) => [name, state[name]]));

function choices(/** @type {Context} */ context) {
  const choice = (/** @type {CallFilter} */ name, /** @type {string} */ label, /** @type {string[]} */ values) => {
    const options = [null, ...values].map((value) =>
      el(
        "option",
        { value: value ?? "", selected: context.state[name] === value },
        value ? format.words(value) : `Any ${label.toLowerCase()}`,
      ),
    );
    const change = (/** @type {Event} */ event) => context.go({ [name]: chosen(event) || null, cursor: null });
    return el(
      "div.inline-select",
      {},
      el("label", { for: `calls-${name}` }, label),
      el("select", { id: `calls-${name}`, onchange: change }, options),
    );
  };
  return el(
    "div.filters.of-tab",
    { role: "group", "aria-label": "Call filters" },
    choice("status", "Status", STATUSES),
    choice("costSource", "Cost source", SOURCES),
    el(
      "form.inline-select",
      {
        onsubmit: (event) => {
          event.preventDefault();
          const form = formOf(event);
          context.go({ ...Object.fromEntries(TYPED.map(([name]) => [name, textOf(form, name)])), cursor: null });
        },
      },
      TYPED.map(([name, label, kind]) => [
        el("label", { for: `calls-${name}` }, label),
        el("input", {
          id: `calls-${name}`,
          name,
          type: kind,
          min: kind === "number" ? 0 : null,
          step: name === "minCost" ? "any" : null,
          value: context.state[name],
          maxlength: 256,
          placeholder: "any",
          autocomplete: "off",
        }),
      ]),
      el("button.button.small", { type: "submit" }, "Apply"),
    ),
    chips(context),
  );
}

function chips(/** @type {Context} */ context) {
  const { userId, conversationId, serviceType, reportedProvider, upstream, weekday, hour } = context.state;
  const { minDuration, maxDuration, minCost, maxCost, userPrefix } = context.state;
  const day = (weekday && format.WEEKDAYS[Number(weekday) - 1]) ?? weekday;
  return [
    userId && chip(context, "User", userId, ["userId"]),
    userPrefix && chip(context, "User begins with", userPrefix, ["userPrefix"]),
    (minCost || maxCost) && chip(context, "Cost", costs(minCost, maxCost), ["minCost", "maxCost"]),
    conversationId && chip(context, "Conversation", conversationId, ["conversationId"]),
    serviceType && chip(context, "Service", serviceType, ["serviceType"]),
    reportedProvider && chip(context, "Reported provider", reportedProvider, ["reportedProvider"]),
    upstream && chip(context, "Upstream", upstream, ["upstream"]),
    day && chip(context, "Weekday", day, ["weekday"]),
    hour && chip(context, "Hour", format.hour(hour), ["hour"]),
    (minDuration || maxDuration) &&
      chip(context, "Duration", format.durations(minDuration, maxDuration), ["minDuration", "maxDuration"]),
  ];
}

/** Bounds of a cost, as they were typed. */
function costs(/** @type {string | null} */ least, /** @type {string | null} */ most) {
  if (least && most) return `$${least} to $${most}`;
  return least ? `$${least} or more` : `$${most} or less`;
}

/** Which of the list these are; behind a cursor of an earlier release it is not known. */
function placesOf(/** @type {Answers["calls"]} */ { calls, firstPlace, nextCursor }) {
  if (firstPlace === null) return format.plural(calls.length, "call");
  const last = firstPlace + calls.length - 1;
  const all = nextCursor ? "" : ` of ${format.count(last)}`;
  return `${format.count(firstPlace)} to ${format.count(last)}${all}`;
}

function list(/** @type {Context} */ context, /** @type {Answers} */ { calls: report }) {
  const places = placesOf(report);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "calls",
      title: "Calls",
      note: `${places}, ${ORDERS[context.state.sort ?? "-createdAt"] ?? ""}`,
      tools: download(context, "calls", wanted(context)),
      table: [callTable(context, report.calls, "Calls", { ordered: true }), pages(context, report, places)],
    }),
  );
}

/** Links to the pages beside this one. */
function pages(
  /** @type {Context} */ context,
  /** @type {Answers["calls"]} */ { previousCursor, nextCursor },
  /** @type {string} */ places,
) {
  if (!previousCursor && !nextCursor && !context.state.cursor) return null;
  const link = (/** @type {string | null} */ cursor, /** @type {string} */ label, /** @type {string} */ name) =>
    cursor
      ? el("a.button.small", { href: context.href({ cursor }), "data-link": "", [`data-${name}`]: "" }, label)
      : el("span", {}, name === "next" ? "Last page" : "First page");
  return el(
    "div.table-foot",
    {},
    link(previousCursor, "Previous page", "previous"),
    el("span", {}, places),
    link(nextCursor, "Next page", "next"),
  );
}
