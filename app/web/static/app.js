// Starts a page: who is looking, which tab, and what keeps it fresh.

import { address, RequestError, unreachable } from "./api.js";
import { byId, settle } from "./dom.js";
import { drawFilters } from "./filters.js";
import { Finder } from "./finder.js";
import * as format from "./format.js";
import { Live } from "./live.js";
import { Liveness } from "./liveness.js";
import { Page } from "./page.js";
import { Colours } from "./palette.js";
import { failure } from "./panels.js";
import { keptViews } from "./parts/kept-views.js";
import { windowOf } from "./period.js";
import {
  hideSignIn,
  mayLook,
  showSignIn,
  signOut,
  toldOnThePage,
  whenSignedOutElsewhere,
  whoIsThere,
} from "./session.js";
import { banner, closeMenu, filterWords, windowWords, wireShell } from "./shell.js";
import { HOME, href, isView, moduleOf, OF_NO_TAB, placeOf, read, reportParameters } from "./state.js";

/** @import { Committed, Stream } from "./live.js" */
/** @import { Context, Days, State, Tab, Who } from "./types.js" */

const FIRST_CALL = "./parts/first-call.js";

class App {
  constructor() {
    /** @type {Context["ui"]} */
    this.ui = new Map();
    this.colours = new Colours();
    /** @type {Context["names"]} */
    this.names = {};
    /** @type {State} */
    this.state = { ...read(location), data: "real", explicit: false };
    /** @type {Page | undefined} */
    this.page = undefined;
    /** @type {Live | undefined} */
    this.live = undefined;
    this.liveness = new Liveness();
    /** Who signed in. @type {Who | undefined} */
    this.who = undefined;
  }

  /**
   * What tabs of this person are given.
   * @param {Who} who
   * @param {Tab} tab
   * @returns {Context}
   */
  context(who, tab) {
    const { state, ui, colours, names } = this;
    const dayIn = (/** @type {Date} */ moment) => format.dayIn(moment, who.timezone);
    const today = () => dayIn(new Date());
    return {
      state,
      who,
      ui,
      colours,
      names,
      address,
      href: (changes) => href(state.explicit ? state : { ...state, data: null }, changes),
      go: (changes) => void this.go(href(state.explicit ? state : { ...state, data: null }, changes)),
      parameters: ({ wholeDays = !tab.controls?.instants } = {}) =>
        reportParameters(state, windowOf(state, today(), dayIn, !wholeDays)),
      today,
      rerender: () => this.page?.render(),
      reload: () => void this.refresh(),
      redrawFilters: () => this.drawFilters(),
    };
  }

  async start() {
    wireShell();
    new Finder(() => (this.who && this.page ? this.page.context : null)).wire();
    if (document.documentElement.dataset.tab === "not-found") return;
    document.addEventListener("click", (event) => this.followed(event));
    addEventListener("popstate", () => this.navigate());
    whenSignedOutElsewhere(() => this.who && this.signedOutHere());
    byId("sign-out").onclick = () => this.leave();
    try {
      await this.arrived(toldOnThePage() ?? (await whoIsThere()));
    } catch (error) {
      settle(
        byId("view"),
        failure(error instanceof RequestError ? error : {}, () => location.reload()),
      );
    }
  }

  async arrived(/** @type {Who | null} */ who) {
    if (who === null) return this.askWho("With an administrator's account, you go straight on to this page.");
    if (!mayLook(who)) return this.askWho(`${who.subject} is not an administrator. Sign in as someone who is.`);
    hideSignIn();
    document.documentElement.dataset.session = "in";
    if (this.who?.subject !== who.subject || this.who?.client !== who.client) this.clear();
    byId("view").hidden = false;
    this.who = who;
    byId("subject").textContent = who.client ? `${who.subject} · ${who.client}` : who.subject;
    byId("subject").title = byId("subject").textContent;
    byId("session").hidden = false;
    byId("about").textContent = `twinmeter ${who.version} · days of ${who.timezone}`;
    // before the figures are asked for: what is committed meanwhile is not missed
    this.live?.stop();
    this.live = new Live(this, who.features.live);
    this.live.start();
    await this.navigate();
  }

  /** Nothing of anyone stays on the page. */
  clear() {
    this.page?.leave();
    this.page = undefined;
    byId("view").replaceChildren();
  }

  /** The sign-in panel in place of the figures. */
  askWho(/** @type {string} */ why) {
    this.live?.stop();
    if (!this.page?.hasForm()) this.clear();
    this.page?.leave();
    for (const id of ["filters", "banner", "status", "session", "kept", "find", "view"]) byId(id).hidden = true;
    byId("meta").textContent = "";
    byId("title").textContent = "Sign in";
    document.title = "Sign in · twinmeter";
    document.documentElement.dataset.session = "out";
    showSignIn(why, (who) => this.arrived(who));
  }

  async leave() {
    try {
      await signOut();
    } catch {
      // the panel is shown all the same; a cookie that is left has the reach it had
    }
    this.signedOutHere();
  }

  signedOutHere() {
    this.clear();
    this.askWho("You are signed out on this browser.");
  }

  followed(/** @type {MouseEvent} */ event) {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link?.href || !plain || !this.who || link.hasAttribute("download")) return;
    const target = new URL(link.href);
    if (target.hash) return; // a place on this page, as that behind the menu
    if (target.origin !== location.origin || !isView(target.pathname)) return;
    event.preventDefault();
    this.go(target.pathname + target.search);
  }

  go(/** @type {string} */ target) {
    history.pushState(null, "", target);
    return this.navigate();
  }

  /** Show what the address asks for. */
  async navigate() {
    const { who } = this;
    if (!who) return;
    const asked = read(location);
    const state = { ...asked, data: asked.data ?? who.shows, explicit: asked.data !== null };
    this.state = state;
    let tab;
    try {
      ({ default: tab } = await import(this.moduleOf(state.tab, who)));
    } catch (error) {
      console.error("the page could not be loaded", error);
      if (this.state === state) this.broken(unreachable());
      return;
    }
    try {
      // by now a person may have gone on
      if (this.state === state) await this.show(tab, who);
    } catch (error) {
      console.error("the page could not be opened", error);
      this.broken({});
    }
  }

  /** Where nothing was ever reported, the first page says how to begin. */
  moduleOf(/** @type {string} */ tab, /** @type {Who} */ { isNew }) {
    return isNew && tab === HOME ? FIRST_CALL : moduleOf(tab);
  }

  /** What stands in place of a tab that cannot be shown. */
  broken(/** @type {Partial<RequestError>} */ error) {
    this.clear();
    byId("view").append(failure(error, () => location.reload()));
  }

  async show(/** @type {Tab} */ tab, /** @type {Who} */ who) {
    const context = this.context(who, tab);
    const before = this.page?.tab;
    const moved = before !== tab;
    byId("filters").hidden = false;
    byId("status").hidden = false;
    byId("find").hidden = false;
    if (moved || !this.page) {
      this.page?.leave();
      byId("view").replaceChildren();
      this.page = new Page(byId("view"), context, tab, this);
    }
    this.page.context = context;
    this.drawFilters();
    this.drawShell(tab, context);
    if (moved && before) {
      scrollTo(0, 0);
      byId("title").focus({ preventScroll: true });
    }
    await this.page.load();
  }

  drawKept() {
    if (this.page)
      settle(
        byId("kept"),
        keptViews(this.page.context, () => this.drawKept()),
      );
  }

  drawFilters() {
    if (this.page) drawFilters(byId("filters"), this.page.context, this.page.tab.controls);
  }

  drawShell(/** @type {Tab} */ tab, /** @type {Context} */ context) {
    const { state } = context;
    document.title = `${tab.title} · twinmeter`;
    byId("title").textContent = state.userId && state.tab === "usage/users" ? state.userId : tab.title;
    byId("meta").textContent = tab.about?.(context) ?? "";
    byId("printed").textContent = filterWords(state);
    const place = placeOf(state.tab);
    for (const link of document.querySelectorAll("a[data-tab]")) {
      const tab = link.getAttribute("data-tab");
      link.setAttribute("href", context.href({ ...OF_NO_TAB, tab }));
      const current = link.closest(".views") ? tab === state.tab : tab === place && link.closest("nav");
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    for (const bar of document.querySelectorAll("[data-views]")) {
      bar.toggleAttribute("hidden", bar.getAttribute("data-views") !== place);
    }
    this.drawKept();
    byId("banner").hidden = state.data === "real";
    settle(byId("banner"), banner(context));
    closeMenu();
  }

  async refresh() {
    const { page } = this;
    await page?.loading; // a refresh never takes the place of what a person has asked for
    if (page === this.page) await page?.load({ quiet: true });
  }

  // what a page tells

  signedOut() {
    this.askWho("The session has ended: its token or key no longer holds. Sign in again; this address is kept.");
  }

  answered(/** @type {{window?: Days, generatedAt?: string}} */ answer) {
    if (!this.page) return;
    const { tab, context } = this.page;
    const { timezone } = context.who;
    if (answer.window && !tab.about)
      byId("meta").textContent = windowWords(answer.window, context.today(), context.parameters());
    if (!answer.generatedAt) return;
    this.liveness.answered(answer.generatedAt, timezone);
  }

  failed(/** @type {RequestError} */ error) {
    this.liveness.failed(`${error.title}. ${error.detail}`);
  }

  // what the stream asks

  /** Whether calls that were committed are among those that are shown. */
  shows(/** @type {Committed} */ { real, synthetic }) {
    return (real && this.state.data !== "demo") || (synthetic && this.state.data !== "real");
  }

  hasFigures() {
    return Object.keys(this.page?.answers ?? {}).length > 0;
  }

  tell(/** @type {Stream} */ stream) {
    this.liveness.heard(stream);
  }
}

new App().start();
