// @ts-check
// The bar above the figures: period, filters, comparison, and which data counts. Each choice is a link.

import { ask } from "./api.js";
import { el, settle } from "./dom.js";
import * as format from "./format.js";
import { DATA, FILTERS, PERIODS } from "./state.js";

const LABELS = { clientId: "Client", provider: "Provider", model: "Model", feature: "Feature" };
const DATA_LABELS = { real: "Real", demo: "Demo", all: "Both" };
const LONGEST = 256;

/** Draw the bar for a state. `controls` says which parts a tab follows. */
export function drawFilters(/** @type {Element} */ root, /** @type {any} */ context, controls = {}) {
  const { period = true, parts = true, compare = false } = controls;
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
    data(context),
  );
}

function segment(context, label, changes, current) {
  const properties = {
    href: context.href({ cursor: null, ...changes }),
    "data-link": "",
    "aria-current": current ? "true" : null,
  };
  return el("a", properties, label);
}

function periods(context) {
  return PERIODS.map((days) => segment(context, `${days} days`, { days }, Number(context.state.days) === days));
}

function custom(context) {
  const { from, to } = context.state;
  const today = context.today();
  const label = from ? format.span(from, to ?? today) : "Custom";
  const field = (name, text, value) =>
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
    (form) => context.go({ from: form.get("from"), to: form.get("to"), cursor: null }),
    [field("from", `First day (${context.who.timezone})`, from ?? today), field("to", "Last day", to ?? today)],
  );
}

function chips(context, names) {
  return names
    .filter((name) => context.state[name])
    .map((name) => chip(context, LABELS[name], context.state[name], [name]));
}

/** A filter that is on: what it is about, its value, and a link that takes it off. `names` are its parameters. */
export function chip(context, /** @type {string} */ label, /** @type {string} */ value, /** @type {string[]} */ names) {
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

function chooser(context, names) {
  const own = context.who.client !== null;
  const asked = names.filter((name) => !(own && name === "clientId"));
  if (!asked.length) return null;
  const field = (name) => [
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
  const apply = (form) =>
    context.go({ ...Object.fromEntries(asked.map((name) => [name, form.get(name)?.trim() || null])), cursor: null });
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
async function suggest(context) {
  const { days, from, to, synthetic } = context.parameters();
  try {
    const usage = await ask("/api/admin/ai/usage", { days, from, to, synthetic });
    const names = (rows, key) => [...new Set(rows.map((row) => row[key]))];
    context.names.provider = names(usage.byProvider, "provider");
    context.names.model = names(usage.byModel, "model");
    context.names.feature = names(usage.byFeature, "feature");
    context.redrawFilters();
  } catch {
    // names to choose from are a help, not a figure
  }
}

function popover(key, label, active, submit, fields, onOpen) {
  const close = (target) => target.closest("details").removeAttribute("open");
  return el(
    "details.popover",
    {
      "data-key": key,
      ontoggle: (event) => {
        if (event.target.open) opened(event.target, onOpen);
      },
      // nothing is returned: false would cancel the key, and with it typing and moving on
      onkeydown: (event) => {
        if (event.key !== "Escape") return;
        close(event.target);
        event.currentTarget.querySelector("summary").focus();
      },
    },
    el("summary.button", { "aria-pressed": active ? "true" : null, role: "button" }, label),
    el(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          close(event.target);
          submit(new FormData(event.target));
        },
      },
      fields,
      el("button.button.primary", { type: "submit" }, "Apply"),
    ),
  );
}

/** One at a time; a press elsewhere closes it. */
function opened(details, onOpen) {
  onOpen?.();
  details.querySelector("input")?.focus();
  const closing = new AbortController();
  const outside = (event) => {
    if (details.contains(event.target)) return;
    details.removeAttribute("open");
  };
  document.addEventListener("pointerdown", outside, { signal: closing.signal });
  details.addEventListener("toggle", () => details.open || closing.abort(), { signal: closing.signal });
}

function comparison(context) {
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

function data(context) {
  const choices = Object.keys(DATA).map((name) =>
    segment(context, DATA_LABELS[name], { data: name }, context.state.data === name),
  );
  return el("div", { "data-key": "data", class: "segments", role: "group", "aria-label": "Data" }, choices);
}
