// Pages of several views: each a part of the page with requests of its own, at an address of its own.

import { el } from "../dom.js";

/** @import { Changes, Context, OfFinance } from "../types.js" */

/** What belongs to one view alone. @satisfies {OfFinance[]} */
const OF_A_VIEW = ["by", "allocation", "against", "campaign", "experiment", "month"];
const CLEARED = Object.fromEntries(OF_A_VIEW.map((name) => [name, null]));

/**
 * Links to the views of a page. The first one has no name.
 * @param {Context} context
 * @param {[view: string | null, label: string][]} choices
 */
export const viewLinks = (context, choices) =>
  links(context, {
    name: "view",
    label: "Parts of this page",
    choices,
    more: { ...CLEARED, cursor: null, sort: null },
  });

/**
 * A choice that is part of the address.
 * @param {Context} context
 * @param {{name: OfFinance | "sort", label: string, choices: [value: string | null, label: string][], more?: Changes}} what
 */
export function links(context, { name, label, choices, more = {} }) {
  const chosen = choices.some(([value]) => value === context.state[name]) ? context.state[name] : choices[0][0];
  return el(
    "div.segments.choice",
    { role: "group", "aria-label": label, "data-key": `links-${name}` },
    choices.map(([value, text]) =>
      el(
        "a",
        {
          href: context.href({ ...more, [name]: value }),
          "data-link": "",
          "aria-current": value === chosen ? "true" : null,
        },
        text,
      ),
    ),
  );
}
