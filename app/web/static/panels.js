// Panels: a title, a chart with its table behind it, downloads; and what stands there while there is nothing to show.

import { chart } from "./charts.js";
import { el } from "./dom.js";
import { zoomReset } from "./parts/zoom.js";

/** @import { RequestError } from "./api.js" */
/** @import { Chart, Child, Context, Parameters, Series, Skeleton } from "./types.js" */

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
        props.chart?.onSpan && !props.empty ? zoomReset(context) : null,
        props.chart && props.table && !props.empty ? toggle(context, id, title) : null,
      ),
    ),
    props.empty ? el("div.state", {}, el("p", {}, props.empty)) : (content ?? body(context, props)),
  );
}

function body(/** @type {Context} */ context, /** @type {Props} */ { id, chart: drawn, table, legend }) {
  if (!drawn || context.ui.get(`table.${id}`))
    return el("div", { "data-key": "table", class: drawn ? "behind" : null }, table);
  const { series } = drawn;
  if (!series) return el("div", { "data-key": "chart" }, chart(drawn), legend ?? null);
  const hidden = hiddenOf(context, id, series);
  return el("div", { "data-key": "chart" }, chart({ ...drawn, hidden }), parts(context, id, series, hidden));
}

/** Which parts of a panel's chart a person has hidden: never all of them. */
function hiddenOf(/** @type {Context} */ context, /** @type {string} */ id, /** @type {Series} */ series) {
  const kept = new Set(String(context.ui.get(`hidden.${id}`) ?? "").split("\n"));
  const hidden = series.map(([name]) => name).filter((name) => kept.has(name));
  return hidden.length < series.length ? hidden : [];
}

/** The legend of parts: an entry isolates its part, then adds and takes away others; with Shift it hides its own. */
function parts(
  /** @type {Context} */ context,
  /** @type {string} */ id,
  /** @type {Series} */ series,
  /** @type {string[]} */ hidden,
) {
  if (series.length < 2) return null;
  const names = series.map(([name]) => name);
  const hide = (/** @type {string[]} */ next) => {
    context.ui.set(`hidden.${id}`, next.length < names.length ? next.join("\n") : "");
    context.rerender();
  };
  const press = (/** @type {string} */ name, /** @type {boolean} */ alone) => {
    if (alone) return hide(names.filter((each) => each !== name));
    hide(hidden.includes(name) ? hidden.filter((each) => each !== name) : [...hidden, name]);
  };
  const entry = (/** @type {Series[number]} */ [name, colour]) =>
    el(
      "li",
      {},
      el(
        "button.legend-entry",
        {
          type: "button",
          "aria-pressed": String(!hidden.includes(name)),
          title: hidden.length ? `${name}: show or hide` : `Only ${name}; with Shift: without it`,
          onclick: (/** @type {MouseEvent} */ event) => press(name, !hidden.length && !event.shiftKey),
        },
        swatch(colour),
        el("span", {}, name),
      ),
    );
  const all = el("button.button.small.quiet", { type: "button", onclick: () => hide([]) }, "Show all");
  return el("ul.legend", { "aria-label": "Shown parts" }, series.map(entry), hidden.length ? el("li", {}, all) : null);
}

const swatch = (/** @type {string} */ colour) => el("span.swatch", { styles: { background: colour } });

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

/** What the shapes of a chart mean. */
export function legend(/** @type {[shape: string, meaning: string][]} */ entries) {
  const item = (/** @type {[string, string]} */ [shape, meaning]) =>
    el("li", {}, el("span.shape", { "aria-hidden": "true" }, shape), el("span", {}, meaning));
  return el("ul.legend", {}, entries.map(item));
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

/** What happened, what is missing for it, and a way on. */
export function failure(
  /** @type {Partial<RequestError>} */ error,
  /** @type {() => void} */ retry,
  /** @type {string | null} */ missing = null,
) {
  return el(
    "div.panel.state.error",
    { role: "alert", "data-error": error.kind ?? "failed" },
    el("strong", {}, error.title ?? "This could not be shown"),
    el("p", {}, error.detail ?? "Something went wrong on this page. Reloading it may help."),
    missing ? el("p", {}, missing) : null,
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
