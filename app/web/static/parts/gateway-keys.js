// The keys that call models: which, for how much.

import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";
import { newKey, snippet } from "./gateway-begin.js";

/** @import { Answers, ApiKey, Context, DefinedLimit } from "../types.js" */

export function keyPanel(/** @type {Context} */ context, /** @type {Answers} */ { upstreams, keys, limits: report }) {
  if (!upstreams.on) return null;
  const rows = keys.filter(holds);
  const all = report.nextCursor === null;
  const of = (/** @type {ApiKey} */ { id }) => report.limits.filter(({ scope }) => scope.keyId === id);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "keys",
      title: "Keys",
      note: `With the scope gateway${all ? "" : "; of limits, the newest 200"}`,
      content: rows.length ? list(context, rows, of) : none(context),
    }),
  );
}

/** Whether models may be called with it. */
const holds = (/** @type {ApiKey} */ { scopes, revokedAt, expiresAt }) =>
  scopes.includes("gateway") && !revokedAt && !(expiresAt && new Date(expiresAt) <= new Date());

function list(
  /** @type {Context} */ context,
  /** @type {ApiKey[]} */ rows,
  /** @type {(key: ApiKey) => DefinedLimit[]} */ limitsOf,
) {
  const zone = context.who.timezone;
  const sentence = (/** @type {string} */ text) => el("span.sentence", {}, text);
  return table({
    caption: "Keys",
    columns: [
      { key: "name", label: "Name", content: (row) => [el("div", {}, row.name), el("code", {}, row.id)] },
      { key: "models", label: "Models", content: (row) => sentence(row.models?.join(", ") ?? "all") },
      {
        key: "limits",
        label: "Limits",
        content: (row) => sentence(limitsOf(row).map(limitWords).join("; ") || "none"),
      },
      { key: "cache", label: "Cache", content: (row) => (row.cache ? format.seconds(row.cacheSeconds) : "on request") },
      { key: "onDisconnect", label: "Client leaves", content: (row) => format.words(row.onDisconnect) },
      { key: "lastUsedAt", label: "Last used", content: (row) => format.instant(row.lastUsedAt, zone) },
      { key: "clientId", label: "Client" },
    ],
    rows,
    rowKey: (row) => row.id,
  });
}

function limitWords(/** @type {DefinedLimit} */ { amount, unit, window, kind }) {
  if (unit === "concurrent") return `${format.count(amount)} at once, ${kind}`;
  const much = unit === "usd" ? format.money(amount) : `${format.count(amount)} ${unit}`;
  return `${much} ${window === "lifetime" ? "in total" : `per ${window}`}, ${kind}`;
}

function none(/** @type {Context} */ context) {
  return el(
    "div.state",
    {},
    el("p", {}, "There is none yet: applications call models with a key that has the scope gateway."),
    snippet(context, "key", "how a key is made", newKey()),
  );
}
