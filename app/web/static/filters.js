// The bar above the figures: period, filters, comparison, and which data counts. Each choice is a link.

import { ask } from "./api.js";
import { el, settle } from "./dom.js";
import { periodMenu } from "./parts/period-menu.js";
import { popover, popoverForm, textOf } from "./parts/popover.js";
import { DATA, FILTERS } from "./state.js";

/** @import { Changes, Context, Controls, DataName, Filter, Usage } from "./types.js" */

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
  const { period = true, instants = false, parts = true, compare = false, calls = true } = controls;
  settle(
    root,
    period ? periodMenu(context, instants) : null,
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
    { key: "filter", label: "Filter", onOpen: () => void suggest(context) },
    popoverForm(apply, ...asked.map((name) => el("div", {}, field(name)))),
  );
}

/** Names to choose from, of the period without filters. Without them a name can still be typed. */
async function suggest(/** @type {Context} */ context) {
  const { days, from, to, synthetic } = context.parameters({ wholeDays: true });
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
