// <twinmeter-usage>: one user's usage on any page, in a shadow tree of its own.

/** @import { News, OwnLimit, RecentCall, SharedLimit, TokenSource, Usage, Writing } from "./types.js" */

import { Feed } from "./feed.js";
import { bar, linked, made, share } from "./nodes.js";
import { CSS } from "./styles.js";
import { clock, moment, money, say } from "./text.js";
import { effectOf, figuresOf, nameOf, resetOf, STRINGS, sharedOf, some, tokensOf, usedOf } from "./words.js";

/** Where this script came from, which is where the server is unless an attribute says otherwise. */
const SCRIPT = /** @type {HTMLScriptElement | null} */ (document.currentScript)?.src ?? "";
const OWN_PATH = /\/embed\/[^/]+$/;
/** What pages may set before this script has come. */
const PROPERTIES = ["token", "strings", "getToken"];
const NEAR = 80;

class TwinmeterUsage extends HTMLElement {
  static observedAttributes = ["server", "token", "token-url", "strings", "locale"];

  constructor() {
    super();
    this.tree = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    this.tree.adoptedStyleSheets = [sheet];
    /** @type {TokenSource | null} */
    this.source = null;
    /** @type {Feed | null} */
    this.feed = null;
    /** @type {{[name: string]: string}} */
    this.own = {};
    /** What was drawn of each section. @type {Map<string, string>} */
    this.drawn = new Map();
    /** @type {{[name: string]: HTMLElement}} */
    this.places = {};
    this.build();
  }

  build() {
    const details = made("details", { part: "recent" });
    const places = {
      head: made("div.head", { part: "head" }),
      limits: made("section", { part: "limits" }),
      costs: made("section", { part: "costs" }),
      summary: made("summary", {}),
      calls: made("ul.calls", {}),
      state: made("p.state", { role: "status", part: "state" }),
      asOf: made("span", {}),
      live: made("span", {}),
    };
    details.append(places.summary, places.calls);
    const foot = made("div.foot", { part: "foot" }, places.asOf, places.live);
    this.places = { ...places, details, foot };
    this.tree.append(places.head, places.state, places.limits, places.costs, details, foot);
  }

  connectedCallback() {
    for (const name of PROPERTIES.filter((each) => Object.hasOwn(this, each))) {
      // set by a page that was faster than this script: it hides what is declared below
      const value = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
    this.restart();
  }

  disconnectedCallback() {
    this.feed?.stop();
    this.feed = null;
  }

  attributeChangedCallback(
    /** @type {string} */ name,
    /** @type {string | null} */ _,
    /** @type {string | null} */ value,
  ) {
    if (name === "strings") this.strings = JSON.parse(value ?? "{}");
    else if (name === "token" && this.feed && value !== null) this.feed.renew(value);
    else if (name === "locale") this.redraw();
    else if (this.feed) this.restart();
  }

  get token() {
    return this.getAttribute("token");
  }

  set token(value) {
    if (value === null) this.removeAttribute("token");
    else this.setAttribute("token", value);
  }

  /** An application's own way to a token, instead of `token-url`. */
  get getToken() {
    return this.source;
  }

  set getToken(value) {
    this.source = value;
    if (this.feed) this.restart();
  }

  get strings() {
    return this.own;
  }

  set strings(value) {
    this.own = value;
    this.redraw();
  }

  /** The address of the server, without a slash at its end. */
  get server() {
    return (this.getAttribute("server") ?? SCRIPT.replace(OWN_PATH, "")).replace(/\/$/, "");
  }

  /** @returns {Writing} */
  get writing() {
    return { strings: { ...STRINGS, ...this.own }, locale: this.getAttribute("locale") ?? undefined };
  }

  restart() {
    this.feed?.stop();
    const told = (/** @type {string} */ type, /** @type {unknown} */ detail) =>
      this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
    const own = new URL(this.server || "/", document.baseURI).origin === location.origin;
    const bySession = own && !this.token && !this.getAttribute("token-url") && !this.getToken;
    this.feed = new Feed(
      this.server,
      bySession ? null : () => this.ask(),
      (news) => {
        const changed = this.draw(news);
        if (changed) told("twinmeter-usage", news.usage);
      },
      (expires) => told("twinmeter-token-expiring", { expiresAt: new Date(expires).toISOString() }),
    );
    this.redraw();
    this.feed.start();
  }

  /** A token, from wherever the application has them. */
  async ask() {
    const url = this.getAttribute("token-url");
    if (this.getToken) return this.getToken();
    if (!url) return this.token;
    const answer = await fetch(url, { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    return /** @type {string} */ ((await answer.json()).token);
  }

  redraw() {
    this.drawn.clear();
    if (this.feed) this.draw(this.feed.news);
  }

  /** Draws what has changed, and says whether figures have. Sections keep their nodes, so that nobody loses the focus. */
  draw(/** @type {News} */ { state, usage, asOf }) {
    const { places, writing } = this;
    const said = usage === null && state === "stale" ? "unreachable" : state;
    this.section("state", said, () =>
      places.state.replaceChildren(said === "live" ? "" : say(writing, `state.${said}`)),
    );
    places.state.hidden = state === "live";
    for (const name of ["limits", "costs", "details", "foot"]) places[name].hidden = usage === null;
    places.asOf.textContent = asOf === null ? "" : say(writing, "asOf", { clock: clock(asOf, writing) });
    places.live.textContent = state === "live" ? say(writing, "state.live") : "";
    if (usage === null) {
      this.section("head", null, () => places.head.replaceChildren(made("h2", {}, say(writing, "title"))));
      return false;
    }
    const { plan, limits, shared, cost, recent } = usage;
    const changes = [
      this.section("head", plan, () => places.head.replaceChildren(...this.head(usage))),
      this.section("limits", [limits, shared], () => places.limits.replaceChildren(...this.limits(usage))),
      this.section("costs", cost, () => places.costs.replaceChildren(...this.costs(usage))),
      this.section("calls", recent, () => this.calls(usage)),
    ];
    const now = asOf ?? Date.now();
    for (const each of this.tree.querySelectorAll("[data-resets]")) {
      each.textContent = resetOf(/** @type {HTMLElement} */ (each).dataset.resets ?? "", now, writing);
    }
    return changes.some(Boolean);
  }

  /** Draws a section where what it shows is not what was drawn. */
  section(/** @type {string} */ name, /** @type {unknown} */ shows, /** @type {() => void} */ draw) {
    const text = JSON.stringify(shows) ?? "";
    if (this.drawn.get(name) === text) return false;
    this.drawn.set(name, text);
    draw();
    return true;
  }

  head(/** @type {Usage} */ { plan }) {
    const { writing } = this;
    const upgrade = linked(plan?.upgradeUrl);
    const name = plan && say(writing, "plan", { name: plan.name });
    return [
      made("h2", {}, say(writing, "title")),
      made(
        "p.muted",
        { part: "plan" },
        name,
        upgrade && " ",
        upgrade && made("a", { href: upgrade, part: "upgrade", target: "_top" }, say(writing, "upgrade")),
      ),
    ];
  }

  limits(/** @type {Usage} */ { limits, shared }) {
    const { writing } = this;
    const title = (/** @type {string} */ name) => made("h3", {}, say(writing, name));
    const none = limits.length + shared.length === 0 && made("p.muted", {}, say(writing, "limits.none"));
    return [
      title("limits"),
      ...(none ? [none] : []),
      ...(limits.length ? [made("ul", {}, ...limits.map((limit, place) => this.limit(limit, `own-${place}`)))] : []),
      ...(shared.length ? [title("shared.title")] : []),
      ...(shared.length ? [made("ul", {}, ...shared.map((limit, place) => this.limit(limit, `shared-${place}`)))] : []),
    ];
  }

  /** One limit. Its bar ends at 100; what is beyond is said in words. */
  limit(/** @type {OwnLimit | SharedLimit} */ limit, /** @type {string} */ id) {
    const { writing } = this;
    const own = "used" in limit ? limit : null;
    const words = own ? usedOf(own, writing) : sharedOf(limit, writing);
    const percent = Number(limit.percent);
    const heights = percent >= 100 ? ".over" : percent >= NEAR ? ".near" : "";
    const effect = effectOf(limit, writing);
    return made(
      `li.${limit.reached ? "hard" : limit.kind}${heights}`,
      { part: "limit", "data-limit": limit.id },
      made(
        "div.row",
        {},
        made("h4", { id, part: "name" }, nameOf(limit, writing)),
        own && made("span", { part: "figures" }, figuresOf(own, writing)),
      ),
      // of nothing there is no part
      limit.percent !== null &&
        bar(percent, percent > 0 || some(own?.used ?? ""), own ? share(own.held, own.limit, own.unit) : 0, words, id),
      made("p.note", { part: "use" }, words),
      effect && made("p.note.effect", { part: "effect" }, effect),
      limit.percent !== null && limit.resetsAt && made("p.note", { part: "reset", "data-resets": limit.resetsAt }),
    );
  }

  costs(/** @type {Usage} */ { cost }) {
    const { writing } = this;
    if (cost === null) return [];
    const figure = (/** @type {"month" | "lifetime"} */ name) =>
      made(
        "div",
        {},
        made("dt", {}, say(writing, `cost.${name}`)),
        made("dd", { "data-cost": name }, money(cost[name], writing, cost.currency)),
      );
    return [made("h3", {}, say(writing, "costs")), made("dl", {}, figure("month"), figure("lifetime"))];
  }

  calls(/** @type {Usage} */ { recent }) {
    const { places, writing } = this;
    places.summary.textContent = say(writing, "recent");
    const none = made("li.muted", {}, say(writing, "recent.none"));
    places.calls.replaceChildren(...(recent.length ? recent.map((call) => this.call(call)) : [none]));
  }

  call(/** @type {RecentCall} */ call) {
    const { writing } = this;
    const status = say(writing, `status.${call.status}`) || (call.cached ? say(writing, "cached") : "");
    const cost = call.cost === null ? say(writing, "unpriced") : money(call.cost, writing);
    const tokens = call.tokensUsed === null ? "" : tokensOf(call.tokensUsed, writing);
    const at = call.createdAt === null ? "" : moment(Date.parse(call.createdAt), writing);
    return made(
      "li",
      { part: "call", "data-call": call.id },
      made(
        "div.row",
        {},
        made("span", {}, [call.feature, call.model].filter(Boolean).join(" · ")),
        made("span", {}, cost),
      ),
      made("div.row.note", {}, made("span", {}, at), made("span", {}, [tokens, status].filter(Boolean).join(", "))),
    );
  }
}

if (!customElements.get("twinmeter-usage")) customElements.define("twinmeter-usage", TwinmeterUsage);
