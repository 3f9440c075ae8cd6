// Where messages about alerts go: the list, and what an administrator does to it.

import { ask, RequestError } from "../api.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { panel } from "../panels.js";
import { table } from "../table.js";
import { formOf, textOf } from "./popover.js";

/** @import { Answers, Context, Endpoint } from "../types.js" */

const ROUTE = "/api/admin/endpoints";
const FAULT = "alerts.fault";
const SECRET = "alerts.secret";
const OUTCOME_MS = 1_500;
const TAGS = { on: ".success", off: "", gone: ".error", ended: "" };
const CHANNELS = { webhook: "Webhook", slack: "Slack or compatible", email: "E-mail" };
/** @type {Record<string, string[]>} */
const WISHES = {
  Everything: [],
  "Limits: all": ["limit.warning", "limit.reached", "limit.overage", "limit.overrun"],
  "Limits: reached and beyond": ["limit.reached", "limit.overage", "limit.overrun"],
  "Unusual spending": ["spending.cost", "spending.errors", "spending.unpriced", "spending.slow"],
};

/**
 * Ask for a change, and show what came of it. Null where it was refused, which is then said on the page.
 * @param {Context} context
 * @param {string} path
 * @param {{method: string, body?: object, sends?: boolean}} wish `sends`: what comes of it is seen a little later
 */
export async function act(context, path, { method, body, sends = false }) {
  context.ui.delete(FAULT);
  try {
    const answer = await ask(path, {}, { method, body });
    context.reload();
    if (sends) setTimeout(() => context.reload(), OUTCOME_MS);
    return answer;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    context.ui.set(FAULT, `${error.title}: ${error.detail}`);
    context.rerender();
    return null;
  }
}

/** Why the last change was refused. */
export function fault(/** @type {Context} */ context) {
  const said = context.ui.get(FAULT);
  return said ? el("p.banner", { role: "alert" }, String(said)) : null;
}

/**
 * A field of a form, with its label. `of` is what the form makes.
 * @param {string} of
 * @param {string} name
 * @param {string} label
 * @param {object} more
 */
export const field = (of, name, label, more) =>
  el(
    "div",
    {},
    el("label", { for: `${of}-${name}` }, label),
    el("input", { id: `${of}-${name}`, name, autocomplete: "off", ...more }),
  );

/**
 * A choice of a form, with its label.
 * @param {string} of
 * @param {string} name
 * @param {string} label
 * @param {[string, string][]} options values and what they are called
 */
export const choice = (of, name, label, options) =>
  el(
    "div",
    {},
    el("label", { for: `${of}-${name}` }, label),
    el(
      "select",
      { id: `${of}-${name}`, name },
      options.map(([value, text]) => el("option", { value }, text)),
    ),
  );

export function endpointPanel(/** @type {Context} */ context, /** @type {Answers} */ { endpoints: report }) {
  const rows = report.endpoints;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "endpoints",
      title: "Endpoints",
      note: "Where messages go",
      content: el(
        "div",
        {},
        secret(context),
        rows.length
          ? list(context, rows)
          : el("div.state", {}, el("p", {}, "There are none: alerts are listed here alone.")),
        adding(context),
      ),
    }),
  );
}

function list(/** @type {Context} */ context, /** @type {Endpoint[]} */ rows) {
  return table({
    caption: "Endpoints",
    columns: [
      { key: "name", label: "Name" },
      { key: "kind", label: "Kind", content: (row) => CHANNELS[row.kind] },
      { key: "address", label: "Address" },
      { key: "clientId", label: "Client", content: (row) => row.clientId ?? "all" },
      { key: "kinds", label: "Told", content: (row) => wishOf(row.kinds) },
      { key: "state", label: "State", content: (row) => el(`span.tag${TAGS[row.state]}`, {}, stateWords(row)) },
      { key: "id", label: "Actions", content: (row) => actions(context, row) },
    ],
    rows,
    rowKey: (row) => row.id,
  });
}

const stateWords = (/** @type {Endpoint} */ { state }) =>
  state === "gone" ? "Off: it answered 410" : format.words(state);

/** In words, which kinds an endpoint is told. */
function wishOf(/** @type {string[]} */ kinds) {
  const same = (/** @type {string[]} */ wish) =>
    wish.length === kinds.length && wish.every((kind) => kinds.includes(kind));
  const found = Object.entries(WISHES).find(([, wish]) => same(wish));
  return found ? found[0] : format.plural(kinds.length, "kind");
}

function actions(/** @type {Context} */ context, /** @type {Endpoint} */ row) {
  const path = `${ROUTE}/${encodeURIComponent(row.id)}`;
  const on = row.state === "on";
  const button = (/** @type {string} */ label, /** @type {() => void} */ press) =>
    el("button.button.small", { type: "button", onclick: press, "aria-label": `${label}: ${row.name}` }, label);
  const end = () => {
    if (confirm(`End ${row.name} for good? What waits to be sent there is not sent.`))
      void act(context, `${path}/end`, { method: "POST" });
  };
  return el(
    "div.row-actions",
    {},
    on ? button("Test", () => void act(context, `${path}/test`, { method: "POST", sends: true })) : null,
    button(on ? "Switch off" : "Switch on", () => void act(context, path, { method: "PATCH", body: { on: !on } })),
    row.kind === "webhook" && on ? button("New secret", () => void made(context, `${path}/rotate`)) : null,
    button("End", end),
  );
}

async function made(/** @type {Context} */ context, /** @type {string} */ path, /** @type {object} */ body = {}) {
  const answer = await act(context, path, { method: "POST", body });
  if (answer === null) return false;
  if (answer.secret) context.ui.set(SECRET, answer.secret);
  context.rerender();
  return true;
}

/** The secret of an endpoint that was just made; gone with the page. */
function secret(/** @type {Context} */ context) {
  const text = context.ui.get(SECRET);
  if (!text) return null;
  const hide = () => {
    context.ui.delete(SECRET);
    context.rerender();
  };
  return el(
    "div.state",
    { role: "status", "data-key": "secret" },
    el("strong", {}, "The secret with which messages are signed. It is shown only now."),
    el("pre", { tabindex: "0" }, el("code", { "data-secret": "" }, String(text))),
    el("button.button.small", { type: "button", onclick: hide }, "I have kept it"),
  );
}

function adding(/** @type {Context} */ context) {
  const add = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = formOf(event);
    const [kind, target] = [String(given.get("kind")), textOf(given, "target") ?? ""];
    const where = kind === "email" ? { addresses: target.split(",").map((each) => each.trim()) } : { url: target };
    const body = {
      kind,
      name: textOf(given, "name"),
      ...where,
      clientId: textOf(given, "clientId"),
      kinds: WISHES[String(given.get("wish"))],
    };
    if (await made(context, ROUTE, body)) form.reset();
  };
  return el(
    "details.adding",
    { "data-key": "adding" },
    el("summary.button", {}, "Add an endpoint"),
    el(
      "form.fields",
      { onsubmit: add },
      field("endpoint", "name", "Name", { required: true, maxlength: 256 }),
      choice("endpoint", "kind", "Kind", Object.entries(CHANNELS)),
      field("endpoint", "target", "URL, or e-mail addresses with commas", { required: true, maxlength: 2000 }),
      choice(
        "endpoint",
        "wish",
        "Is told",
        Object.keys(WISHES).map((name) => [name, name]),
      ),
      context.who.client === null
        ? field("endpoint", "clientId", "Of one client", { maxlength: 256, placeholder: "all" })
        : null,
      el("button.button.primary", { type: "submit" }, "Add"),
    ),
  );
}
