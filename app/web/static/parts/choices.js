// Choices that are part of the address, and change what a view shows.

import { el } from "../dom.js";

/** @import { Changes, Context, OfFinance } from "../types.js" */

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
