// What opens below a button: a form, or a menu. One is open at a time; Escape and a press elsewhere close it.

import { el } from "../dom.js";

/** @import { Child } from "../types.js" */

/** What was typed into a field; null where nothing was. */
export const textOf = (/** @type {FormData} */ form, /** @type {string} */ name) =>
  String(form.get(name) ?? "").trim() || null;

/** What was chosen in a select. */
export const chosen = (/** @type {Event} */ event) => /** @type {HTMLSelectElement} */ (event.currentTarget).value;

/** What was typed into a form that is sent. */
export const formOf = (/** @type {Event} */ event) =>
  new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));

const detailsOf = (/** @type {Event} */ event) =>
  /** @type {HTMLDetailsElement} */ (/** @type {Element} */ (event.currentTarget).closest("details"));

/** Close what an event comes from, and give the focus back to its button. */
export function close(/** @type {Event} */ event) {
  const details = detailsOf(event);
  details.open = false;
  details.querySelector("summary")?.focus();
}

/**
 * @param {{key: string, label: Child, active?: boolean, title?: string, onOpen?: () => void, first?: string}} props
 *   `active`: whether it is in force; `first` selects what has the focus at first
 * @param {...Child} content
 */
export function popover({ key, label, active = false, title, onOpen, first = "input" }, ...content) {
  return el(
    "details.popover",
    {
      "data-key": key,
      ontoggle: (event) => {
        const details = detailsOf(event);
        if (!details.open) return;
        onOpen?.();
        opened(details, first);
      },
      // nothing is returned: false would cancel the key, and with it typing and moving on
      onkeydown: (event) => {
        if (event.key === "Escape" && detailsOf(event).open) close(event);
      },
    },
    el("summary.button", { "aria-pressed": active ? "true" : null, role: "button", title }, label),
    content,
  );
}

/** A form in a popover. */
export function popoverForm(/** @type {(form: FormData) => void} */ submit, /** @type {...Child} */ ...fields) {
  const onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    detailsOf(event).open = false;
    submit(formOf(event));
  };
  return el("form", { onsubmit }, fields, el("button.button.primary", { type: "submit" }, "Apply"));
}

function opened(/** @type {HTMLDetailsElement} */ details, /** @type {string} */ first) {
  const [wanted, usual] = [details.querySelector(first), details.querySelector("a, input")];
  /** @type {HTMLElement | null} */ (wanted ?? usual)?.focus();
  const closing = new AbortController();
  const outside = (/** @type {Event} */ { target }) => {
    if (!details.contains(/** @type {Node} */ (target))) details.open = false;
  };
  document.addEventListener("pointerdown", outside, { signal: closing.signal });
  details.addEventListener("toggle", () => details.open || closing.abort(), { signal: closing.signal });
}
