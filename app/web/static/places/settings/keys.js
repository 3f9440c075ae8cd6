// API keys: which there are, who used them last, and making and revoking them.

import { ask } from "../../api.js";
import { el } from "../../dom.js";
import * as format from "../../format.js";
import { form } from "../../forms.js";
import { panel } from "../../panels.js";
import { act, fault } from "../../parts/endpoints.js";
import { madeKey, SNIPPETS_OF } from "../../parts/made-key.js";
import { table } from "../../table.js";

/** @import { Answers, ApiKey, Context, Tab } from "../../types.js" */

const ROUTE = "/api/admin/keys";
const MADE = "keys.made";
const DAY_MS = 24 * 60 * 60 * 1_000;
/** @type {[string, string][]} */
const SCOPES = [
  ["ingest", "Report calls"],
  ["read", "Read reports of its client"],
  ["gateway", "Call models through the gateway"],
  ["admin", "Administer its client: reports, prices, keys and limits"],
];
/** Days. @type {[string, string][]} */
const SPANS = [
  ["", "Never"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In a year"],
];

/** @type {Tab} */
export default {
  title: "API keys",
  about: () => "With which applications report, read and call models",
  controls: { period: false, parts: false, calls: false },
  requests: ({ state: { clientId } }) => ({ keys: [ROUTE, { clientId }] }),
  sections: () => [
    { id: "fault", needs: [], skeleton: null, render: fault },
    { id: "made", needs: [], skeleton: null, render: shown },
    { id: "keys", needs: ["keys"], skeleton: "table", render: list },
    { id: "new", needs: [], skeleton: null, render: making, always: true },
  ],
};

function shown(/** @type {Context} */ context) {
  const made = context.ui.get(MADE);
  if (!made) return null;
  const hide = () => {
    context.ui.delete(MADE);
    context.rerender();
  };
  return madeKey(context, JSON.parse(String(made)), hide);
}

function list(/** @type {Context} */ context, /** @type {Answers} */ { keys }) {
  const zone = context.who.timezone;
  const rows = [...keys].sort((one, other) => Number(ended(one)) - Number(ended(other)));
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "keys",
      title: "API keys",
      note: `${format.plural(keys.filter((key) => !ended(key)).length, "key")} in use; last use is to the minute`,
      empty: keys.length ? null : "There are none yet. Make one below: applications need it to report calls.",
      table: table({
        caption: "API keys",
        columns: [
          { key: "name", label: "Name", content: (row) => [el("div", {}, row.name), el("code", {}, row.id)] },
          { key: "clientId", label: "Client" },
          { key: "scopes", label: "Scopes", content: (row) => row.scopes.join(", ") },
          { key: "models", label: "Models", content: (row) => el("span.sentence", {}, modelsOf(row)) },
          { key: "createdAt", label: "Created", content: (row) => format.instant(row.createdAt, zone) },
          { key: "createdBy", label: "By" },
          { key: "lastUsedAt", label: "Last used", content: (row) => format.instant(row.lastUsedAt, zone) },
          { key: "expiresAt", label: "State", content: (row) => stateOf(row, zone) },
          { key: "id", label: "Actions", content: (row) => (row.revokedAt ? null : revoking(context, row)) },
        ],
        rows,
        rowKey: (row) => row.id,
      }),
    }),
  );
}

const modelsOf = (/** @type {ApiKey} */ { scopes, models }) =>
  scopes.includes("gateway") ? (models?.join(", ") ?? "all") : format.DASH;
const expired = (/** @type {ApiKey} */ { expiresAt }) => expiresAt !== null && new Date(expiresAt) <= new Date();
const ended = (/** @type {ApiKey} */ key) => key.revokedAt !== null || expired(key);

function stateOf(/** @type {ApiKey} */ row, /** @type {string} */ zone) {
  if (row.revokedAt) return el("span.tag.error", {}, `Revoked ${format.instant(row.revokedAt, zone)}`);
  if (expired(row)) return el("span.tag.error", {}, `Expired ${format.instant(row.expiresAt, zone)}`);
  return row.expiresAt ? `Expires ${format.instant(row.expiresAt, zone)}` : "Does not expire";
}

function revoking(/** @type {Context} */ context, /** @type {ApiKey} */ { id, name }) {
  const revoke = () => {
    if (confirm(`Revoke ${name} (${id})? Whoever uses it is refused within five seconds, for good.`))
      void act(context, `${ROUTE}/${encodeURIComponent(id)}/revoke`, { method: "POST" });
  };
  return el("button.button.small", { type: "button", onclick: revoke, "aria-label": `Revoke: ${name}` }, "Revoke");
}

function making(/** @type {Context} */ context) {
  const whole = context.who.client === null;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "new-key",
      title: "New key",
      note: "The key itself is shown once, when it is made",
      content: form(context, {
        id: "key",
        submit: "Make key",
        fields: [
          { name: "name", label: "Name", hint: "What it is for, such as shop-backend" },
          ...(whole
            ? [{ name: "clientId", label: "Client", hint: "Whose calls it reports and sees; default if left empty" }]
            : []),
          { name: "scopes", label: "What it may do", many: true, options: SCOPES, checked: ["ingest"] },
          { name: "expiresAt", label: "Expires", options: SPANS },
          { name: "models", label: "Models of the gateway", hint: "With commas, * for any text; all if left empty" },
        ],
        send: ({ name = "", clientId, scopes, expiresAt, models }) =>
          ask(
            ROUTE,
            {},
            {
              method: "POST",
              body: {
                name,
                clientId,
                scopes,
                expiresAt: expiresAt && new Date(Date.now() + Number(expiresAt) * DAY_MS).toISOString(),
                models: models?.split(",").map((/** @type {string} */ each) => each.trim()),
              },
            },
          ),
        done: ({ key, name, scopes }) => {
          for (const each of SNIPPETS_OF) context.ui.delete(`copied.${each}`);
          context.ui.set(MADE, JSON.stringify({ key, name, scopes }));
          context.rerender();
          document.getElementById("made-key")?.focus();
        },
      }),
    }),
  );
}
