// Panels: a title, a chart with its table behind it, downloads; and what stands there while there is nothing to show.

import { chart } from "./charts.js";
import { el } from "./dom.js";

/** @import { RequestError } from "./api.js" */
/** @import { Chart, Child, Context, Parameters, Skeleton } from "./types.js" */

/**
 * @typedef {{
 *   id: string, title: string, span?: number, note?: Child, chart?: Chart, table?: Child, legend?: Child,
 *   content?: Child, tools?: Child, empty?: string | null,
 * }} Props `empty` says why there is nothing, and what to do
 */

/**
 * A panel. With a chart and a table it has a switch between them.
 * @param {Context} context
 * @param {Props} props
 */
export function panel(context, props) {
  const { id, title, span = 12, note, content } = props;
  return el(
    `section.panel.span-${span}`,
    { "data-key": id, "data-panel": id, "aria-labelledby": `panel-${id}` },
    el(
      "div.panel-head",
      {},
      el("div", {}, el("h2", { id: `panel-${id}` }, title), note ? el("p.panel-note", {}, note) : null),
      el(
        "div.panel-tools",
        {},
        props.tools ?? null,
        props.chart && props.table && !props.empty ? toggle(context, id, title) : null,
      ),
    ),
    props.empty ? el("div.state", {}, el("p", {}, props.empty)) : (content ?? body(context, props)),
  );
}

function body(/** @type {Context} */ context, /** @type {Props} */ { id, chart: drawn, table, legend }) {
  if (!drawn || context.ui.get(`table.${id}`))
    return el("div", { "data-key": "table", class: drawn ? "behind" : null }, table);
  return el("div", { "data-key": "chart" }, chart(drawn), legend ?? null);
}

function toggle(/** @type {Context} */ context, /** @type {string} */ id, /** @type {string} */ title) {
  const on = Boolean(context.ui.get(`table.${id}`));
  const flip = () => {
    context.ui.set(`table.${id}`, !context.ui.get(`table.${id}`));
    context.rerender();
  };
  const properties = { type: "button", onclick: flip, "aria-pressed": String(on), "data-toggle": id };
  return el("button.button.small.quiet", properties, "Table", el("span.hidden", {}, ` of ${title}`));
}

/**
 * A choice between measures of one panel. It belongs to the person, not to the address.
 * @template {string} M
 * @param {Context} context
 * @param {string} id
 * @param {[M, string][]} choices
 */
export function measures(context, id, choices) {
  const chosen = /** @type {M} */ (context.ui.get(`measure.${id}`) ?? choices[0][0]);
  const buttons = choices.map(([name, label]) =>
    el(
      "button.button.small.quiet",
      {
        type: "button",
        "aria-pressed": String(name === chosen),
        onclick: () => {
          context.ui.set(`measure.${id}`, name);
          context.rerender();
        },
      },
      label,
    ),
  );
  return { chosen, buttons };
}

/**
 * The choices of a table of measures, whose entries begin with a label.
 * @template {string} M
 * @param {Record<M, [label: string, ...rest: unknown[]]>} table
 */
export const labelsOf = (table) =>
  /** @type {[M, [string]][]} */ (Object.entries(table)).map(
    ([name, [label]]) => /** @type {[M, string]} */ ([name, label]),
  );

/** Names and their colours. */
export function legend(/** @type {[string, string][]} */ entries) {
  const item = (/** @type {[string, string]} */ [name, colour]) =>
    el("li", {}, el("span.swatch", { styles: { background: colour } }), el("span", { title: name }, name));
  return entries.length > 1 ? el("ul.legend", {}, entries.map(item)) : null;
}

/** A link to all rows of the filter, as the server writes them. */
export function download(
  /** @type {Context} */ context,
  /** @type {string} */ name,
  /** @type {Parameters} */ more = {},
) {
  // people open it in Excel, which takes UTF-8 without a mark for another code page
  const asked = { ...context.parameters(name === "calls" ? {} : { wholeDays: true }), ...more, bom: "true" };
  const href = context.address(`/api/admin/ai/download/${name}.csv`, asked);
  return el(
    "a.button.small.quiet",
    { href, download: "", title: "All rows for these filters, with exact decimals" },
    "CSV",
    el("span.hidden", {}, ` of ${name}`),
  );
}

/** What happened, and a way on. */
export function failure(/** @type {Partial<RequestError>} */ error, /** @type {() => void} */ retry) {
  return el(
    "div.panel.state.error",
    { role: "alert", "data-error": error.kind ?? "failed" },
    el("strong", {}, error.title ?? "This could not be shown"),
    el("p", {}, error.detail ?? "Something went wrong on this page. Reloading it may help."),
    el("button.button", { type: "button", onclick: retry }, "Try again"),
  );
}

/** The shape of what is being asked for. It moves a few seconds, then stands still. */
export function skeleton(/** @type {Skeleton} */ kind) {
  if (kind === "cards") return el("div.cards", { "aria-hidden": "true" }, Array.from({ length: 6 }, cardSkeleton));
  const blocks = kind === "charts" ? [8, 4, 6, 6] : [12];
  return el("div.grid", { "aria-hidden": "true" }, blocks.map(blockSkeleton));
}

const cardSkeleton = () =>
  el("div.card", {}, el("div.skeleton.line"), el("div.skeleton.number"), el("div.skeleton.line"));

const blockSkeleton = (/** @type {number} */ span) =>
  el(`div.panel.span-${span}`, {}, el("div.skeleton.line"), el("div.skeleton.block"));
