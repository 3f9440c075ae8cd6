// Calls: the ledger, newest first, and one call with where its price comes from.

import { el } from "../../dom.js";
import { chip } from "../../filters.js";
import * as format from "../../format.js";
import { download, panel } from "../../panels.js";
import { callDialog } from "../../parts/call-dialog.js";
import { callTable } from "../../parts/call-rows.js";
import { chosen, formOf, textOf } from "../../parts/popover.js";
import { CALL_FILTERS } from "../../state.js";
import { pages } from "../usage/users.js";

/** @import { Answers, CallFilter, Context, Section, Tab } from "../../types.js" */

const STATUSES = ["success", "error", "rate_limited", "timeout"];
const SOURCES = ["priced", "reported", "estimated", "cached", "unpriced"];
const PAGE = 50;

/** @type {Section} */
const ONE = { id: "call", needs: ["call"], skeleton: null, render: callDialog, always: true };

/** @type {Tab} */
export default {
  title: "Calls",
  controls: { instants: true },
  requests: (context) => {
    const { cursor, call } = context.state;
    const parameters = { ...context.parameters(), ...wanted(context), limit: PAGE, cursor };
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
  const { userId } = context.state;
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
          context.go({ userId: textOf(formOf(event), "userId"), cursor: null });
        },
      },
      el("label", { for: "calls-userId" }, "User"),
      el("input", {
        id: "calls-userId",
        name: "userId",
        value: userId,
        maxlength: 256,
        placeholder: "any",
        autocomplete: "off",
      }),
    ),
    chips(context),
  );
}

function chips(/** @type {Context} */ context) {
  const { userId, conversationId, serviceType, reportedProvider, upstream, weekday, hour } = context.state;
  const { minDuration, maxDuration } = context.state;
  const day = (weekday && format.WEEKDAYS[Number(weekday) - 1]) ?? weekday;
  return [
    userId && chip(context, "User", userId, ["userId"]),
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

function list(/** @type {Context} */ context, /** @type {Answers} */ { calls: report }) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "calls",
      title: "Calls",
      note: `Newest first, ${format.plural(report.calls.length, "call")} on this page`,
      tools: download(context, "calls", wanted(context)),
      table: [callTable(context, report.calls, "Calls"), pages(context, report.nextCursor)],
    }),
  );
}
