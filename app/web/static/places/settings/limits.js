// Limits and budgets: which there are, setting, changing and ending one.

import { ask, RequestError } from "../../api.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { forget, form } from "../../forms.js";
import { panel } from "../../panels.js";
import { act, fault } from "../../parts/endpoints.js";
import { table } from "../../table.js";
import { pages } from "../usage/users.js";

/** @import { Answers, Context, DefinedLimit, Tab } from "../../types.js" */

const ROUTE = "/api/admin/limits";
const CHANGING = "limits.changing";
const PAGE = 50;
/** Whose calls are counted together. @type {[string, string][]} */
const SCOPES = [
  ["userId", "A user"],
  ["clientId", "A client"],
  ["feature", "A feature"],
  ["campaignId", "A campaign"],
  ["keyId", "An API key"],
  ["everyone", "Everybody together"],
];
/** @type {[string, string][]} */
const UNITS = [
  ["usd", "USD"],
  ["requests", "Requests"],
  ["tokens", "Tokens"],
];
/** @type {[string, string][]} */
const WINDOWS = [
  ["day", "A day"],
  ["week", "A week"],
  ["month", "A month"],
  ["lifetime", "In total"],
];
/** @type {[string, string][]} */
const KINDS = [
  ["hard", "Refuse calls"],
  ["soft", "Only tell"],
];

/** @type {Tab} */
export default {
  title: "Limits and budgets",
  about: () => "How much may be used, by whom, in which time; a limit in USD is a budget",
  controls: { period: false, parts: false, calls: false },
  requests: ({ state: { clientId, cursor } }) => ({
    limits: [ROUTE, { clientId, ended: "false", limit: PAGE, cursor }],
  }),
  sections: () => [
    { id: "fault", needs: [], skeleton: null, render: fault },
    { id: "change", needs: ["limits"], skeleton: null, render: changing },
    { id: "limits", needs: ["limits"], skeleton: "table", render: list },
    { id: "new", needs: [], skeleton: null, render: setting, always: true },
  ],
};

const labelOf = (/** @type {[string, string][]} */ choices, /** @type {string} */ value) =>
  choices.find(([name]) => name === value)?.[1] ?? format.words(value);
const amountOf = (/** @type {DefinedLimit} */ { unit, amount }) =>
  unit === "usd" ? format.money(amount) : format.count(amount);

/** Whose it is, in words. */
function whose(/** @type {DefinedLimit} */ { scope }) {
  const named = SCOPES.filter(([name]) => scope[name]);
  const words = named.map(([name, label]) =>
    name === "everyone" ? label : `${label.split(" ").at(-1)} ${scope[name]}`,
  );
  return words.join(" of ") || `subscription ${scope.subscription}`;
}

function list(/** @type {Context} */ context, /** @type {Answers} */ { limits: report }) {
  const rows = report.limits;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "limits",
      title: "Limits",
      note: "Beside those that plans give, newest first",
      empty: rows.length ? null : "There are none yet: set one below.",
      table: [
        table({
          caption: "Limits",
          columns: [
            { key: "scope", label: "Whose", content: (row) => el("span.sentence", {}, whose(row)) },
            { key: "amount", label: "Amount", content: amountOf },
            { key: "unit", label: "Of", content: (row) => labelOf(UNITS, row.unit) },
            { key: "window", label: "In", content: (row) => labelOf(WINDOWS, row.window) },
            { key: "kind", label: "When used up", content: (row) => labelOf(KINDS, row.kind) },
            { key: "name", label: "Name" },
            { key: "createdBy", label: "Set by" },
            { key: "id", label: "Actions", content: (row) => actions(context, row) },
          ],
          rows,
          rowKey: (row) => row.id,
        }),
        pages(context, report.nextCursor),
      ],
    }),
  );
}

function actions(/** @type {Context} */ context, /** @type {DefinedLimit} */ row) {
  const end = () => {
    if (confirm(`End the limit of ${whose(row)}? From now on it holds for nobody.`))
      void act(context, `${ROUTE}/${encodeURIComponent(row.id)}/end`, { method: "POST" });
  };
  const change = () => {
    context.ui.set(CHANGING, JSON.stringify({ ...row, amount: String(row.amount) }));
    context.rerender();
    document.getElementById(`limit-${row.id}-amount`)?.focus();
  };
  const button = (/** @type {string} */ label, /** @type {() => void} */ press) =>
    el("button.button.small", { type: "button", onclick: press, "aria-label": `${label}: ${whose(row)}` }, label);
  return el("div.row-actions", {}, button("Change", change), button("End", end));
}

/** The form for the limit that is being changed, as it was when that began. */
function changing(/** @type {Context} */ context) {
  const seen = context.ui.get(CHANGING);
  if (!seen) return null;
  const limit = /** @type {DefinedLimit} */ (JSON.parse(String(seen)));
  const id = `limit-${limit.id}`;
  const close = () => {
    forget(context, id);
    context.ui.delete(CHANGING);
    context.rerender();
  };
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "change-limit",
      title: `Change the limit of ${whose(limit)}`,
      note: `${labelOf(UNITS, limit.unit)}, ${labelOf(WINDOWS, limit.window).toLowerCase()}; what is used stays`,
      tools: el("button.button.small.quiet", { type: "button", onclick: close }, "Cancel"),
      content: form(context, {
        id,
        submit: "Change limit",
        fields: [
          amountField(String(limit.amount)),
          { name: "kind", label: "When used up", options: KINDS, value: limit.kind },
          { name: "name", label: "Name", value: limit.name ?? "" },
        ],
        send: (values) => changed(context, limit, values),
        done: close,
      }),
    }),
  );
}

/** Changes it, where it still is as it was seen; else it says what it is now, and the next attempt replaces that. */
async function changed(
  /** @type {Context} */ context,
  /** @type {DefinedLimit} */ { id },
  /** @type {Record<string, string>} */ { amount, kind, name },
) {
  const path = `${ROUTE}/${encodeURIComponent(id)}`;
  const { version } = JSON.parse(String(context.ui.get(CHANGING)));
  try {
    return await ask(path, {}, { method: "PATCH", body: { amount, kind, name: name ?? null, version } });
  } catch (error) {
    if (!(error instanceof RequestError) || !error.errors.some(({ field }) => field === "version")) throw error;
    /** @type {DefinedLimit} */
    const now = await ask(path);
    context.ui.set(CHANGING, JSON.stringify({ ...now, amount: String(now.amount) }));
    const theirs = `${amountOf(now)}, ${labelOf(KINDS, now.kind).toLowerCase()}${now.name ? `, ${now.name}` : ""}`;
    throw new RequestError({
      kind: "refused",
      title: "Somebody else was faster",
      detail: `${error.errors[0].message}. It is now: ${theirs}. Yours is still below: send it again to replace theirs.`,
    });
  }
}

const amountField = (value = "") => ({
  name: "amount",
  label: "Amount",
  value,
  hint: "0 lets nothing pass",
  input: { inputmode: "decimal", maxlength: 32 },
});

function setting(/** @type {Context} */ context) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "new-limit",
      title: "Set a limit",
      note: "It counts the whole of its current period, from before it was set too",
      content: form(context, {
        id: "limit",
        submit: "Set limit",
        fields: [
          { name: "of", label: "Whose calls", options: SCOPES },
          { name: "scope", label: "Which one", hint: "Its id or name; empty for everybody" },
          { name: "unit", label: "What is counted", options: UNITS },
          { name: "window", label: "In", options: WINDOWS, value: "month" },
          amountField(),
          { name: "kind", label: "When used up", options: KINDS },
          { name: "name", label: "Name", hint: "What users are told; may be left empty" },
        ],
        send: ({ of, scope = "", unit, window, amount = "", kind, name }) =>
          ask(
            ROUTE,
            {},
            {
              method: "POST",
              body: { scope: { [of]: of === "everyone" ? true : scope }, unit, window, amount, kind, name },
            },
          ),
      }),
    }),
  );
}
