// One tab: asks for what it needs, shows each part as soon as its answer is there, and refreshes in place.

import { ask, RequestError } from "./api.js";
import { el, settle } from "./dom.js";
import { emptyState } from "./empty.js";
import { failure, skeleton } from "./panels.js";

/** @import { Answers, Context, Days, Parameters, Section, Tab } from "./types.js" */

/**
 * What is told of a page.
 * @typedef {{
 *   signedOut: () => void, answered: (answer: {window?: Days, generatedAt?: string}) => void,
 *   failed: (error: RequestError) => void,
 * }} Listener
 */
/** @typedef {keyof Answers} Name */

export class Page {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {Tab} tab
   * @param {Listener} listener
   */
  constructor(root, context, tab, listener) {
    this.root = root;
    this.context = context;
    this.tab = tab;
    this.listener = listener;
    /** @type {Partial<Record<Name, {value?: unknown, error?: RequestError}>>} */
    this.answers = {};
    this.leaving = new AbortController();
    this.busy = false;
  }

  /**
   * Ask for everything. Quietly: what is shown stays as it is until its answer is there, and stays where there is none.
   * @param {{quiet?: boolean}} [options]
   */
  load({ quiet = false } = {}) {
    /** Until everything that is asked for has an answer. */
    this.loading = this.asked(quiet);
    return this.loading;
  }

  async asked(/** @type {boolean} */ quiet) {
    this.leaving.abort();
    const leaving = new AbortController();
    this.leaving = leaving;
    this.busy = !quiet;
    if (!quiet) this.root.classList.toggle("loaded", Object.keys(this.answers).length > 0);
    this.render();
    const requests = Object.entries(this.tab.requests(this.context));
    await Promise.all(
      requests.map(([name, request]) => this.one(/** @type {Name} */ (name), request, leaving.signal, quiet)),
    );
    if (leaving.signal.aborted) return;
    this.busy = false;
    this.root.setAttribute("aria-busy", "false"); // what there is to see each answer has shown
  }

  /**
   * @param {Name} name
   * @param {[path: string, parameters: Parameters]} request
   * @param {AbortSignal} signal
   * @param {boolean} quiet
   */
  async one(name, [path, parameters], signal, quiet) {
    try {
      const value = await ask(path, parameters, { signal });
      this.keep(name, { value });
      this.listener.answered(value);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof RequestError)) throw error;
      if (error.kind === "signed-out") return this.listener.signedOut();
      this.listener.failed(error);
      if (quiet && this.answers[name]?.value) return;
      this.keep(name, { error });
    }
    this.render();
  }

  keep(/** @type {Name} */ name, /** @type {{value?: unknown, error?: RequestError}} */ answer) {
    this.answers = { ...this.answers, [name]: answer };
  }

  /** Show what is known. */
  render() {
    this.root.setAttribute("aria-busy", String(Boolean(this.busy)));
    const lost = this.lost();
    if (lost)
      return settle(
        this.root,
        this.tab
          .sections(this.context)
          .filter((section) => section.always && !section.needs.length)
          .map((section) => el("div", { "data-key": section.id, "data-section": section.id }, this.part(section))),
        el(
          "div",
          { "data-key": "lost" },
          failure(lost, () => this.retry()),
        ),
      );
    const none = this.tab.calls?.(this.values()) === 0;
    const sections = this.tab.sections(this.context).filter((section) => !none || section.always);
    const parts = sections.map((section) => {
      const props = { "data-key": section.id, "data-section": section.id };
      const failed = this.failureOf(section);
      if (!failed) return el("div", props, this.part(section));
      const alike = sections.filter((each) => this.failureOf(each)?.title === failed.title);
      if (alike[0] !== section) return null; // it is said once, and whom it keeps away
      const names = alike.map((each) => each.id.replaceAll("-", " ")).join(", ");
      return el(
        "div",
        props,
        failure(failed, () => this.retry(), `Missing here: ${names}.`),
      );
    });
    settle(this.root, parts, none ? el("div", { "data-key": "empty" }, emptyState(this.context)) : null);
  }

  /** Why there is nothing at all, where every answer is the same failure: that is said once. */
  lost() {
    const errors = Object.values(this.answers).map((answer) => answer.error);
    const asked = Object.keys(this.tab.requests(this.context)).length;
    const same = errors.length === asked && errors.every((error) => error && error.title === errors[0]?.title);
    return asked > 0 && same ? errors[0] : null;
  }

  /** Why a part has nothing to show, if that is known. */
  failureOf(/** @type {Section} */ { needs }) {
    return needs.map((name) => this.answers[name]?.error).find(Boolean);
  }

  /** Whether somebody has typed something that is not sent yet. */
  hasForm() {
    const fields = this.root.querySelectorAll("input:not([type=hidden]), textarea");
    return [...fields].some((each) => /** @type {HTMLInputElement} */ (each).value.trim() !== "");
  }

  part(/** @type {Section} */ section) {
    const asked = section.needs.map((name) => this.answers[name]);
    if (asked.some((answer) => answer === undefined)) return skeleton(section.skeleton);
    try {
      return section.render(this.context, /** @type {Answers} */ (this.values()));
    } catch (error) {
      console.error(`the part ${section.id} could not be shown`, error);
      return failure({}, () => this.retry());
    }
  }

  /** @returns {Partial<Answers>} */
  values() {
    return Object.fromEntries(Object.entries(this.answers).map(([name, answer]) => [name, answer.value]));
  }

  retry() {
    const good = Object.entries(this.answers).filter(([, answer]) => !answer.error);
    this.answers = Object.fromEntries(good);
    this.load();
  }

  /** The tab is left: nothing that is still asked for matters. */
  leave() {
    this.leaving.abort();
  }
}
