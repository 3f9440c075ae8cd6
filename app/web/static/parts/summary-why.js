// What wants attention, and which parts of the cost changed.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { callsBehind } from "./links.js";

/** @import { Answers, Attention, Context, Effect, ExplainedPart } from "../types.js" */

/** Why a cost rose or fell, by the effect that has most of it. @type {Record<Effect, [string, string]>} */
const REASONS = {
  days: ["more days", "fewer days"],
  volume: ["more calls", "fewer calls"],
  mix: ["calls came from other models", "calls went to other models"],
  tokens: ["more used per call", "less used per call"],
  price: ["higher prices", "lower prices"],
  caching: ["less saved by caches", "more saved by caches"],
};
const MARKS = { bad: "●", warn: "▲" };

/** What needs somebody to look, each with where to. */
export function attention(/** @type {Context} */ context, /** @type {Answers} */ { summary }) {
  const { attention: list } = summary;
  const item = (/** @type {Attention} */ { text, severity, view, filters, at }) =>
    el(
      "li",
      {},
      el(`span.mark.${severity}`, { "aria-hidden": "true" }, MARKS[severity]),
      el(
        "a",
        { href: context.href({ tab: view, ...filters }), "data-link": "" },
        el("span.hidden", {}, severity === "bad" ? "Problem: " : "Notice: "),
        text,
      ),
      at ? el("span.panel-note", {}, ` ${format.clock(at, context.who.timezone)}`) : null,
    );
  return panel(context, {
    id: "attention",
    title: "Needs attention",
    span: 6,
    content: list.length
      ? el("ul.attention", {}, list.map(item))
      : el("p.state", {}, "All clear: no limit is near, no provider fails more than usual, every call has a price."),
  });
}

/** The parts that changed the cost of a week most, in sentences. */
export function changed(/** @type {Context} */ context, /** @type {Answers} */ { summary }) {
  const { changed: of } = summary;
  const item = (/** @type {ExplainedPart} */ part) =>
    el(
      "li",
      { "data-row": part.name },
      el("strong.amount", { title: `$${part.change}` }, format.moneyChange(part.change)),
      " ",
      el("a", { href: callsBehind(context).part(part), "data-link": "" }, `${part.model} in ${part.feature}`),
      el("span.panel-note", {}, ` ${reason(part)}`),
    );
  const rest = of && Number(of.rest) !== 0;
  return panel(context, {
    id: "changed",
    title: "What changed",
    span: 4,
    note:
      of &&
      el(
        "span",
        { title: format.sentence(of.compared) },
        `${format.moneyChange(of.change)} in 7 days, against the 7 before`,
      ),
    tools: el(
      "a.button.small.quiet",
      { href: context.href({ tab: "cost/changes", days: 7 }), "data-link": "" },
      "All changes",
    ),
    empty: of?.parts.length ? null : "No change of cost between the last two weeks.",
    content: el(
      "ul.changes",
      {},
      of?.parts.map(item),
      rest ? el("li", {}, el("strong.amount", {}, format.moneyChange(of.rest)), " everything else") : null,
    ),
  });
}

function reason(/** @type {ExplainedPart} */ { status, largest, change }) {
  if (status !== "both") return status === "new" ? "new" : "no longer used";
  return largest ? REASONS[largest][Number(change) > 0 ? 0 : 1] : "";
}
