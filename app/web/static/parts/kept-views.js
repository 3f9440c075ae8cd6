// Saved views: this page with its period and filters under a name, and the link to it.

import { ask, RequestError } from "../api.js";
import { el } from "../dom.js";
import { dayIn } from "../format.js";
import { daysOf } from "../period.js";
import { ROOT } from "../root.js";
import { close, formOf, popover } from "./popover.js";

/** @import { Context, SavedView, Usage } from "../types.js" */
/** @typedef {(change: () => Promise<string>) => Promise<boolean>} Attempt */
/**
 * What is known of the views of `of`. `renaming` is the one that is getting another name; `names` are those that calls
 * of the last year have, by filter, where a view is narrowed to one.
 * @typedef {{of: string, views: SavedView[], said: string, renaming: string | null, names: Record<string, Set<string>>}} Kept
 */

const PATH = "/api/admin/views";
const NAMED = ["provider", "model", "feature"];
const YEAR = 365;
/** @type {Kept | undefined} */
let known;

/** The menu. `redraw` draws it again. */
export function keptViews(/** @type {Context} */ context, /** @type {() => void} */ redraw) {
  const of = context.who.subject;
  if (known?.of !== of) known = { of, views: [], said: "", renaming: null, names: {} };
  const kept = known;
  /** @type {Attempt} */
  const attempt = async (change) => {
    let done = false;
    try {
      kept.said = await change();
      kept.views = (await ask(PATH)).views;
      kept.renaming = null;
      done = true;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      kept.said = `${error.title}: ${error.detail}`;
    }
    redraw();
    return done;
  };
  const list = async () => {
    if ((await attempt(async () => "")) && kept.views.some((view) => filtersOf(view).length)) {
      kept.names = await names();
      redraw();
    }
  };
  const here = () => context.href({}).slice(ROOT.length);
  const save = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = formOf(event);
    const body = { name: String(given.get("name")).trim(), address: here(), shared: given.get("shared") === "on" };
    const saved = await attempt(async () => {
      await ask(PATH, {}, { method: "POST", body });
      return `Saved as ${body.name}`;
    });
    if (saved) form.reset();
  };
  const copy = (/** @type {string} */ address) =>
    void attempt(async () => {
      await navigator.clipboard.writeText(location.origin + address);
      return "Link copied";
    });
  return popover(
    {
      key: "views",
      label: "Views",
      title: "Saved views and the link to this one",
      onOpen: () => void list(),
    },
    el(
      "div",
      {},
      el(
        "ul.kept",
        {},
        kept.views.map((view) =>
          view.id === kept.renaming ? renaming(view, kept, attempt, redraw) : row(view, kept, attempt, redraw),
        ),
      ),
      el(
        "form",
        { onsubmit: (event) => void save(event) },
        el("label", {}, "Save this view as", el("input", { name: "name", required: true, maxlength: "80" })),
        el("label.form-box", {}, el("input", { type: "checkbox", name: "shared" }), "Shared with other administrators"),
        el("button.button.primary", { type: "submit" }, "Save"),
      ),
      el(
        "div.kept-links",
        {},
        el("button.button.small", { type: "button", onclick: () => copy(context.href({})) }, "Copy link"),
        el(
          "button.button.small",
          { type: "button", onclick: () => copy(fixed(context)) },
          "Copy link with fixed dates",
        ),
      ),
      el("p.help", { role: "status" }, kept.said),
    ),
  );
}

/** The address with the days that are shown now, whatever day it is read on. */
function fixed(/** @type {Context} */ context) {
  const { timezone } = context.who;
  const days = daysOf(context.state, context.today(), (moment) => dayIn(moment, timezone));
  return context.href(days);
}

/** The names that a view is narrowed to. @returns {[filter: string, name: string][]} */
function filtersOf(/** @type {SavedView} */ { address }) {
  const query = new URL(address, location.origin).searchParams;
  return NAMED.flatMap((filter) =>
    query.getAll(filter).map((name) => /** @type {[string, string]} */ ([filter, name])),
  );
}

/**
 * Those of the last year; none where they are not to be had, and then nothing is said about them.
 * @returns {Promise<Record<string, Set<string>>>}
 */
async function names() {
  try {
    /** @type {Usage} */
    const usage = await ask("/api/admin/ai/usage", { days: YEAR, synthetic: "include" });
    return {
      provider: new Set(usage.byProvider.map((row) => row.provider)),
      model: new Set(usage.byModel.map((row) => row.model)),
      feature: new Set(usage.byFeature.map((row) => row.feature)),
    };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return {};
  }
}

/**
 * @param {SavedView} view
 * @param {Kept} kept
 * @param {Attempt} attempt
 * @param {() => void} redraw
 */
function row(view, kept, attempt, redraw) {
  const remove = () =>
    void attempt(async () => {
      await ask(`${PATH}/${view.id}`, {}, { method: "DELETE" });
      return `Deleted ${view.name}`;
    });
  const rename = () => {
    kept.renaming = view.id;
    redraw();
    document.getElementById("view-name")?.focus();
  };
  const gone = filtersOf(view).filter(([filter, name]) => kept.names[filter] && !kept.names[filter].has(name));
  return el(
    "li",
    { "data-key": view.id },
    el(
      "div",
      {},
      el("a", { href: ROOT + view.address, "data-link": "", onclick: close }, view.name),
      gone.map(([filter, name]) => el("p.form-hint", {}, `No calls with ${filter} ${name} in the last ${YEAR} days`)),
    ),
    view.own
      ? [button("Rename", `Rename ${view.name}`, rename), button("Delete", `Delete ${view.name}`, remove)]
      : el("span.muted", {}, "shared"),
  );
}

const button = (/** @type {string} */ label, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
  el("button.button.small.quiet", { type: "button", onclick, "aria-label": name }, label);

/**
 * @param {SavedView} view
 * @param {Kept} kept
 * @param {Attempt} attempt
 * @param {() => void} redraw
 */
function renaming(view, kept, attempt, redraw) {
  const focus = () =>
    /** @type {HTMLElement | null} */ (document.querySelector(`.kept [data-key="${view.id}"] button`))?.focus();
  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const name = String(formOf(event).get("name")).trim();
    const renamed = await attempt(async () => {
      await ask(`${PATH}/${view.id}`, {}, { method: "PATCH", body: { name } });
      return `Renamed to ${name}`;
    });
    if (renamed) focus();
  };
  const cancel = () => {
    kept.renaming = null;
    redraw();
    focus();
  };
  return el(
    "li",
    { "data-key": `renaming-${view.id}` },
    el(
      "form.kept-rename",
      { onsubmit: (event) => void send(event) },
      el("label", { for: "view-name" }, `New name of ${view.name}`),
      el("input", { id: "view-name", name: "name", required: true, maxlength: "80", value: view.name }),
      el(
        "div.row-actions",
        {},
        el("button.button.small.primary", { type: "submit" }, "Rename"),
        button("Cancel", "Cancel", cancel),
      ),
    ),
  );
}
