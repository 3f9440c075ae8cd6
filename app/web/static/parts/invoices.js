// What providers invoiced, for the reconciliation of months.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { pages } from "../places/usage/users.js";
import { table } from "../table.js";
import { act, field } from "./endpoints.js";
import { formOf, textOf } from "./popover.js";

/** @import { Answers, Context } from "../types.js" */

const ROUTE = "/api/admin/provider-invoices";
const ADDED = "invoices.adding";

export function invoices(/** @type {Context} */ context, /** @type {Answers} */ { invoices: report }) {
  const rows = report.invoices;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "invoices",
      title: "Invoices of providers",
      note: "Each month's report sets them against what was recorded",
      empty: rows.length ? null : "None was entered. Enter what a provider has invoiced for a month, without tax:",
      table: [
        table({
          caption: "Invoices of providers",
          columns: [
            { key: "number", label: "Number" },
            { key: "provider", label: "Provider" },
            { key: "month", label: "Month", content: (row) => format.month(row.month) },
            { key: "total", label: "Total", content: (row) => `${row.total} ${row.currency}` },
            { key: "usd", label: "USD", as: "money" },
            { key: "clientId", label: "Client", content: (row) => row.clientId ?? "the deployment's" },
          ],
          rows,
          rowKey: (row) => row.id,
        }),
        pages(context, report.nextCursor),
      ],
    }),
  );
}

/** The form for another one. */
export function enter(/** @type {Context} */ context) {
  const add = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = formOf(event);
    const text = (/** @type {string} */ name) => textOf(given, name);
    const body = {
      provider: text("provider"),
      month: text("month"),
      currency: text("currency")?.toUpperCase(),
      total: Number(text("total")),
      number: text("number"),
      clientId: text("clientId"),
    };
    if ((await act(context, ROUTE, { method: "POST", body })) !== null) form.reset();
  };
  const of = (/** @type {string} */ name, /** @type {string} */ label, more = {}) =>
    field("invoice", name, label, { required: true, maxlength: 256, ...more });
  const before = new Date(`${context.today().slice(0, 7)}-01T00:00:00Z`);
  before.setUTCDate(0);
  return el(
    "details.adding",
    { "data-key": ADDED },
    el("summary.button", {}, "Enter an invoice"),
    el(
      "form.fields",
      { onsubmit: add },
      of("provider", "Provider, as calls name it"),
      of("month", "Month", {
        placeholder: "2026-10",
        pattern: "[0-9]{4}-[0-9]{2}",
        value: before.toISOString().slice(0, 7),
      }),
      of("number", "Its number"),
      of("total", "Total without tax", { type: "number", step: "any" }),
      of("currency", "Currency", { value: "USD", maxlength: 3 }),
      context.who.client === null
        ? field("invoice", "clientId", "Of one client's account", { maxlength: 256, placeholder: "the deployment's" })
        : null,
      el("button.button.primary", { type: "submit" }, "Enter"),
    ),
  );
}
