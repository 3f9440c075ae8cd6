// Forms of settings. What is typed is kept until it was sent: over refreshes, over leaving the page, and over a session
// that ends meanwhile, after which it is sent again. What was wrong is said beside its field.

import { RequestError } from "./api.js";
import { el } from "./dom.js";

/** @import { ComponentElement, Context } from "./types.js" */

/**
 * A field. `options` make it a choice; with `many`, boxes of which several may be ticked. `name` is that of the field in
 * the body of the request, so that what the server says of it stands beside it.
 * @typedef {{
 *   name: string, label: string, hint?: string, value?: string, options?: [value: string, label: string][], many?: boolean,
 *   checked?: string[], input?: object,
 * }} Field
 */
/** What was typed, by field: a list where several may be ticked; empty texts are left out. @typedef {Record<string, any>} Values */
/**
 * A form. `send` makes the request; `done` is told its answer.
 * @typedef {{
 *   id: string, fields: Field[], submit: string, send: (values: Values) => Promise<any>, done?: (answer: any) => void,
 * }} Form
 */
/** @typedef {Form & {context: Context}} Props */
/** @typedef {ComponentElement<Props> & {component: {}, props: Props}} Holder */

/** Forms with something typed that was not sent. @type {Set<string>} */
const unsent = new Set();
addEventListener("beforeunload", (event) => {
  if (unsent.size) event.preventDefault();
});

const draftOf = (/** @type {string} */ id) => `form.${id}.draft`;
/** Whose form waits to be sent again. */
const waitingOf = (/** @type {string} */ id) => `form.${id}.waits`;

/**
 * @param {Context} context
 * @param {Form} props
 */
export const form = (context, props) =>
  el("form.fields", {
    "data-key": props.id,
    novalidate: true,
    component: KEPT,
    props: { ...props, context },
  });

/** What is inside of it stays as it is while the page around it is drawn anew. */
const KEPT = {
  mount(/** @type {ComponentElement<Props>} */ node) {
    const holder = /** @type {Holder} */ (node);
    const { id, fields, submit, context } = holder.props;
    const draft = JSON.parse(String(context.ui.get(draftOf(id)) ?? "{}"));
    node.append(
      el("p.form-fault", { role: "alert", hidden: true, tabindex: "-1" }),
      ...fields.map((field) => control(id, field, draft[field.name])),
      el("div.form-end", {}, el("button.button.primary", { type: "submit" }, submit), el("span", { role: "status" })),
    );
    if (Object.keys(draft).length) unsent.add(id);
    node.oninput = () => keep(holder);
    node.onsubmit = (event) => {
      event.preventDefault();
      void send(holder);
    };
    resume(holder);
  },
  update(/** @type {ComponentElement<Props>} */ node) {
    resume(/** @type {Holder} */ (node));
  },
};

/** Send again what a session's end had kept from being sent: for the same person alone. */
function resume(/** @type {Holder} */ node) {
  const { id, context } = node.props;
  const who = context.ui.get(waitingOf(id));
  if (!who) return;
  context.ui.delete(waitingOf(id));
  if (who === context.who.subject) void send(node);
  else say(node, "This was not sent: somebody else had typed it, and was signed out.");
}

function control(/** @type {string} */ id, /** @type {Field} */ field, /** @type {any} */ typed) {
  const { name, label, hint } = field;
  const place = `${id}-${name}`;
  const notes = [
    hint ? el("p.form-hint", { id: `${place}-hint` }, hint) : null,
    el("p.form-error", { id: `${place}-error` }),
  ];
  if (field.many) {
    return el(
      "fieldset.form-field",
      { "data-field": name, "aria-describedby": describedBy(place, hint) },
      el("legend", {}, label),
      (field.options ?? []).map(([value, text]) =>
        el(
          "label.form-box",
          {},
          el("input", { type: "checkbox", name, value, checked: (typed ?? field.checked ?? []).includes(value) }),
          text,
        ),
      ),
      notes,
    );
  }
  const own = { id: place, name, "aria-describedby": describedBy(place, hint), ...field.input };
  const value = typed ?? field.value ?? "";
  return el(
    "div.form-field",
    { "data-field": name },
    el("label", { for: place }, label),
    field.options
      ? el(
          "select",
          own,
          field.options.map(([option, text]) => el("option", { value: option, selected: option === value }, text)),
        )
      : el("input", { autocomplete: "off", maxlength: 256, ...own, value }),
    notes,
  );
}

const describedBy = (/** @type {string} */ place, /** @type {string | undefined} */ hint) =>
  hint ? `${place}-hint ${place}-error` : `${place}-error`;

/** @returns {Values} */
function typedIn(/** @type {Holder} */ node) {
  const given = new FormData(/** @type {HTMLFormElement} */ (/** @type {unknown} */ (node)));
  return Object.fromEntries(
    node.props.fields.map(({ name, many }) => [
      name,
      many ? given.getAll(name).map(String) : String(given.get(name) ?? "").trim(),
    ]),
  );
}

function keep(/** @type {Holder} */ node) {
  const { id, context } = node.props;
  context.ui.set(draftOf(id), JSON.stringify(typedIn(node)));
  unsent.add(id);
  say(node, "");
}

/** What was typed is sent or given up. */
export function forget(/** @type {Context} */ context, /** @type {string} */ id) {
  context.ui.delete(draftOf(id));
  unsent.delete(id);
}

async function send(/** @type {Holder} */ node) {
  if (node.dataset.sending) return;
  node.dataset.sending = "yes";
  clear(node);
  say(node, "Sending…");
  const { id, context, done } = node.props;
  const given = Object.entries(typedIn(node)).filter(([, value]) => value !== "");
  try {
    const answer = await node.props.send(Object.fromEntries(given));
    forget(context, id);
    reset(node);
    say(node, "Done.");
    done?.(answer);
    context.reload();
  } catch (error) {
    say(node, "");
    if (!(error instanceof RequestError)) throw error;
    if (error.kind === "signed-out") {
      keep(node);
      context.ui.set(waitingOf(id), context.who.subject);
      context.reload(); // it is refused, too: the page asks to sign in
    } else tell(node, error);
  } finally {
    delete node.dataset.sending;
  }
}

function reset(/** @type {Holder} */ node) {
  for (const { name, value, checked = [], many } of node.props.fields) {
    for (const each of /** @type {NodeListOf<HTMLInputElement>} */ (node.querySelectorAll(`[name="${name}"]`))) {
      if (many) each.checked = checked.includes(each.value);
      else each.value = value ?? /** @type {any} */ (each).options?.[0].value ?? "";
    }
  }
}

function say(/** @type {Holder} */ node, /** @type {string} */ text) {
  const status = node.querySelector("[role=status]");
  if (status) status.textContent = text;
}

function clear(/** @type {Holder} */ node) {
  const fault = /** @type {HTMLElement} */ (node.querySelector(".form-fault"));
  fault.hidden = true;
  for (const each of node.querySelectorAll(".form-error")) each.textContent = "";
  for (const each of node.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
}

/** Beside each field what is wrong with it, and above them what is of none; focus goes to the first. */
function tell(/** @type {Holder} */ node, /** @type {RequestError} */ error) {
  const fault = /** @type {HTMLElement} */ (node.querySelector(".form-fault"));
  const known = error.errors.filter((each) => told(node, each));
  const said = known.length && known.length === error.errors.length ? "Nothing was changed: see below." : error.detail;
  fault.textContent = `${error.title}. ${said}`;
  fault.hidden = false;
  const first = node.querySelector("[aria-invalid] input, input[aria-invalid], select[aria-invalid]") ?? fault;
  /** @type {HTMLElement} */ (first).focus();
}

/** @returns {boolean} whether the form has the field */
function told(/** @type {Holder} */ node, /** @type {{field: string, message: string}} */ { field, message }) {
  const name = [field, field.split(".").at(-1)].find((each) =>
    node.querySelector(`[data-field="${CSS.escape(each ?? "")}"]`),
  );
  if (!name) return false;
  const holder = /** @type {HTMLElement} */ (node.querySelector(`[data-field="${CSS.escape(name)}"]`));
  const error = /** @type {HTMLElement} */ (holder.querySelector(".form-error"));
  error.textContent = message.charAt(0).toUpperCase() + message.slice(1);
  const control = holder.tagName === "FIELDSET" ? holder : holder.querySelector("input, select");
  control?.setAttribute("aria-invalid", "true");
  return true;
}
