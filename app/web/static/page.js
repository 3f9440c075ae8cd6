// @ts-check
// One tab: asks for what it needs, shows each part as soon as its answer is there, and refreshes in place.

import { ask } from "./api.js";
import { el, settle } from "./dom.js";
import { emptyState } from "./empty.js";
import { failure, skeleton } from "./panels.js";

/**
 * @typedef {object} Tab what a module of tabs/ declares
 * @property {string} title
 * @property {(context: any) => Record<string, [string, Record<string, any>]>} requests at most four, by name
 * @property {(context: any) => {id: string, needs: string[], skeleton: any, render: (context: any, answers: any) => any,
 *   always?: boolean}[]} sections `always`: shown for a window without calls too
 * @property {(answers: any) => number | undefined} [calls] how many calls the window has, once that is known
 * @property {(context: any) => string} [about] instead of the window, under the title
 * @property {{period?: boolean, parts?: boolean, compare?: boolean}} [controls] which controls it follows; all when left out
 */

export class Page {
  /**
   * @param {Element} root
   * @param {any} context
   * @param {Tab} tab
   * @param {{signedOut: () => void, answered: (answer: any) => void, failed: (error: any, quiet: boolean) => void}} listener
   */
  constructor(root, context, tab, listener) {
    this.root = root;
    this.context = context;
    this.tab = tab;
    this.listener = listener;
    /** @type {Record<string, {value?: any, error?: any}>} */
    this.answers = {};
    this.leaving = new AbortController();
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

  async asked(quiet) {
    this.leaving.abort();
    const leaving = new AbortController();
    this.leaving = leaving;
    this.busy = !quiet;
    if (!quiet) this.root.classList.toggle("loaded", Object.keys(this.answers).length > 0);
    this.render();
    const requests = Object.entries(this.tab.requests(this.context));
    await Promise.all(requests.map((request) => this.one(request, leaving.signal, quiet)));
    if (leaving.signal.aborted) return;
    this.busy = false;
    this.root.setAttribute("aria-busy", "false"); // what there is to see each answer has shown
  }

  async one([name, [path, parameters]], signal, quiet) {
    try {
      this.keep(name, { value: await ask(path, parameters, { signal }) });
      this.listener.answered(this.answers[name].value);
    } catch (error) {
      if (signal.aborted) return;
      if (error.kind === "signed-out") return this.listener.signedOut();
      this.listener.failed(error, quiet);
      if (quiet && this.answers[name]?.value) return;
      this.keep(name, { error });
    }
    this.render();
  }

  keep(name, answer) {
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
    const parts = sections.map((section) =>
      el("div", { "data-key": section.id, "data-section": section.id }, this.part(section)),
    );
    settle(this.root, parts, none ? el("div", { "data-key": "empty" }, emptyState(this.context)) : null);
  }

  /** Why there is nothing at all, where every answer is the same failure: that is said once. */
  lost() {
    const errors = Object.values(this.answers).map((answer) => answer.error);
    const asked = Object.keys(this.tab.requests(this.context)).length;
    const same = errors.length === asked && errors.every((error) => error && error.title === errors[0].title);
    return asked > 0 && same ? errors[0] : null;
  }

  part(section) {
    const asked = section.needs.map((name) => this.answers[name]);
    const failed = asked.find((answer) => answer?.error);
    if (failed) return failure(failed.error, () => this.retry());
    if (asked.some((answer) => answer === undefined)) return skeleton(section.skeleton);
    try {
      return section.render(this.context, this.values());
    } catch (error) {
      console.error(`the part ${section.id} could not be shown`, error);
      return failure({}, () => this.retry());
    }
  }

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
