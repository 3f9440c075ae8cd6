// Margins of plans, clients, users, features, models and campaigns, and who costs more than they bring.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { links } from "../../parts/choices.js";
import { financeParameters, narrowing } from "../../parts/finance.js";
import { formulas } from "../../parts/formulas.js";
import { otherRow, table } from "../../table.js";
import { pages } from "../usage/users.js";

/** @import { Answers, Child, Column, Context, Losses, MarginRow, Requests, Row, Tab } from "../../types.js" */

/** What margins are of, and what one of them is called. @type {[string | null, string][]} */
const BY = [
  [null, "Plan"],
  ["client", "Client"],
  ["user", "User"],
  ["feature", "Feature"],
  ["model", "Model"],
  ["campaign", "Campaign"],
];
/** By what revenue is shared where it belongs to none of them by itself. */
const SHARED = ["feature", "model", "campaign"];

/** @type {Tab} */
export default {
  title: "Margins",
  requests,
  sections: () => [
    { id: "choices", needs: [], skeleton: null, render: choices, always: true },
    { id: "totals", needs: ["margins"], skeleton: "cards", render: totals },
    { id: "margins", needs: ["margins"], skeleton: "table", render: rows },
    { id: "losses", needs: ["losses"], skeleton: "table", render: losses },
    { id: "formulas", needs: ["margins"], skeleton: null, render: (_, { margins }) => formulas(margins.formulas) },
  ],
};

/** @returns {Requests} */
function requests(/** @type {Context} */ context) {
  const { by, allocation, sort, cursor } = context.state;
  const of = financeParameters(context);
  return {
    margins: ["/api/admin/finance/margins", { ...of, by, allocation, sort, cursor, limit: 50 }],
    losses: ["/api/admin/finance/loss-making", of],
  };
}

const nameOf = (/** @type {Context} */ { state }) => BY.find(([value]) => value === state.by)?.[1] ?? "Plan";

function choices(/** @type {Context} */ context) {
  const again = { cursor: null };
  return [
    links(context, { name: "by", label: "Margins by", choices: BY, more: again }),
    SHARED.includes(context.state.by ?? "")
      ? links(context, {
          name: "allocation",
          label: "Revenue is shared",
          choices: [
            [null, "Shared by cost"],
            ["calls", "Shared by calls"],
            ["none", "Not shared"],
          ],
          more: again,
        })
      : null,
    links(context, {
      name: "sort",
      label: "In order of",
      choices: [
        [null, "Lowest margin"],
        ["-margin", "Highest margin"],
        ["-recognised", "Most revenue"],
        ["-cost", "Most cost"],
      ],
      more: again,
    }),
  ];
}

function totals(/** @type {Context} */ context, /** @type {Answers} */ { margins: { totals: all, allocationWords } }) {
  return [
    cards([
      card({
        name: "recognised",
        label: "Recognised revenue",
        value: all.recognised,
        write: format.shortMoney,
      }),
      card({ name: "cost", label: "AI cost", value: all.cost, write: format.shortMoney }),
      card({
        name: "margin",
        label: "Margin",
        value: all.margin,
        write: format.shortMoney,
        hint: all.marginPercent === null ? null : format.percent(all.marginPercent),
      }),
    ]),
    el("p.compared", {}, allocationWords ? `${format.words(allocationWords)}. ` : null, narrowing(context)),
  ];
}

/** An amount below zero is seen as one. */
const lossy = (/** @type {MarginRow} */ { margin }, /** @type {Child} */ shown) =>
  Number(margin) < 0 ? el("span.trend.bad", {}, shown) : shown;

/** @returns {Column<MarginRow>[]} */
const columnsOf = (/** @type {string} */ name) => [
  { key: "name", label: name, content: (row, shown) => (name === "Plan" && row.name === "none" ? "No plan" : shown) },
  { key: "recognised", label: "Recognised", as: "money" },
  { key: "cost", label: "AI cost", as: "money" },
  { key: "margin", label: "Margin", as: "money", content: lossy },
  { key: "marginPercent", label: "Percent", as: "percent" },
  { key: "returnOnCost", label: "For $1 of cost", as: "money" },
  { key: "calls", label: "Calls", as: "count", share: true },
];

function rows(/** @type {Context} */ context, /** @type {Answers} */ { margins: report }) {
  const { unallocated } = report;
  const left = Number(unallocated.recognised) || Number(unallocated.cost) || unallocated.calls;
  const title = `Margin by ${nameOf(context).toLowerCase()}`;
  const { by, allocation, sort } = context.state;
  const csv = context.address("/api/admin/finance/margins.csv", {
    ...financeParameters(context),
    by,
    allocation,
    sort,
  });
  const empty = report.rows.length || left ? null : "There is neither revenue nor cost in this period.";
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "margins",
      title,
      note: `All rows sum to the totals exactly; ${format.plural(report.count, "row")} in total`,
      tools: el("a.button.small.quiet", { href: csv, download: "" }, "CSV", el("span.hidden", {}, " of margins")),
      empty,
      table: [
        table({
          caption: title,
          columns: columnsOf(nameOf(context)),
          rows: report.rows,
          href: (row) => behind(context, row),
          other: left ? { ...otherRow(/** @type {Row} */ (unallocated), null), called: "Of none of them" } : null,
        }),
        pages(context, report.nextCursor),
      ],
    }),
  );
}

/** The calls of a row. */
function behind(/** @type {Context} */ context, /** @type {MarginRow} */ { name }) {
  const by = context.state.by ?? "plan";
  const filter = { client: "clientId", user: "userId", feature: "feature", model: "model" }[by];
  return filter && name !== null ? context.href({ tab: "calls", [filter]: name }) : "";
}

function losses(/** @type {Context} */ context, /** @type {Answers} */ { losses: report }) {
  const without = report.usersWithoutRevenue
    ? `${format.plural(report.usersWithoutRevenue, "user")} without revenue of their own cost ${format.money(report.costWithoutRevenue)}: their client may pay for them. `
    : "";
  const plan = Number(report.costWithoutPlan)
    ? `Users without a plan cost ${format.money(report.costWithoutPlan)}.`
    : "";
  return el(
    "div.grid",
    {},
    losing(context, "loss-plans", "Loss-making plans", "Plan", report.plans, plan),
    losing(context, "loss-users", "Loss-making users", "User", report.users, without),
  );
}

/**
 * @param {Context} context
 * @param {string} id
 * @param {string} title
 * @param {string} name
 * @param {Losses} found
 * @param {string} note
 */
function losing(context, id, title, name, found, note) {
  const sum = found.count
    ? `${format.plural(found.count, name.toLowerCase())}, together ${format.money(found.loss)}. `
    : "";
  return panel(context, {
    id,
    title,
    span: 6,
    note: `${sum}${note}`,
    empty: found.rows.length ? null : `No ${name.toLowerCase()} costs more than it brings.`,
    table: table({ caption: title, columns: columnsOf(name).slice(0, 5), rows: found.rows }),
  });
}
