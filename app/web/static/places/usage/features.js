// Features: what each is called for, what it costs and how it goes.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { download, labelsOf, measures, panel } from "../../panels.js";
import { changeColumns, compareParameters } from "../../parts/change.js";
import { callsBehind } from "../../parts/links.js";
import { barsOf, COLUMNS, costOf, ranking } from "../../parts/rankings.js";

/** @import { Amount, Answers, Context, Tab, Totals } from "../../types.js" */

/**
 * @type {Record<"requests" | "cost" | "tokens" | "successRate", [label: string,
 *   pick: (row: Totals) => Amount | null, write: (value: Amount | null, row: Totals) => string]>}
 */
const MEASURES = {
  requests: ["Requests", (row) => row.requests, format.count],
  cost: ["Cost", (row) => row.cost, costOf],
  tokens: ["Tokens", (row) => row.tokens.total, format.short],
  successRate: ["Success rate", (row) => row.successRate, format.percent],
};

/** @type {Tab} */
export default {
  title: "Features",
  controls: { compare: true },
  requests: (context) => ({
    usage: ["/api/admin/ai/usage", { ...context.parameters(), ...compareParameters(context) }],
  }),
  calls: ({ usage }) => usage?.totals.requests,
  sections: () => [{ id: "features", needs: ["usage"], skeleton: "table", render: features }],
};

function features(/** @type {Context} */ context, /** @type {Answers} */ { usage }) {
  const { chosen, buttons } = measures(context, "features", labelsOf(MEASURES));
  const [label, pick, write] = MEASURES[chosen];
  const rows = [...usage.byFeature].sort((a, b) => Number(pick(b) ?? 0) - Number(pick(a) ?? 0));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "features",
      title: `${label} by feature`,
      tools: [buttons, download(context, "features")],
      chart: barsOf({
        rows,
        name: (row) => row.feature,
        pick,
        write,
        label: `${label} by feature`,
        href: callsBehind(context).feature,
      }),
    }),
    panel(context, {
      id: "list",
      title: "Features",
      table: ranking(context, {
        id: "list",
        caption: "Features",
        rows,
        columns: [
          { key: "feature", label: "Feature" },
          COLUMNS.requests,
          COLUMNS.cost,
          ...changeColumns(context),
          COLUMNS.tokens,
          COLUMNS.successRate,
          COLUMNS.errors,
          COLUMNS.averageDuration,
          COLUMNS.savedCost,
          COLUMNS.unpriced,
        ],
        href: callsBehind(context).feature,
        noun: "feature",
      }),
    }),
  );
}
