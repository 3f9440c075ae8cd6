// What changed in the cost between two periods, and why: exact parts of the change.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { links } from "../../parts/choices.js";
import { callsBehind, placesOf } from "../../parts/links.js";
import { waterfall } from "../../parts/waterfall.js";
import { otherRow, table } from "../../table.js";

/** @import { Amount, Answers, Context, Effect, Explain, Explained, FigureColumn, Tab } from "../../types.js" */

/** What each effect is called, and what it tells. @type {[Effect, string, string][]} */
const EFFECTS = [
  ["days", "Days", "One period is longer than the other"],
  ["volume", "Volume", "Features were used more or less"],
  ["mix", "Mix of models", "Other models answered"],
  ["tokens", "Usage per call", "A call used more or less: tokens, images, seconds, characters"],
  ["price", "Price", "The same usage cost more or less: prices, tiers, calls that had no price"],
  ["caching", "Caching", "Caches saved more or less of it"],
];
const CHANGE = /** @type {const} */ ({ key: "change", label: "Change", as: "moneyChange" });
/** @type {FigureColumn[]} */
const COSTS = [
  { key: "cost", label: "Cost", as: "money" },
  { key: "earlierCost", label: "Before", as: "money" },
];
const NAMES = Object.fromEntries(EFFECTS.map(([name, label]) => [name, label]));

/** @type {Tab} */
export default {
  title: "What changed",
  requests: (context) => ({
    explain: ["/api/admin/ai/explain", { ...context.parameters(), compare: context.state.against }],
  }),
  calls: ({ explain }) => explain && explain.totals.now.requests + explain.totals.earlier.requests,
  sections: () => [
    { id: "against", needs: [], skeleton: null, render: against, always: true },
    { id: "change", needs: ["explain"], skeleton: "cards", render: change },
    { id: "contributors", needs: ["explain"], skeleton: "table", render: contributors },
    { id: "groups", needs: ["explain"], skeleton: "charts", render: groups },
    { id: "people", needs: ["explain"], skeleton: "table", render: people },
  ],
};

function against(/** @type {Context} */ context) {
  return links(context, {
    name: "against",
    label: "Compared with",
    choices: [
      [null, "Period before"],
      ["year", "A year before"],
    ],
  });
}

function change(/** @type {Context} */ context, /** @type {Answers} */ { explain }) {
  const { totals, compared } = explain;
  const money = (/** @type {string} */ name, /** @type {string} */ label, /** @type {Amount} */ value) =>
    card({ name, label, value, write: format.shortMoney });
  return [
    cards([
      money("cost", "Cost", totals.now.cost),
      money("earlier.cost", "Cost before", totals.earlier.cost),
      card({ name: "change", label: "Change", value: totals.change, write: format.moneyChange, hint: mostly(totals) }),
    ]),
    el("p.compared", {}, `${format.sentence(compared)}. ${unpriced(explain)}`),
    el(
      "div.grid",
      {},
      panel(context, {
        id: "effects",
        title: "Why it changed",
        note: "One cause after the other, each beside those above it; together they are the change, to the last decimal",
        chart: waterfall({
          label: "Change",
          steps: EFFECTS.map(([name, label]) => [label, totals.effects[name]]),
          to: ["Change", totals.change],
        }),
        table: table({
          caption: "Why it changed",
          columns: [
            { key: "label", label: "Cause" },
            { key: "amount", label: "Change", as: "moneyChange" },
            { key: "words", label: "What it tells", content: (row) => el("span.sentence", {}, row.words) },
          ],
          rows: EFFECTS.map(([name, label, words]) => ({ name, label, words, amount: totals.effects[name] })),
          rowKey: (row) => row.name,
        }),
      }),
    ),
  ];
}

/** Of calls without a price: they are in neither cost. */
function unpriced(/** @type {Explain} */ { totals: { now, earlier } }) {
  if (!now.unpriced && !earlier.unpriced) return "Every call has a price.";
  return `Without a price, and in no cost: ${format.plural(now.unpriced, "call")}, before ${format.count(earlier.unpriced)}.`;
}

/** The effect that has most of a change, as words. */
const mostly = (/** @type {Explained} */ { largest, effects }) =>
  largest ? `${NAMES[largest]} ${format.moneyChange(effects[largest])}` : null;

/** Columns of rows that `spread` made, with the effects that any of them has. @returns {FigureColumn[]} */
const columnsOf = (/** @type {Explained[]} */ rows) => [
  CHANGE,
  ...EFFECTS.filter(([name]) => rows.some((row) => Number(row.effects[name]) !== 0)).map(
    ([name, label]) => /** @type {const} */ ({ key: name, label, as: "moneyChange" }),
  ),
  ...COSTS,
];

/**
 * A row with its effects beside it.
 * @template {Explained} T
 * @param {T} row
 */
const spread = (row) => ({ ...row, ...row.effects, cost: row.now.cost, earlierCost: row.earlier.cost });

/** A name, marked where it is new or gone. */
const marked = (/** @type {{status: Explained["status"]}} */ { status }, /** @type {string} */ name) => [
  el("span.name", { title: name }, name),
  status === "both" ? null : el(`span.tag.${status === "new" ? "success" : "timeout"}`, {}, status),
];

function contributors(/** @type {Context} */ context, /** @type {Answers} */ { explain: { top, rest } }) {
  const behind = callsBehind(context);
  const others = rest.now.requests || rest.earlier.requests ? otherRow(spread(rest), null) : null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "contributors",
      title: "What changed most",
      note: "Models in features, those whose cost changed most first",
      empty: top.length ? null : "Nothing was used in either period.",
      table: table({
        caption: "What changed most",
        columns: [
          { key: "name", label: "Model in feature", content: (row) => marked(row, row.name) },
          ...columnsOf(top),
        ],
        rows: top.map(spread),
        rowKey: (row) => `${row.provider} ${row.model} ${row.serviceType} ${row.feature}`,
        href: (row) => behind.part(row),
        other: others,
      }),
    }),
  );
}

function groups(/** @type {Context} */ context, /** @type {Answers} */ { explain }) {
  const group = (
    /** @type {string} */ id,
    /** @type {string} */ title,
    /** @type {Explained[]} */ rows,
    /** @type {string} */ name,
  ) =>
    panel(context, {
      id,
      title,
      span: 6,
      table: table({
        caption: title,
        columns: [
          { key: "name", label: name, content: (row) => marked(row, row.name) },
          CHANGE,
          { key: "largest", label: "Mostly", content: (row) => mostly(row) ?? "nothing" },
          COSTS[0],
        ],
        rows: rows.map(spread),
        rowKey: (row) => keyOf(row),
      }),
    });
  return el(
    "div.grid",
    {},
    group("features", "By feature", explain.byFeature, "Feature"),
    group("models", "By model", explain.byModel, "Model"),
  );
}

const keyOf = (/** @type {Explained & {provider?: string}} */ { provider, name }) =>
  provider ? `${provider} ${name}` : name;

function people(/** @type {Context} */ context, /** @type {Answers} */ { explain: { byUser, otherUsers } }) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "people",
      title: "By user",
      note: "Volume: more or fewer calls at what one cost the user before",
      empty: byUser.length ? null : "No user's cost changed.",
      table: table({
        caption: "By user",
        columns: [
          { key: "userId", label: "User", content: (row) => marked(row, row.userId) },
          CHANGE,
          { key: "volume", label: "Volume", as: "moneyChange" },
          { key: "costOfCall", label: "Cost per call", as: "moneyChange" },
          ...COSTS,
        ],
        rows: byUser,
        href: placesOf(context).user,
        other: otherUsers.users ? otherRow({ change: otherUsers.change }, otherUsers.users) : null,
        noun: "user",
      }),
    }),
  );
}
