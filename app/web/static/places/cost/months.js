// Month reports: each month as a page, a PDF and a table; closing one; and providers' invoices.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { fault } from "../../parts/endpoints.js";
import { enter, invoices } from "../../parts/invoices.js";
import { about, budgets, links, money, parts, reconciliation } from "../../parts/month.js";
import { soFar } from "../../parts/periods.js";
import { flat } from "../../parts/rankings.js";
import { table } from "../../table.js";

/** @import { Answers, Context, Requests, Tab } from "../../types.js" */

const PAGE = 50;

/** @type {Tab} */
export default {
  title: "Month reports",
  about: ({ state }) => (state.month ? format.month(state.month) : "Twelve months, each as a page, a PDF and a table"),
  controls: { period: false, parts: false },
  requests: (context) => (context.state.month ? aboutOne(context) : aboutAll(context)),
  sections: (context) =>
    context.state.month
      ? [
          { id: "fault", needs: [], skeleton: null, render: fault },
          { id: "back", needs: [], skeleton: null, render: back, always: true },
          { id: "about", needs: ["month"], skeleton: "cards", render: about },
          { id: "money", needs: ["month"], skeleton: null, render: money },
          { id: "reconciliation", needs: ["month"], skeleton: "table", render: reconciliation },
          { id: "budgets", needs: ["month"], skeleton: "table", render: budgets },
          { id: "parts", needs: ["month"], skeleton: "table", render: parts },
        ]
      : [
          { id: "fault", needs: [], skeleton: null, render: fault },
          { id: "months", needs: ["analytics"], skeleton: "table", render: list },
          { id: "invoices", needs: ["invoices"], skeleton: "table", render: invoices },
          { id: "enter", needs: [], skeleton: null, render: enter },
        ],
};

/** @returns {Requests} */
function aboutAll(/** @type {Context} */ { state, parameters }) {
  const { clientId, synthetic } = parameters();
  return {
    analytics: ["/api/analytics", { type: "monthly", clientId, synthetic }],
    invoices: ["/api/admin/provider-invoices", { clientId: state.clientId, limit: PAGE, cursor: state.cursor }],
  };
}

/** @returns {Requests} */
function aboutOne(/** @type {Context} */ { state, parameters }) {
  const { clientId, synthetic } = parameters();
  const month = encodeURIComponent(state.month ?? "");
  return { month: [`/api/admin/reports/month/${month}.json`, { clientId, synthetic, preview: "true" }] };
}

function back(/** @type {Context} */ context) {
  return el("p.compared", {}, el("a", { href: context.href({ month: null }), "data-link": "" }, "← All months"));
}

function list(/** @type {Context} */ context, /** @type {Answers} */ { analytics: { window, monthly } }) {
  const rows = flat([...monthly].reverse()).filter((row) => row.requests > 0);
  const today = context.today();
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "months",
      title: "Months",
      note: "A month is closed on its own page: its figures are then kept, whatever comes late",
      empty: rows.length ? null : "No calls in the last twelve months.",
      table: table({
        caption: "Months",
        columns: [
          {
            key: "month",
            label: "Month",
            content: (row) => `${format.month(row.month)}${soFar(row, window.to, today)}`,
          },
          { key: "cost", label: "Cost", as: "money" },
          { key: "savedCost", label: "Saved", as: "money" },
          { key: "requests", label: "Requests", as: "count", share: true },
          { key: "unpriced", label: "Unpriced", as: "count" },
          { key: "links", label: "Report", content: (row) => links(context, row.month) },
        ],
        rows: rows.map((row) => ({ ...row, links: null })),
        rowKey: (row) => row.month,
        href: (row) => context.href({ month: row.month }),
      }),
    }),
  );
}
