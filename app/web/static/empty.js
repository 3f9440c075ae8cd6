// A window without calls: why that may be, and what to do.

import { el } from "./dom.js";
import { ROOT } from "./root.js";
import { CALL_FILTERS, FILTERS } from "./state.js";

/** @import { Changes, Context } from "./types.js" */

const EXAMPLE = `curl -X POST ${location.origin}${ROOT}/api/ai/track \\
  -H "Authorization: Bearer KEY" -H "Content-Type: application/json" \\
  -d '{"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}'`;

/** What stands in place of the figures of a window that has none. */
export function emptyState(/** @type {Context} */ context) {
  const { state, href } = context;
  const filters = [...FILTERS, ...CALL_FILTERS];
  const filtered = filters.some((name) => state[name]);
  const cleared = Object.fromEntries(filters.map((name) => [name, null]));
  const link = (/** @type {string} */ label, /** @type {Changes} */ changes) =>
    el("a.button", { href: href(changes), "data-link": "" }, label);
  return el(
    "section.panel.state",
    { "aria-labelledby": "empty-title", "data-empty": "" },
    el("h2", { id: "empty-title" }, "No calls in this view"),
    el("p", {}, filtered ? "No calls in this period match the filters." : "No calls were reported in this period."),
    el(
      "div.actions",
      {},
      filtered ? link("Remove the filters", { ...cleared, cursor: null }) : null,
      state.days === 365 ? null : link("Show 365 days", { days: 365, cursor: null }),
      state.data === "demo" ? link("Show real data", { data: "real" }) : link("Show demo data", { data: "demo" }),
    ),
    filtered || state.data === "demo" ? null : howTo(),
  );
}

function howTo() {
  return [
    el("p", {}, "Applications report each model call once, with an API key that has the scope ingest:"),
    el("pre", { tabindex: "0" }, el("code", {}, EXAMPLE)),
  ];
}
