// The audit trail: who changed what, when and how, with what was there before.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { Decimal } from "../../money.js";
import { panel } from "../../panels.js";
import { chosen } from "../../parts/popover.js";
import { table } from "../../table.js";
import { pages } from "../usage/users.js";

/** @import { Answers, AuditEntry, Context, Tab } from "../../types.js" */

const PAGE = 50;
const HOW = { token: "by token", key: "by API key", session: "signed in", command: "on the server" };
/** @type {[string, string][]} */
const KINDS = [
  ["", "Everything"],
  ["key", "API keys"],
  ["price", "Prices"],
  ["calls", "Repricing"],
  ["plan", "Plans"],
  ["subscription", "Subscriptions"],
  ["limit", "Limits"],
  ["grant", "Grants"],
  ["endpoint", "Endpoints"],
  ["mute", "Mutes"],
  ["campaign", "Campaigns"],
  ["experiment", "Experiments"],
  ["revenue", "Revenue"],
  ["rate", "Currency rates"],
  ["invoice", "Invoices"],
  ["month", "Months"],
  ["note", "Notes"],
  ["view", "Saved views"],
  ["command", "Commands"],
];

/** @type {Tab} */
export default {
  title: "Audit trail",
  about: () => "Every change by an administrator or a command; nothing here can be changed",
  controls: { period: false, parts: false, calls: false },
  requests: ({ state: { clientId, kind, subject, cursor } }) => ({
    audit: ["/api/admin/audit", { clientId, kind, subject, cursor, limit: PAGE }],
  }),
  sections: () => [{ id: "audit", needs: ["audit"], skeleton: "table", render: list }],
};

function list(/** @type {Context} */ context, /** @type {Answers} */ { audit: { entries, nextCursor } }) {
  const zone = context.who.timezone;
  const { kind, subject } = context.state;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "audit",
      title: "Changes",
      note: subject ? [`Newest first, by ${subject} alone; `, everybody(context)] : "Newest first",
      tools: kindChoice(context),
      empty: entries.length ? null : kind || subject ? "No such changes." : "Nothing was changed yet.",
      table: [
        table({
          caption: "Changes",
          columns: [
            { key: "at", label: "When", content: (row) => format.instant(row.at, zone) },
            { key: "actor", label: "Who", content: (row) => who(context, row) },
            { key: "action", label: "What", content: (row) => actionWords(row.action) },
            { key: "target", label: "Of", content: (row) => [el("div", {}, row.target.name ?? ""), idOf(row)] },
            { key: "clientId", label: "Client", content: (row) => row.target.clientId ?? "all" },
            { key: "after", label: "Before → after", content: differences },
          ],
          rows: entries,
          rowKey: (row) => row.id,
        }),
        pages(context, nextCursor),
      ],
    }),
  );
}

const everybody = (/** @type {Context} */ context) =>
  el("a", { href: context.href({ subject: null, cursor: null }), "data-link": "" }, "show everybody's");

const idOf = (/** @type {AuditEntry} */ { target: { id, name } }) => (id === name ? null : el("code", {}, id));

function who(/** @type {Context} */ context, /** @type {AuditEntry} */ { actor }) {
  const href = context.href({ subject: actor.subject, cursor: null });
  const by = HOW[/** @type {keyof typeof HOW} */ (actor.how)] ?? actor.how;
  return [el("div", {}, el("a", { href, "data-link": "" }, actor.subject)), el("span.muted", {}, by)];
}

/** `limit.changed` as people say it. */
const actionWords = (/** @type {string} */ action) => format.words(action.split(".").join(" "));

/** Field by field, what it was and what it is. */
function differences(/** @type {AuditEntry} */ { before, after }) {
  const names = Object.keys({ ...before, ...after });
  if (!names.length) return format.DASH;
  const line = (/** @type {string} */ name) => {
    const [old, now] = [written(before?.[name]), written(after?.[name])];
    const said = before && after ? `${old} → ${now}` : before ? old : now;
    return el("li", {}, el("span.muted", {}, `${name} `), said);
  };
  const all = el("ul.plain", {}, names.map(line));
  return names.length <= 4 ? all : el("details", {}, el("summary", {}, format.plural(names.length, "field")), all);
}

function written(/** @type {unknown} */ value) {
  if (value === null || value === undefined || value === "") return "none";
  return typeof value === "object" && !(value instanceof Decimal) ? JSON.stringify(value) : String(value);
}

function kindChoice(/** @type {Context} */ context) {
  const options = KINDS.map(([value, label]) =>
    el("option", { value, selected: (context.state.kind ?? "") === value }, label),
  );
  return el(
    "div.inline-select",
    {},
    el("label.hidden", { for: "audit-kind" }, "Kind of change"),
    el(
      "select",
      { id: "audit-kind", onchange: (event) => context.go({ kind: chosen(event) || null, cursor: null }) },
      options,
    ),
  );
}
