// Prices: the overrides in force, setting and ending one, and what it would make of stored calls.

import { ask } from "../../api.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { form } from "../../forms.js";
import { panel } from "../../panels.js";
import { act, fault } from "../../parts/endpoints.js";
import { repricing } from "../../parts/repricing.js";
import { table } from "../../table.js";

/** @import { Amount, Answers, Context, PriceOverride, Tab } from "../../types.js" */

const ROUTE = "/api/admin/prices";
/** What is priced, and per what. @type {[string, string, string][]} */
const UNITS = [
  ["inputMtok", "Input", "per million tokens"],
  ["outputMtok", "Output", "per million tokens"],
  ["cacheReadMtok", "Cached input", "per million tokens"],
  ["cacheWriteMtok", "Cache write", "per million tokens"],
  ["requestsKcount", "Requests", "per thousand"],
  ["image", "Image", "each"],
  ["audioSecond", "Audio", "per second"],
  ["videoSecond", "Video", "per second"],
];

/** @type {Tab} */
export default {
  title: "Prices",
  about: () => "Prices set here come before every price list; all others are those of the installed lists",
  controls: { period: false, parts: false, calls: false },
  requests: () => ({ prices: [ROUTE, {}], repricing: ["/api/admin/repricing", {}] }),
  sections: () => [
    { id: "fault", needs: [], skeleton: null, render: fault },
    { id: "new", needs: [], skeleton: null, render: setting, always: true },
    { id: "repricing", needs: ["repricing"], skeleton: null, render: repricing },
    { id: "prices", needs: ["prices"], skeleton: "table", render: list },
  ],
};

function setting(/** @type {Context} */ context) {
  const { model, provider, clientId } = context.state;
  const own = context.who.client;
  const price = (/** @type {[string, string, string]} */ [name, label, per]) => ({
    name,
    label: `${label}, USD`,
    hint: per,
    input: { inputmode: "decimal", maxlength: 32 },
  });
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "new-price",
      title: "Set a price",
      note: "For calls from its start on; stored calls keep their cost until they are repriced",
      content: form(context, {
        id: `price-${model ?? ""}`,
        submit: "Set price",
        fields: [
          { name: "model", label: "Model", value: model ?? "", hint: "As calls report it" },
          { name: "provider", label: "Provider", value: provider ?? "", hint: "Any if left empty" },
          ...(own === null
            ? [{ name: "clientId", label: "Client", value: clientId ?? "", hint: "Every client if left empty" }]
            : []),
          {
            name: "effectiveFrom",
            label: "From, 00:00 UTC",
            hint: "Now if left empty",
            input: { type: "date", min: "2000-01-01" },
          },
          ...UNITS.map(price),
        ],
        send: ({ model: named = "", provider: of, clientId: client, effectiveFrom, ...prices }) =>
          ask(
            ROUTE,
            {},
            {
              method: "POST",
              body: {
                model: named,
                provider: of,
                clientId: client,
                effectiveFrom: effectiveFrom && `${effectiveFrom}T00:00:00Z`,
                prices,
              },
            },
          ),
        done: (/** @type {PriceOverride} */ made) => {
          context.ui.set("repricing.wish", JSON.stringify(wishOf(made)));
          context.ui.delete("repricing.preview");
          context.rerender();
          document.getElementById("panel-repricing")?.focus();
        },
      }),
    }),
  );
}

/** The stored calls that a price may be for. */
const wishOf = (/** @type {PriceOverride} */ { model, clientId, effectiveFrom, effectiveTo }) => ({
  model,
  clientId,
  firstDay: effectiveFrom.slice(0, 10),
  lastDay: effectiveTo?.slice(0, 10) ?? null,
});

function list(/** @type {Context} */ context, /** @type {Answers} */ { prices }) {
  const now = new Date().toISOString();
  const over = (/** @type {PriceOverride} */ { effectiveTo }) => effectiveTo !== null && effectiveTo <= now;
  const { model } = context.state;
  const rows = prices
    .filter((row) => !model || row.model === model.toLowerCase())
    .sort((one, other) => Number(over(one)) - Number(over(other)));
  const zone = context.who.timezone;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "prices",
      title: "Prices set here",
      note: "Newer ones take the place of older ones from their start on",
      empty: rows.length ? null : "None: every call is priced by the installed price lists.",
      table: table({
        caption: "Prices set here",
        columns: [
          { key: "model", label: "Model" },
          { key: "provider", label: "Provider", content: (row) => row.provider ?? "any" },
          { key: "clientId", label: "Client", content: (row) => row.clientId ?? "all" },
          { key: "prices", label: "USD", content: (row) => el("span.sentence", {}, pricesOf(row)) },
          { key: "effectiveFrom", label: "From", content: (row) => format.instant(row.effectiveFrom, zone) },
          {
            key: "effectiveTo",
            label: "Until",
            content: (row) => (row.effectiveTo ? format.instant(row.effectiveTo, zone) : "further notice"),
          },
          { key: "createdBy", label: "Set by" },
          { key: "id", label: "Actions", content: (row) => (over(row) ? null : actions(context, row)) },
        ],
        rows,
        rowKey: (row) => row.id,
      }),
    }),
  );
}

const pricesOf = (/** @type {PriceOverride} */ { prices }) =>
  Object.entries(prices)
    .map(([unit, usd]) => `${nameOf(unit)} ${format.money(/** @type {Amount} */ (usd))}`)
    .join(", ");

function nameOf(/** @type {string} */ unit) {
  const found = UNITS.find(([name]) => name === unit);
  return found ? `${found[1].toLowerCase()} ${found[2]}` : unit;
}

function actions(/** @type {Context} */ context, /** @type {PriceOverride} */ row) {
  const end = () => {
    if (confirm(`End this price of ${row.model} now? Calls from now on are priced by the price lists again.`))
      void act(context, `${ROUTE}/${encodeURIComponent(row.id)}/end`, { method: "POST", body: {} });
  };
  const look = () => {
    context.ui.set("repricing.wish", JSON.stringify(wishOf(row)));
    context.ui.delete("repricing.preview");
    context.rerender();
    document.getElementById("panel-repricing")?.focus();
  };
  const button = (/** @type {string} */ label, /** @type {() => void} */ press) =>
    el("button.button.small", { type: "button", onclick: press, "aria-label": `${label}: ${row.model}` }, label);
  return el("div.row-actions", {}, button("Reprice", look), button("End", end));
}
