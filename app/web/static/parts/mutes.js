// What of unusual spending nobody wants to be told for a while.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";
import { act, choice, field } from "./endpoints.js";
import { formOf, textOf } from "./popover.js";

/** @import { Answers, Context, Mute } from "../types.js" */

const ROUTE = "/api/admin/alerts/mutes";
const DAY_MS = 24 * 60 * 60 * 1_000;
/** @type {[string, string][]} */
const KINDS = [
  ["spending.cost", "Costs"],
  ["spending.errors", "Failed calls"],
  ["spending.slow", "Slow providers"],
  ["spending.unpriced", "Models without a price"],
];
/** Days. @type {[string, string][]} */
const SPANS = [
  ["1", "A day"],
  ["7", "A week"],
  ["30", "30 days"],
];

export function mutePanel(/** @type {Context} */ context, /** @type {Answers} */ { mutes: report }) {
  const rows = report.mutes;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "mutes",
      title: "Muted",
      note: "Unusual spending that is not told until then",
      content: el(
        "div",
        {},
        rows.length ? list(context, rows) : el("div.state", {}, el("p", {}, "Nothing is muted.")),
        muting(context),
      ),
    }),
  );
}

function list(/** @type {Context} */ context, /** @type {Mute[]} */ rows) {
  const zone = context.who.timezone;
  return table({
    caption: "Muted",
    columns: [
      { key: "kind", label: "What", content: (row) => kindWords(row) },
      { key: "clientId", label: "Client", content: (row) => row.clientId ?? "all" },
      { key: "provider", label: "Provider", content: (row) => row.provider ?? "all" },
      { key: "model", label: "Model", content: (row) => row.model ?? "all" },
      { key: "until", label: "Until", content: (row) => format.instant(row.until, zone) },
      { key: "id", label: "Actions", content: (row) => ending(context, row) },
    ],
    rows,
    rowKey: (row) => row.id,
  });
}

const kindWords = (/** @type {Mute} */ { kind }) => KINDS.find(([name]) => name === kind)?.[1] ?? kind;

function ending(/** @type {Context} */ context, /** @type {Mute} */ row) {
  const end = () => void act(context, `${ROUTE}/${encodeURIComponent(row.id)}/end`, { method: "POST" });
  return el(
    "button.button.small",
    { type: "button", onclick: end, "aria-label": `Tell again: ${kindWords(row)}` },
    "Tell again",
  );
}

function muting(/** @type {Context} */ context) {
  const mute = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = formOf(event);
    const body = {
      kind: given.get("kind"),
      until: new Date(Date.now() + Number(given.get("span")) * DAY_MS).toISOString(),
      clientId: textOf(given, "clientId"),
      provider: textOf(given, "provider"),
      model: textOf(given, "model"),
    };
    if ((await act(context, ROUTE, { method: "POST", body })) !== null) form.reset();
  };
  const of = (/** @type {string} */ name, /** @type {string} */ label) =>
    field("mute", name, label, { maxlength: 256, placeholder: "all" });
  return el(
    "details.adding",
    { "data-key": "muting" },
    el("summary.button", {}, "Mute"),
    el(
      "form.fields",
      { onsubmit: mute },
      choice("mute", "kind", "What", KINDS),
      choice("mute", "span", "For", SPANS),
      context.who.client === null ? of("clientId", "Of one client") : null,
      of("provider", "Of one provider"),
      of("model", "Of one model"),
      el("button.button.primary", { type: "submit" }, "Mute"),
    ),
  );
}
