// What today's prices would make of stored calls, and making it so.

import { ask, RequestError } from "../api.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { Decimal } from "../money.js";
import { panel } from "../panels.js";
import { act } from "./endpoints.js";

/** @import { Answers, Context, RepricingPreview, RepricingRun } from "../types.js" */

const ROUTE = "/api/admin/repricing";
const WISH = "repricing.wish";
const PREVIEW = "repricing.preview";
const AGAIN_MS = 1_000;

/** @typedef {{model: string | null, clientId: string | null, firstDay: string, lastDay: string | null}} Wish */

export function repricing(/** @type {Context} */ context, /** @type {Answers} */ { repricing: { run } }) {
  const wish = /** @type {Wish | null} */ (JSON.parse(String(context.ui.get(WISH) ?? "null")));
  if (run?.state === "running") setTimeout(() => context.reload(), AGAIN_MS);
  if (!wish && !run) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "repricing",
      title: "Reprice stored calls",
      note: "Costs that callers reported stay, and so do the reports of closed months",
      content: el("div.state", {}, run ? said(run) : null, wish ? offer(context, wish, run) : null),
    }),
  );
}

const words = { running: "Repricing", done: "Repriced", failed: "Failed", interrupted: "Interrupted" };

function said(/** @type {RepricingRun} */ run) {
  const of = `${run.model ?? "every model"}, from ${format.day(run.firstDay)}`;
  const far = `${format.count(run.done)} of ${format.plural(run.total, "call")}`;
  const changed = `${format.plural(run.changed, "cost")} changed, ${format.moneyChange(run.difference)}`;
  return el("p", { role: "status", "data-run": run.state }, `${words[run.state]} ${of}: ${far}, ${changed}.`);
}

function offer(/** @type {Context} */ context, /** @type {Wish} */ wish, /** @type {RepricingRun | null} */ run) {
  const preview = /** @type {RepricingPreview | null} */ (JSON.parse(String(context.ui.get(PREVIEW) ?? "null")));
  const calls = `calls of ${wish.model ?? "every model"} since ${format.day(wish.firstDay)}`;
  const look = () => void previewed(context, wish);
  const start = async () => {
    if ((await act(context, ROUTE, { method: "POST", body: wish })) === null) return;
    for (const name of [WISH, PREVIEW]) context.ui.delete(name);
  };
  const running = run?.state === "running";
  return [
    el("p", {}, preview ? foundWords(preview) : `Stored ${calls} keep the cost that they had.`),
    el(
      "div.actions",
      {},
      el("button.button", { type: "button", onclick: look }, preview ? "Look again" : "What would change?"),
      preview?.changed && !running
        ? el("button.button.primary", { type: "button", onclick: () => void start() }, "Reprice now")
        : null,
    ),
  ];
}

async function previewed(/** @type {Context} */ context, /** @type {Wish} */ wish) {
  try {
    const { calls, changed, difference, withoutPrice, complete } = await ask(
      `${ROUTE}/preview`,
      {},
      { method: "POST", body: wish },
    );
    context.ui.set(PREVIEW, JSON.stringify({ calls, changed, difference: String(difference), withoutPrice, complete }));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    context.ui.set("alerts.fault", `${error.title}: ${error.detail}`);
  }
  context.rerender();
}

function foundWords(/** @type {RepricingPreview} */ { calls, changed, difference, withoutPrice, complete }) {
  const least = complete ? "" : "at least ";
  if (!changed) return `Nothing would change in ${least}${format.plural(calls, "call")}.`;
  const left = withoutPrice ? ` ${format.plural(withoutPrice, "call")} still have no price.` : "";
  const change = format.moneyChange(new Decimal(difference));
  return `Applies to ${least}${format.plural(changed, "call")}, ${change}. Reprice now?${left}`;
}
