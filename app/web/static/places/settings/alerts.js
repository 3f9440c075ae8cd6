// Alerts: what was crossed or is unusual, where messages about it go, what became of each, and what is muted.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { act, endpointPanel, fault } from "../../parts/endpoints.js";
import { mutePanel } from "../../parts/mutes.js";
import { chosen } from "../../parts/popover.js";
import { table } from "../../table.js";
import { pages } from "../usage/users.js";

/** @import { Alert, Answers, Context, Delivery, Tab } from "../../types.js" */

const STATES = ["pending", "delivered", "failed", "stopped"];
const TAGS = { delivered: "success", failed: "error", stopped: "error", pending: "timeout" };
const PAGE = 50;

/** @type {Tab} */
export default {
  title: "Alerts",
  about: () => "What was raised, and what became of the messages about it",
  controls: { period: false, parts: false, calls: false },
  requests: ({ state }) => ({
    alerts: ["/api/admin/alerts", { clientId: state.clientId, limit: PAGE, cursor: state.cursor }],
    deliveries: [
      "/api/admin/deliveries",
      { clientId: state.clientId, state: state.status, limit: PAGE, cursor: state.deliveriesCursor },
    ],
    endpoints: ["/api/admin/endpoints", { clientId: state.clientId, ended: "false" }],
    mutes: ["/api/admin/alerts/mutes", { clientId: state.clientId }],
  }),
  sections: () => [
    { id: "fault", needs: [], skeleton: null, render: fault },
    { id: "alerts", needs: ["alerts"], skeleton: "table", render: raised },
    { id: "deliveries", needs: ["deliveries", "endpoints"], skeleton: "table", render: messages },
    { id: "endpoints", needs: ["endpoints"], skeleton: "table", render: endpointPanel },
    { id: "mutes", needs: ["mutes"], skeleton: "table", render: mutePanel },
  ],
};

function raised(/** @type {Context} */ context, /** @type {Answers} */ { alerts: report }) {
  const zone = context.who.timezone;
  const empty = "Nothing was raised. Alerts come when limits are used up, and when spending is unusual.";
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "alerts",
      title: "Alerts",
      note: `Newest first, ${format.plural(report.alerts.length, "alert")} on this page`,
      empty: report.alerts.length ? null : empty,
      table: [
        table({
          caption: "Alerts",
          columns: [
            { key: "at", label: "When", content: (row) => format.instant(row.at, zone) },
            { key: "kind", label: "What", content: (row) => el("span.tag", {}, kindWords(row.kind)) },
            { key: "text", label: "In words", content: (row) => el("span.sentence", {}, row.text) },
            { key: "clientId", label: "Client" },
            { key: "told", label: "Told", content: told },
          ],
          rows: report.alerts,
          rowKey: (row) => row.id,
        }),
        pages(context, report.nextCursor),
      ],
    }),
  );
}

/** `limit.reached` as people say it. */
const kindWords = (/** @type {string} */ kind) => format.words(kind.split(".").join(" "));

function told(/** @type {Alert} */ alert) {
  if (alert.silenced) return "no: the user wants none";
  return alert.toldBy ? "with a higher one" : "by itself";
}

function messages(/** @type {Context} */ context, /** @type {Answers} */ { deliveries: report, endpoints: of }) {
  const zone = context.who.timezone;
  const names = Object.fromEntries(of.endpoints.map((endpoint) => [endpoint.id, endpoint.name]));
  const to = (/** @type {Delivery} */ row) => row.recipient ?? names[row.endpointId] ?? "an endpoint that has ended";
  const { status } = context.state;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "deliveries",
      title: "Deliveries",
      note: "Newest first; each message is sent until it has arrived, for three days",
      tools: stateChoice(context),
      empty: report.deliveries.length ? null : `No messages${status ? ` are ${status}` : " were sent"}.`,
      table: [
        table({
          caption: "Deliveries",
          columns: [
            { key: "createdAt", label: "Since", content: (row) => format.instant(row.createdAt, zone) },
            { key: "endpointId", label: "To", content: (row) => el("span.name", { title: to(row) }, to(row)) },
            { key: "kind", label: "About", content: (row) => kindWords(row.kind) },
            {
              key: "state",
              label: "State",
              content: (row) => el(`span.tag.${TAGS[row.state]}`, {}, format.words(row.state)),
            },
            { key: "attempts", label: "Attempts", content: (row) => el("span.sentence", {}, attempts(row, zone)) },
            { key: "id", label: "Again", content: (row) => resend(context, row, to(row)) },
          ],
          rows: report.deliveries,
          rowKey: (row) => row.id,
        }),
        pages(context, report.nextCursor, "deliveriesCursor"),
      ],
    }),
  );
}

/** What came of the last attempt, and when there is another one. */
function attempts(/** @type {Delivery} */ { attempts: made, nextAttemptAt: next }, /** @type {string} */ zone) {
  const last = made.at(-1);
  const said = last ? `${last.error ?? `arrived, ${last.status}`} (${format.duration(last.duration)})` : "none yet";
  const which = made.length > 1 ? `${made.length}: ` : "";
  return `${which}${said}${last && next ? `; next at ${format.instant(next, zone)}` : ""}`;
}

function resend(/** @type {Context} */ context, /** @type {Delivery} */ row, /** @type {string} */ to) {
  const path = `/api/admin/deliveries/${encodeURIComponent(row.id)}/resend`;
  const send = () => void act(context, path, { method: "POST", sends: true });
  const properties = { type: "button", onclick: send, "aria-label": `Send again to ${to}` };
  return el("button.button.small", properties, "Send again");
}

function stateChoice(/** @type {Context} */ context) {
  const options = [null, ...STATES].map((value) =>
    el(
      "option",
      { value: value ?? "", selected: context.state.status === value },
      value ? format.words(value) : "Any state",
    ),
  );
  return el(
    "div.inline-select",
    {},
    el("label.hidden", { for: "deliveries-state" }, "State of deliveries"),
    el(
      "select",
      {
        id: "deliveries-state",
        onchange: (event) => context.go({ status: chosen(event) || null, deliveriesCursor: null }),
      },
      options,
    ),
  );
}
