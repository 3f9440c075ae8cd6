// The bar above the figures: period, filters, comparison, and which data counts. Each choice is a link.

import { ask } from "./api.js";
import { el, settle } from "./dom.js";
import * as format from "./format.js";
import { DATA, FILTERS, PERIODS } from "./state.js";

/** @import { Changes, Child, Context, Controls, DataName, Filter, Usage } from "./types.js" */

/** @type {Record<Filter, string>} */
const LABELS = { clientId: "Client", provider: "Provider", model: "Model", feature: "Feature" };
/** @type {Record<DataName, string>} */
const DATA_LABELS = { real: "Real", demo: "Demo", all: "Both" };
const LONGEST = 256;

/** Draw the bar for a state. `controls` says which parts a tab follows. */
export function drawFilters(
  /** @type {Element} */ root,
  /** @type {Context} */ context,
  /** @type {Controls} */ controls = {},
) {
  const { period = true, parts = true, compare = false, calls = true } = controls;
  settle(
    root,
    period
      ? el("div", { "data-key": "period", class: "segments", role: "group", "aria-label": "Period" }, periods(context))
      : null,
    period ? custom(context) : null,
    chips(context, parts ? FILTERS : ["clientId"]),
    chooser(context, parts ? FILTERS : ["clientId"]),
    el("span.push", { "data-key": "push" }),
    compare ? comparison(context) : null,
    calls ? data(context) : null,
  );
}

function segment(
  /** @type {Context} */ context,
  /** @type {string} */ label,
  /** @type {Changes} */ changes,
  /** @type {boolean} */ current,
) {
  const properties = {
    href: context.href({ cursor: null, ...changes }),
    "data-link": "",
    "aria-current": current ? "true" : null,
  };
  return el("a", properties, label);
}

function periods(/** @type {Context} */ context) {
  return PERIODS.map((days) => segment(context, `${days} days`, { days }, context.state.days === days));
}

function custom(/** @type {Context} */ context) {
  const { from, to } = context.state;
  const today = context.today();
  const label = from ? format.span(from, to ?? today) : "Custom";
  const field = (/** @type {string} */ name, /** @type {string} */ text, /** @type {string} */ value) =>
    el(
      "div",
      {},
      el("label", { for: `custom-${name}` }, text),
      el("input", { id: `custom-${name}`, name, type: "date", required: true, max: today, value }),
    );
  return popover(
    "custom",
    label,
    Boolean(from),
    (form) => context.go({ from: textOf(form, "from"), to: textOf(form, "to"), cursor: null }),
    [field("from", `First day (${context.who.timezone})`, from ?? today), field("to", "Last day", to ?? today)],
  );
}

/** What was typed into a field; null where nothing was. */
export const textOf = (/** @type {FormData} */ form, /** @type {string} */ name) =>
  String(form.get(name) ?? "").trim() || null;

function chips(/** @type {Context} */ context, /** @type {Filter[]} */ names) {
  return names.map((name) => {
    const value = context.state[name];
    return value && chip(context, LABELS[name], value, [name]);
  });
}

/** A filter that is on: what it is about, its value, and a link that takes it off. `names` are its parameters. */
export function chip(
  /** @type {Context} */ context,
  /** @type {string} */ label,
  /** @type {string} */ value,
  /** @type {string[]} */ names,
) {
  const cleared = Object.fromEntries(names.map((name) => [name, null]));
  return el(
    "span.chip",
    { "data-key": `chip-${names[0]}`, "data-filter": names[0] },
    el("span", { title: value }, `${label}: ${value}`),
    el(
      "a",
      {
        href: context.href({ ...cleared, cursor: null }),
        "data-link": "",
        "aria-label": `Remove the filter by ${label.toLowerCase()}`,
      },
      "×",
    ),
  );
}

function chooser(/** @type {Context} */ context, /** @type {Filter[]} */ names) {
  const own = context.who.client !== null;
  const asked = names.filter((name) => !(own && name === "clientId"));
  if (!asked.length) return null;
  const field = (/** @type {Filter} */ name) => [
    el("label", { for: `filter-${name}` }, LABELS[name]),
    el("input", {
      id: `filter-${name}`,
      name,
      list: `names-${name}`,
      maxlength: LONGEST,
      value: context.state[name],
      autocomplete: "off",
      placeholder: "any",
    }),
    el(
      "datalist",
      { id: `names-${name}` },
      (context.names[name] ?? []).map((each) => el("option", { value: each })),
    ),
  ];
  const apply = (/** @type {FormData} */ form) =>
    context.go({ ...Object.fromEntries(asked.map((name) => [name, textOf(form, name)])), cursor: null });
  return popover(
    "filter",
    "Filter",
    false,
    apply,
    asked.map((name) => el("div", {}, field(name))),
    () => suggest(context),
  );
}

/** Names to choose from, of the period without filters. Without them a name can still be typed. */
async function suggest(/** @type {Context} */ context) {
  const { days, from, to, synthetic } = context.parameters();
  try {
    /** @type {Usage} */
    const usage = await ask("/api/admin/ai/usage", { days, from, to, synthetic });
    context.names.provider = usage.byProvider.map((row) => row.provider);
    context.names.model = [...new Set(usage.byModel.map((row) => row.model))];
    context.names.feature = usage.byFeature.map((row) => row.feature);
    context.redrawFilters();
  } catch {
    // names to choose from are a help, not a figure
  }
}

const detailsOf = (/** @type {Event} */ event) =>
  /** @type {HTMLDetailsElement} */ (/** @type {Element} */ (event.currentTarget).closest("details"));

/** What was chosen in a select. */
export const chosen = (/** @type {Event} */ event) => /** @type {HTMLSelectElement} */ (event.currentTarget).value;

/** What was typed into a form that is sent. */
export const formOf = (/** @type {Event} */ event) =>
  new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));

/**
 * @param {string} key
 * @param {string} label
 * @param {boolean} active
 * @param {(form: FormData) => void} submit
 * @param {Child[]} fields
 * @param {() => void} [onOpen]
 */
function popover(key, label, active, submit, fields, onOpen) {
  return el(
    "details.popover",
    {
      "data-key": key,
      ontoggle: (event) => {
        const details = detailsOf(event);
        if (details.open) opened(details, onOpen);
      },
      // nothing is returned: false would cancel the key, and with it typing and moving on
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        const details = detailsOf(event);
        details.open = false;
        details.querySelector("summary")?.focus();
      },
    },
    el("summary.button", { "aria-pressed": active ? "true" : null, role: "button" }, label),
    el(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          detailsOf(event).open = false;
          submit(formOf(event));
        },
      },
      fields,
      el("button.button.primary", { type: "submit" }, "Apply"),
    ),
  );
}

/** One at a time; a press elsewhere closes it. */
function opened(/** @type {HTMLDetailsElement} */ details, /** @type {(() => void) | undefined} */ onOpen) {
  onOpen?.();
  details.querySelector("input")?.focus();
  const closing = new AbortController();
  const outside = (/** @type {Event} */ { target }) => {
    if (!details.contains(/** @type {Node} */ (target))) details.open = false;
  };
  document.addEventListener("pointerdown", outside, { signal: closing.signal });
  details.addEventListener("toggle", () => details.open || closing.abort(), { signal: closing.signal });
}

function comparison(/** @type {Context} */ context) {
  const on = Boolean(context.state.compare);
  const properties = {
    href: context.href({ compare: on ? null : "1" }),
    "data-link": "",
    role: "button",
    "aria-pressed": String(on),
    "data-key": "compare",
  };
  return el("a.button", properties, "Compare");
}

function data(/** @type {Context} */ context) {
  const names = /** @type {DataName[]} */ (Object.keys(DATA));
  const choices = names.map((name) => segment(context, DATA_LABELS[name], { data: name }, context.state.data === name));
  return el("div", { "data-key": "data", class: "segments", role: "group", "aria-label": "Data" }, choices);
}
