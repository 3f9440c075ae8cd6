// Whom the gateway asks: how each fares, and which names lead there.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";
import { callsBehind } from "./links.js";

/** @import { Answers, Context, Upstream } from "../types.js" */

const TAGS = { ok: ".success", "cooling down": ".timeout", probing: ".timeout", open: ".error" };
/** What a state means for calls. */
const MEANING = {
  ok: "it is asked in its turn",
  "cooling down": "it is asked after others: its key, or a model, was refused or is limited",
  probing: "one call tries it; others are asked first until that succeeds",
  open: "it failed five times in a row: others are asked first",
};

/** Why the file as it is now is not in use. */
export function fault(/** @type {Context} */ _context, /** @type {Answers} */ { upstreams: { fault: why } }) {
  return why ? el("p.banner", { role: "alert" }, `The file before is in use: ${why}`) : null;
}

export function upstreamPanel(/** @type {Context} */ context, /** @type {Answers} */ { upstreams: report }) {
  if (!report.on) return null;
  const zone = context.who.timezone;
  const rows = report.upstreams.map((each) => ({ ...each, ...each.latency, ...ofAttempts(each.attempts) }));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "upstreams",
      title: "Upstreams",
      note: note(context, report),
      empty: rows.length ? null : "The file names none.",
      table: table({
        caption: "Upstreams",
        columns: [
          { key: "name", label: "Name" },
          { key: "health", label: "Health", content: (row) => health(row, zone) },
          { key: "requests", label: "Requests", as: "count" },
          { key: "successRate", label: "Success", as: "percent" },
          { key: "p50", label: "p50", as: "duration" },
          { key: "p95", label: "p95", as: "duration" },
          { key: "lastFailure", label: "Last error", content: (row) => lastError(row, zone) },
          { key: "provider", label: "Provider" },
          { key: "models", label: "Models", content: (row) => named(row.models.join(", ") || "all") },
        ],
        rows,
        rowKey: (row) => row.name,
        href: callsBehind(context).upstream,
      }),
    }),
  );
}

const named = (/** @type {string} */ text) => el("span.name", { title: text }, text);

function note(/** @type {Context} */ context, /** @type {Answers["upstreams"]} */ { file, loadedAt, process }) {
  const since = loadedAt && `read ${format.instant(loadedAt, context.who.timezone)}`;
  const of = `p50 and p95 are until an answer begins; they and health are of process ${process}`;
  return [file, since, of].filter(Boolean).join("; ");
}

/** Requests and their success, where a person may see them. */
function ofAttempts(/** @type {Record<string, number> | null} */ attempts) {
  if (!attempts) return { requests: null, successRate: null };
  const requests = Object.values(attempts).reduce((all, each) => all + each, 0);
  return { requests, successRate: requests ? (100 * (attempts.success ?? 0)) / requests : null };
}

function health(/** @type {Upstream} */ { health: state, againAt, lastModels }, /** @type {string} */ zone) {
  const until = againAt && state !== "probing" ? `until ${format.clock(againAt, zone)}` : null;
  const more = [until, lastModels.length && `for ${lastModels.join(", ")}`];
  const said = more.filter(Boolean).join(" ");
  return [
    el(`span.tag${TAGS[state]}`, { title: MEANING[state] }, state === "ok" ? "OK" : format.words(state)),
    said ? el("span.sentence", {}, ` ${said}`) : null,
  ];
}

function lastError(/** @type {Upstream} */ { lastFailure }, /** @type {string} */ zone) {
  if (!lastFailure) return format.DASH;
  return el("span.sentence", {}, `${format.words(lastFailure.outcome)}, ${format.instant(lastFailure.at, zone)}`);
}

export function namePanel(/** @type {Context} */ context, /** @type {Answers} */ { upstreams: report }) {
  if (!report.names.length) return null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "names",
      title: "Names",
      note: "What else a model may be called, and who is asked for it, one after the other",
      table: table({
        caption: "Names",
        columns: [
          { key: "name", label: "Name" },
          { key: "targets", label: "Asked", content: (row) => el("span.sentence", {}, row.targets.join(", then ")) },
        ],
        rows: report.names,
        rowKey: (row) => row.name,
      }),
    }),
  );
}
