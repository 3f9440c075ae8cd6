// Notes on the time line: marks on every chart by day, and the form that writes one.

import { ask, RequestError } from "../api.js";
import { el } from "../dom.js";
import * as format from "../format.js";
import { formOf } from "./popover.js";

/** @import { Chart, Context, Note } from "../types.js" */

/** What is known, and of whom it was asked. @type {{of: string, notes: Note[]} | undefined} */
let known;

const PATH = "/api/admin/notes";

/** The notes of the days of a chart. They are asked for once, behind the figures, and drawn when they are there. */
export function notesOf(/** @type {Context} */ context) {
  const of = `${context.who.subject} ${context.who.client}`;
  if (known?.of !== of) {
    known = { of, notes: [] };
    void refresh(context, of);
  }
  return known.notes;
}

async function refresh(/** @type {Context} */ context, /** @type {string} */ of) {
  try {
    const { notes } = await ask(PATH);
    known = { of, notes };
    if (notes.length) context.rerender();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error; // a chart is whole without them
  }
}

/** What charts by day do with notes. @returns {Pick<Chart, "marks" | "onNote">} */
export function noted(/** @type {Context} */ context) {
  const { clientId } = context.state;
  const about = notesOf(context).filter((note) => !clientId || !note.clientId || clientId.includes(note.clientId));
  return {
    marks: about.map(({ at, text }) => ({ at: format.dayIn(new Date(at), context.who.timezone), label: text })),
    onNote: (/** @type {{day: string}} */ { day }) => write(context, day),
  };
}

/** A moment of a day of the reporting time zone, as near to its noon as that needs. */
function momentOf(/** @type {string} */ day, /** @type {string} */ timezone) {
  const hours = ["12", "06", "18"].map((hour) => `${day}T${hour}:00:00Z`);
  return hours.find((at) => format.dayIn(new Date(at), timezone) === day) ?? hours[0];
}

/** The form, over the page. What was typed stays where it is refused. */
function write(/** @type {Context} */ context, /** @type {string} */ day) {
  const back = document.activeElement;
  const said = el("p.field-error", { role: "alert" });
  const send = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const text = String(formOf(event).get("text") ?? "").trim();
    const body = { at: momentOf(day, context.who.timezone), text, clientId: context.state.clientId };
    try {
      const note = await ask(PATH, {}, { method: "POST", body });
      known?.notes.unshift(note);
      dialog.close();
      context.rerender();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      said.textContent = `${error.title}: ${error.detail}`;
    }
  };
  const input = { name: "text", id: "note-text", required: true, maxlength: "200", autocomplete: "off" };
  const dialog = /** @type {HTMLDialogElement} */ (
    el(
      "dialog",
      { "aria-labelledby": "note-title", onclose: () => closed() },
      el("div.dialog-head", {}, el("h2", { id: "note-title" }, `Note for ${format.day(day)}`)),
      el(
        "form.dialog-body",
        { onsubmit: send },
        el("label", { for: "note-text" }, "What happened, such as “deployed v2”"),
        el("input", input),
        said,
        el(
          "div.dialog-actions",
          {},
          el("button.button.primary", { type: "submit" }, "Add note"),
          el("button.button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        ),
      ),
    )
  );
  const closed = () => {
    dialog.remove();
    if (back instanceof HTMLElement) back.focus({ preventScroll: true });
  };
  document.body.append(dialog);
  dialog.showModal();
}
