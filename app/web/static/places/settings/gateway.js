// Gateway: whom it asks and how they fare, what it adds to calls, what its cache saves, and who may call.

import { card, cards } from "../../cards.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { beginning } from "../../parts/gateway-begin.js";
import { keyPanel } from "../../parts/gateway-keys.js";
import { fault, namePanel, upstreamPanel } from "../../parts/upstreams.js";
import { table } from "../../table.js";

/** @import { Amount, Answers, Context, GatewayFigures, Known, Tab } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Gateway",
  about: () => "What the cache saved is of the period; all else since the start of the server",
  controls: { parts: false, calls: false },
  requests: ({ state: { days, from, to, clientId } }) => ({
    upstreams: ["/api/admin/gateway/upstreams", {}],
    gateway: ["/api/admin/gateway/figures", { days, from, to, clientId }],
    keys: ["/api/admin/keys", { clientId }],
    limits: ["/api/admin/limits", { clientId, ofKeys: "true", ended: "false", limit: 200 }],
  }),
  sections: () => [
    { id: "beginning", needs: ["upstreams"], skeleton: null, render: beginning },
    { id: "fault", needs: ["upstreams"], skeleton: null, render: fault },
    { id: "figures", needs: ["gateway"], skeleton: "cards", render: figures },
    { id: "upstreams", needs: ["upstreams"], skeleton: "table", render: upstreamPanel },
    { id: "outcomes", needs: ["gateway"], skeleton: "table", render: outcomes },
    { id: "names", needs: ["upstreams"], skeleton: null, render: namePanel },
    { id: "keys", needs: ["upstreams", "keys", "limits"], skeleton: "table", render: keyPanel },
  ],
};

const NONE = "No calls yet";
const sum = (/** @type {Record<string, number>} */ counts) =>
  Object.values(counts).reduce((all, each) => all + each, 0);
/** With tenths where they matter. */
const brief = (/** @type {Known<Amount>} */ ms) => (Number(ms) < 100 ? `${ms} ms` : format.duration(ms));

function figures(/** @type {Context} */ _context, /** @type {Answers} */ { gateway: { on, whole, saved } }) {
  if (!on) return null;
  return cards([
    ...(whole ? ofAll(whole) : []),
    card({
      name: "saved",
      label: "Saved by the cache",
      value: saved?.savedCost,
      write: format.shortMoney,
      missing: "The database does not answer in time",
      hint: saved && `${format.plural(saved.calls, "answer")} in this period`,
    }),
  ]);
}

/** What only who may see the whole deployment is shown. */
function ofAll(/** @type {GatewayFigures} */ whole) {
  const { calls, refusals, added, hits, misses, fallbacks, openCalls, drains, drained } = whole;
  const requests = sum(calls);
  const good = (calls.success ?? 0) + (calls.cached ?? 0);
  const percentile = (/** @type {"p50" | "p95" | "p99"} */ name, /** @type {string} */ hint) =>
    card({ name: `added.${name}`, label: `Added, ${name}`, value: added[name], write: brief, missing: NONE, hint });
  return [
    card({
      name: "requests",
      label: "Calls",
      value: requests,
      write: format.short,
      hint: `${format.count(openCalls)} open${drains ? `, ${format.count(drains)} without their clients` : ""}`,
    }),
    card({
      name: "successRate",
      label: "Success rate",
      value: requests ? (100 * good) / requests : null,
      write: format.percent,
      missing: NONE,
      hint: `${format.plural(requests - good, "call")} failed`,
    }),
    percentile("p50", "to a call, recording included"),
    percentile("p95", "95% of calls: less"),
    percentile("p99", "99% of calls: less"),
    card({
      name: "hits",
      label: "Cache hits",
      value: hits,
      write: format.short,
      hint: hits + misses ? `${format.percent((100 * hits) / (hits + misses))} of what was looked for` : null,
    }),
    card({ name: "fallbacks", label: "Fallbacks", value: fallbacks, write: format.short, hint: "to another upstream" }),
    card({
      name: "refused",
      label: "Refused",
      value: sum(refusals),
      write: format.short,
      hint: "before any upstream was asked",
    }),
    card({ name: "drained", label: "Drained", value: drained, write: format.short, hint: "clients had left" }),
  ];
}

function outcomes(/** @type {Context} */ context, /** @type {Answers} */ { gateway: { on, whole } }) {
  if (!on || !whole) return null;
  const listed = (
    /** @type {string} */ id,
    /** @type {string} */ title,
    /** @type {string} */ empty,
    /** @type {Record<string, number>} */ counts,
  ) => {
    const rows = Object.entries(counts)
      .map(([name, count]) => ({ name, count }))
      .sort((one, other) => other.count - one.count || one.name.localeCompare(other.name));
    return panel(context, {
      id,
      title,
      span: 6,
      empty: rows.length ? null : empty,
      table: table({
        caption: title,
        columns: [
          { key: "name", label: "How", content: (row) => format.words(row.name) },
          { key: "count", label: "Calls", as: "count", share: true },
        ],
        rows,
        rowKey: (row) => row.name,
      }),
    });
  };
  return el(
    "div.grid",
    {},
    listed("endings", "How calls ended", `${NONE}.`, whole.calls),
    listed("refusals", "Refused", "Nothing was refused.", whole.refusals),
  );
}
