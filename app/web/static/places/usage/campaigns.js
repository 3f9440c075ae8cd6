// Campaigns: which there are, what each costs, and how much of its budget is used.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { bill, days, parts } from "../../parts/campaign.js";
import { act, fault, field } from "../../parts/endpoints.js";
import { formOf, textOf } from "../../parts/popover.js";
import { table } from "../../table.js";
import { pages } from "./users.js";

/** @import { Answers, Campaign, Context, Requests, Tab } from "../../types.js" */

const ROUTE = "/api/admin/campaigns";
const PAGE = 50;
const TAGS = { running: "success", planned: "timeout", ended: "" };

/** @type {Tab} */
export default {
  title: "Campaigns",
  about: ({ state }) => (state.campaign ? "" : "What calls of each campaign cost, against its budget"),
  controls: { period: false, parts: false },
  requests: (context) => (context.state.campaign ? aboutOne(context) : aboutAll(context)),
  sections: (context) =>
    context.state.campaign
      ? [
          { id: "back", needs: [], skeleton: null, render: back, always: true },
          { id: "bill", needs: ["campaign"], skeleton: "cards", render: bill },
          { id: "days", needs: ["campaign"], skeleton: "chart", render: days },
          { id: "parts", needs: ["campaign"], skeleton: "charts", render: parts },
        ]
      : [
          { id: "fault", needs: [], skeleton: null, render: fault },
          { id: "campaigns", needs: ["campaigns"], skeleton: "table", render: list },
          { id: "undefined", needs: ["campaigns"], skeleton: null, render: seen },
        ],
};

/** @returns {Requests} */
function aboutAll(/** @type {Context} */ { state, parameters }) {
  const { clientId, synthetic } = parameters();
  return { campaigns: [ROUTE, { clientId, synthetic, limit: PAGE, cursor: state.cursor }] };
}

/** @returns {Requests} */
function aboutOne(/** @type {Context} */ { state, parameters }) {
  const { clientId, synthetic } = parameters();
  return { campaign: [`${ROUTE}/${encodeURIComponent(state.campaign ?? "")}/report`, { clientId, synthetic }] };
}

function back(/** @type {Context} */ context) {
  return el("p.compared", {}, el("a", { href: context.href({ campaign: null }), "data-link": "" }, "← All campaigns"));
}

const daysOf = (/** @type {Campaign} */ { begins, ends }) =>
  ends ? format.span(begins, ends) : `from ${format.day(begins)}`;

function list(/** @type {Context} */ context, /** @type {Answers} */ { campaigns: report }) {
  const rows = report.campaigns;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "campaigns",
      title: "Campaigns",
      note: "A budget is a limit that lets calls pass: it alerts at 80, 90 and 100 %",
      content: el(
        "div",
        {},
        rows.length
          ? [
              table({
                caption: "Campaigns",
                columns: [
                  { key: "name", label: "Name" },
                  { key: "campaignId", label: "As calls name it" },
                  {
                    key: "state",
                    label: "State",
                    content: ({ state }) =>
                      el(`span.tag${TAGS[state] ? `.${TAGS[state]}` : ""}`, {}, format.words(state)),
                  },
                  { key: "begins", label: "Days", content: daysOf },
                  { key: "budget", label: "Budget", as: "money" },
                  { key: "owner", label: "Owner" },
                  { key: "clientId", label: "Client", content: (row) => row.clientId ?? "all" },
                ],
                rows,
                rowKey: (row) => row.id,
                href: (row) => context.href({ campaign: row.id, clientId: row.clientId, cursor: null }),
              }),
              pages(context, report.nextCursor),
            ]
          : el("div.state", {}, el("p", {}, "There is none yet. Calls name one by campaignId; then define it:")),
        defining(context),
      ),
    }),
  );
}

function defining(/** @type {Context} */ context) {
  const define = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = formOf(event);
    const text = (/** @type {string} */ name) => textOf(given, name);
    const budget = text("budget");
    const body = {
      campaignId: text("campaignId"),
      name: text("name"),
      begins: text("begins"),
      ends: text("ends"),
      budget: budget === null ? null : Number(budget),
      owner: text("owner"),
      clientId: text("clientId"),
    };
    if ((await act(context, ROUTE, { method: "POST", body })) !== null) form.reset();
  };
  const of = (/** @type {string} */ name, /** @type {string} */ label, more = {}) =>
    field("campaign", name, label, { maxlength: 256, ...more });
  return el(
    "details.adding",
    { "data-key": "defining" },
    el("summary.button", {}, "Define a campaign"),
    el(
      "form.fields",
      { onsubmit: define },
      of("campaignId", "As calls name it", { required: true }),
      of("name", "Name", { required: true }),
      of("begins", "First day", { type: "date", required: true, value: context.today() }),
      of("ends", "Last day", { type: "date" }),
      of("budget", "Budget in USD", { type: "number", step: "any", min: 0, placeholder: "none" }),
      of("owner", "Owner"),
      context.who.client === null ? of("clientId", "Of one client", { placeholder: "all" }) : null,
      el("button.button.primary", { type: "submit" }, "Define"),
    ),
  );
}

function seen(/** @type {Context} */ context, /** @type {Answers} */ { campaigns: { undefined: rows } }) {
  if (!rows.length) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "undefined",
      title: "Not defined",
      note: "Calls of the last 90 days name these",
      table: table({
        caption: "Not defined",
        columns: [
          { key: "campaignId", label: "As calls name it" },
          { key: "clientId", label: "Client" },
          { key: "requests", label: "Calls", as: "count", share: true },
          { key: "cost", label: "Cost", as: "money" },
          { key: "advice", label: "What to do", content: (row) => el("span.sentence", {}, row.advice) },
        ],
        rows,
        rowKey: (row) => `${row.clientId} ${row.campaignId}`,
        // an address cannot name what has a slash in it
        href: (row) =>
          row.campaignId.includes("/") ? "" : context.href({ campaign: row.campaignId, clientId: row.clientId }),
      }),
    }),
  );
}
