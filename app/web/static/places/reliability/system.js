// System: how the server that answers stands, and what is wrong just now.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { table } from "../../table.js";

/** @import { Answers, Child, Context, Percentiles, Tab, Technical } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "System",
  about: () => "How this server stands now, whatever the period",
  controls: { period: false, parts: false, calls: false },
  requests: () => ({ technical: ["/api/admin/ai/technical", {}] }),
  sections: () => [{ id: "process", needs: ["technical"], skeleton: "table", render: standing }],
};

function standing(/** @type {Context} */ context, /** @type {Answers} */ { technical: of }) {
  const { spool, freshness, breaker, commits } = of;
  const zone = context.who.timezone;
  const pairs = (/** @type {[name: string, key: string, value: Child, raw: unknown][]} */ list) =>
    el(
      "dl.figures",
      {},
      list.map(([name, key, value, raw]) => [
        el("dt", {}, name),
        el("dd", { "data-figure": key, "data-value": raw ?? "" }, value),
      ]),
    );
  const average = commits.transactions ? (1000 * Number(commits.seconds)) / commits.transactions : null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "troubles",
      title: "Troubles",
      note: "What is wrong now, and what to do about it",
      empty: of.troubles.length ? null : "Nothing is wrong.",
      table: troubles(of.troubles, zone),
    }),
    panel(context, {
      id: "writer",
      title: "Writer",
      span: 4,
      note: "Of all processes together; the breaker is that of the one that answered",
      content: pairs([
        [
          "Status",
          "status",
          el(`span.tag.${of.status === "ready" ? "success" : "timeout"}`, {}, format.words(of.status)),
          of.status,
        ],
        ["Queued calls", "queued", format.count(of.queued), of.queued],
        ["Queue space", "room", `${format.count(of.room)} calls`, of.room],
        ["Wait of a new call", "queueWait", format.seconds(of.queueWait), of.queueWait],
        [
          "Refused when too busy",
          "overloadRefused",
          of.overloadRefused ? `${format.count(of.overloadRefused)} calls` : "none",
          of.overloadRefused,
        ],
        [
          "Circuit breaker",
          "breaker",
          breaker.open ? `open for ${format.seconds(breaker.seconds)}` : "closed: calls go to MongoDB",
          String(breaker.open),
        ],
        [
          "Commits",
          "commits",
          `${format.count(commits.transactions)} of ${format.count(commits.calls)} calls`,
          commits.transactions,
        ],
        ["Average commit", "commit.average", average === null ? format.DASH : format.duration(average), average],
      ]),
    }),
    panel(context, {
      id: "spool",
      title: "Spool",
      span: 4,
      note: "Calls on this machine's disk, waiting for MongoDB",
      content: pairs([
        ["Calls", "spool.calls", format.count(spool.calls), spool.calls],
        ["On disk", "spool.bytes", `${format.bytes(spool.bytes)} of ${format.bytes(spool.maxBytes)}`, spool.bytes],
        [
          "Refused",
          "spool.refused",
          spool.refused ? `${format.count(spool.refused)}, set aside for review` : "none",
          spool.refused,
        ],
        [
          "Unreadable",
          "spool.unreadable",
          spool.unreadable ? `${format.count(spool.unreadable)} rows, set aside for review` : "none",
          spool.unreadable,
        ],
        ["Damaged files", "spool.damaged", spool.damaged ? format.count(spool.damaged) : "none", spool.damaged],
        ["Error", "spool.error", spool.error ?? "none", spool.error ?? ""],
      ]),
    }),
    panel(context, {
      id: "freshness",
      title: "Freshness",
      span: 4,
      note: "Reports are always exact; only merging lags",
      content: freshness
        ? pairs([
            ["Last commit", "lastCommit", format.instant(freshness.lastCommit, zone), freshness.lastCommit],
            [
              "Merged up to",
              "viewsLagSeconds",
              `${format.seconds(freshness.viewsLagSeconds)} ago`,
              freshness.viewsLagSeconds,
            ],
            ["Commits to merge", "pendingDeltas", format.count(freshness.pendingDeltas), freshness.pendingDeltas],
            [
              "Unreadable",
              "setAsideDeltas",
              freshness.setAsideDeltas ? `${format.count(freshness.setAsideDeltas)}, see the doctor` : "none",
              freshness.setAsideDeltas,
            ],
            ["Database", "database", `${of.database}${of.transactions ? "" : ", without transactions"}`, of.database],
          ])
        : el("p.state", {}, of.advice ?? "Not available while the database does not answer."),
    }),
    panel(context, {
      id: "calls",
      title: "Calls since the server started",
      span: 4,
      empty: Object.values(of.calls).some(Boolean) ? null : "No calls reported to this server since it started.",
      table: counters(of.calls),
    }),
    panel(context, {
      id: "processes",
      title: "Processes",
      span: 8,
      table: processes(of.processes, zone),
    }),
  );
}

function processes(/** @type {Answers["technical"]["processes"]} */ rows, /** @type {string} */ zone) {
  return table({
    caption: "Processes of the server",
    columns: [
      { key: "pid", label: "Process" },
      { key: "since", label: "Since", content: (row) => format.instant(row.since, zone) },
      { key: "away", label: "Calls go to", content: (row) => (row.away ? "the spool" : "MongoDB") },
      { key: "calls", label: "Calls", as: "count" },
      { key: "queued", label: "Queued", as: "count" },
      { key: "streams", label: "Open pages", as: "count" },
      { key: "lagMax", label: "Longest wait", content: (row) => format.duration(Number(row.lagMax)) },
    ],
    rows,
    rowKey: (row) => String(row.pid),
  });
}

function troubles(/** @type {Technical["troubles"]} */ list, /** @type {string} */ zone) {
  return table({
    caption: "Troubles",
    columns: [
      { key: "code", label: "What", content: (row) => format.words(row.code) },
      { key: "reason", label: "Why", content: (row) => el("span", {}, row.reason) }, // whole, unlike a name
      { key: "count", label: "How many", as: "count" },
      { key: "since", label: "Since", content: (row) => format.instant(row.since, zone) },
      { key: "advice", label: "What to do", content: (row) => el("span", {}, row.advice) },
    ],
    rows: list,
    rowKey: (row) => row.code,
  });
}

function counters(/** @type {Record<string, number>} */ calls) {
  const rows = Object.entries(calls).map(([name, count]) => ({ name: format.words(name), count }));
  return table({
    caption: "Calls by status",
    columns: [
      { key: "name", label: "Status" },
      { key: "count", label: "Calls", as: "count" },
    ],
    rows,
  });
}
