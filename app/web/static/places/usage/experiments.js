// Experiments: what is compared, and what the users of each variant cost and did.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { act, fault, field } from "../../parts/endpoints.js";
import { figures, notices, variants } from "../../parts/experiment-results.js";
import { formulas } from "../../parts/formulas.js";
import { formOf, textOf } from "../../parts/popover.js";
import { table } from "../../table.js";
import { pages } from "./users.js";

/** @import { Answers, Context, Experiment, Requests, Tab } from "../../types.js" */

const ROUTE = "/api/admin/experiments";
const PAGE = 50;
const TAGS = { running: "success", planned: "timeout", ended: "" };
const SHARE = 100;

/** @type {Tab} */
export default {
  title: "Experiments",
  about: ({ state }) => (state.experiment ? "" : "What is compared, and what came of it"),
  controls: { period: false, parts: false },
  requests: (context) => (context.state.experiment ? aboutOne(context) : aboutAll(context)),
  sections: (context) =>
    context.state.experiment
      ? [
          { id: "back", needs: [], skeleton: null, render: back, always: true },
          { id: "notices", needs: ["results"], skeleton: null, render: notices },
          { id: "variants", needs: ["results"], skeleton: "table", render: variants },
          { id: "figures", needs: ["results"], skeleton: "charts", render: figures },
          {
            id: "formulas",
            needs: ["results"],
            skeleton: null,
            render: (_, { results }) => formulas(results.formulas),
          },
        ]
      : [
          { id: "fault", needs: [], skeleton: null, render: fault },
          { id: "experiments", needs: ["experiments"], skeleton: "table", render: list },
          { id: "undefined", needs: ["experiments"], skeleton: null, render: seen },
        ],
};

/** @returns {Requests} */
function aboutAll(/** @type {Context} */ { state }) {
  return { experiments: [ROUTE, { clientId: state.clientId, limit: PAGE, cursor: state.cursor }] };
}

/** @returns {Requests} */
function aboutOne(/** @type {Context} */ context) {
  const { synthetic, clientId } = context.parameters();
  return {
    results: [`${ROUTE}/${encodeURIComponent(context.state.experiment ?? "")}/results`, { synthetic, clientId }],
  };
}

function back(/** @type {Context} */ context) {
  return el(
    "p.compared",
    {},
    el("a", { href: context.href({ experiment: null }), "data-link": "" }, "← All experiments"),
  );
}

const daysOf = (/** @type {Experiment} */ { begins, ends }) =>
  ends ? format.span(begins, ends) : `from ${format.day(begins)}`;

const variantWords = (/** @type {Experiment} */ { variants: all, control }) =>
  all
    .map(
      ({ name, weight }) => `${name} ${format.percent(SHARE * Number(weight))}${name === control ? " (control)" : ""}`,
    )
    .join(", ");

const tagOf = (/** @type {Experiment} */ { state }) =>
  el(`span.tag${TAGS[state] ? `.${TAGS[state]}` : ""}`, {}, format.words(state));

function list(/** @type {Context} */ context, /** @type {Answers} */ { experiments: report }) {
  const rows = report.experiments;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "experiments",
      title: "Experiments",
      note: "Calls and product events that name one count from its first day on, also what came before it was defined",
      content: el(
        "div",
        {},
        rows.length
          ? [
              table({
                caption: "Experiments",
                columns: [
                  { key: "name", label: "Name" },
                  { key: "state", label: "State", content: tagOf },
                  { key: "variants", label: "Variants", content: (row) => el("span.sentence", {}, variantWords(row)) },
                  { key: "begins", label: "Days", content: daysOf },
                  { key: "conversionEvent", label: "Success", content: (row) => row.conversionEvent ?? "costs alone" },
                  { key: "clientId", label: "Client", content: (row) => row.clientId ?? "all" },
                ],
                rows,
                rowKey: (row) => row.id,
                href: (row) => context.href({ experiment: row.id, clientId: row.clientId, cursor: null }),
              }),
              pages(context, report.nextCursor),
            ]
          : el(
              "div.state",
              {},
              el(
                "p",
                {},
                "There is none yet. Calls say which variant a user got (experiment, variant); then define it:",
              ),
            ),
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
    const body = {
      name: textOf(given, "name"),
      variants: shares((textOf(given, "variants") ?? "").split(",").map((each) => each.trim())),
      begins: textOf(given, "begins"),
      ends: textOf(given, "ends"),
      conversionEvent: textOf(given, "conversionEvent"),
      clientId: textOf(given, "clientId"),
    };
    if ((await act(context, ROUTE, { method: "POST", body })) !== null) form.reset();
  };
  return el(
    "details.adding",
    { "data-key": "defining" },
    el("summary.button", {}, "Define an experiment"),
    el(
      "form.fields",
      { onsubmit: define },
      field("experiment", "name", "Name, as calls have it", { required: true, maxlength: 256 }),
      field("experiment", "variants", "Variants with commas, the control first", {
        required: true,
        maxlength: 2000,
        placeholder: "plain, warm",
      }),
      field("experiment", "begins", "First day", { type: "date", required: true, value: context.today() }),
      field("experiment", "ends", "Last day", { type: "date" }),
      field("experiment", "conversionEvent", "Product event that is success", { maxlength: 256, placeholder: "none" }),
      context.who.client === null
        ? field("experiment", "clientId", "Of one client", { maxlength: 256, placeholder: "all" })
        : null,
      el("button.button.primary", { type: "submit" }, "Define"),
    ),
  );
}

/** Variants with equal shares, which sum to 1 exactly. */
function shares(/** @type {string[]} */ names) {
  const parts = 1_000_000;
  const each = Math.floor(parts / names.length);
  return names.map((name, place) => ({
    name,
    weight: (place === 0 ? parts - each * (names.length - 1) : each) / parts,
  }));
}

function seen(/** @type {Context} */ context, /** @type {Answers} */ { experiments: { undefined: rows } }) {
  if (!rows.length) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "undefined",
      title: "Not defined",
      note: "Calls name these; define one to see its results",
      table: table({
        caption: "Not defined",
        columns: [
          { key: "name", label: "Name" },
          { key: "variants", label: "Variants seen", content: (row) => row.variants.join(", ") },
          { key: "advice", label: "What to do", content: (row) => el("span.sentence", {}, row.advice) },
        ],
        rows,
      }),
    }),
  );
}
