// Saved views: this page with its period and filters under a name, and the link to it.

import { ask, RequestError } from "../api.js";
import { el } from "../dom.js";
import { dayIn } from "../format.js";
import { daysOf } from "../period.js";
import { ROOT } from "../root.js";
import { close, popover, popoverForm } from "./popover.js";

/** @import { Context, SavedView } from "../types.js" */

const PATH = "/api/admin/views";
/** @type {{of: string, views: SavedView[], said: string} | undefined} */
let known;

/** The menu. `redraw` draws it again. */
export function keptViews(/** @type {Context} */ context, /** @type {() => void} */ redraw) {
  const of = context.who.subject;
  if (known?.of !== of) known = { of, views: [], said: "" };
  const kept = known;
  const attempt = async (/** @type {() => Promise<string>} */ change) => {
    try {
      kept.said = await change();
      kept.views = (await ask(PATH)).views;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      kept.said = `${error.title}: ${error.detail}`;
    }
    redraw();
  };
  const here = () => context.href({}).slice(ROOT.length);
  const save = (/** @type {FormData} */ form) =>
    void attempt(async () => {
      const body = { name: String(form.get("name")).trim(), address: here(), shared: form.get("shared") === "on" };
      await ask(PATH, {}, { method: "POST", body });
      return `Saved as ${body.name}`;
    });
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
      onOpen: () => void attempt(async () => ""),
    },
    el(
      "ul.kept",
      {},
      kept.views.map((view) => row(view, attempt)),
    ),
    popoverForm(
      save,
      el("label", {}, "Save this view as", el("input", { name: "name", required: true, maxlength: "80" })),
      el("label.check", {}, el("input", { type: "checkbox", name: "shared" }), "Shared with other administrators"),
      el("button.button.primary", { type: "submit" }, "Save"),
    ),
    el(
      "div.kept-links",
      {},
      el("button.button.small", { type: "button", onclick: () => copy(context.href({})) }, "Copy link"),
      el("button.button.small", { type: "button", onclick: () => copy(fixed(context)) }, "Copy link with fixed dates"),
    ),
    el("p.help", { role: "status" }, kept.said),
  );
}

/** The address with the days that are shown now, whatever day it is read on. */
function fixed(/** @type {Context} */ context) {
  const { timezone } = context.who;
  const days = daysOf(context.state, context.today(), (moment) => dayIn(moment, timezone));
  return context.href(days);
}

function row(/** @type {SavedView} */ view, /** @type {(change: () => Promise<string>) => Promise<void>} */ attempt) {
  const remove = () =>
    void attempt(async () => {
      await ask(`${PATH}/${view.id}`, {}, { method: "DELETE" });
      return `Deleted ${view.name}`;
    });
  const rename = () => {
    const name = prompt("New name of this view", view.name)?.trim();
    if (name)
      void attempt(async () => {
        await ask(`${PATH}/${view.id}`, {}, { method: "PATCH", body: { name } });
        return `Renamed to ${name}`;
      });
  };
  return el(
    "li",
    { "data-key": view.id },
    el("a", { href: ROOT + view.address, "data-link": "", onclick: close }, view.name),
    view.own
      ? [
          el(
            "button.button.small.quiet",
            { type: "button", onclick: rename, "aria-label": `Rename ${view.name}` },
            "Rename",
          ),
          el(
            "button.button.small.quiet",
            { type: "button", onclick: remove, "aria-label": `Delete ${view.name}` },
            "Delete",
          ),
        ]
      : el("span.muted", {}, "shared"),
  );
}
