// The figures, as fresh as they are looked at: asked for every second and a half while the page is seen, with a token
// that is renewed before it ends.

/** @import { News, TokenSource, Usage } from "./types.js" */

import { parseExactly } from "./text.js";

export const EVERY_MS = 1_500;
const LONGEST_MS = 30_000;
const PATIENCE_MS = 10_000;
/** How long before its end a token is renewed, unless it lives for less than twice as long. */
const MARGIN_MS = 60_000;

/** When a token ends, in ms; null where it does not say. */
export function endOf(/** @type {string} */ token) {
  try {
    const text = atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const { exp } = JSON.parse(text);
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null; // an API key, or nothing that we know: the server will tell
  }
}

/** Asks, and tells of every change. It runs between `start` and `stop`. */
export class Feed {
  /**
   * @param {string} server
   * @param {TokenSource | null} source null: the page is the server's own, whose session the browser has
   * @param {(news: News) => void} tell
   * @param {(expires: number) => void} ending the token ends at this moment, and there will be no other by itself
   */
  constructor(server, source, tell, ending) {
    this.server = server;
    this.source = source;
    this.tell = tell;
    this.ending = ending;
    /** @type {News} */
    this.news = { state: "loading", usage: null, asOf: null };
    /** @type {string | null} */
    this.token = null;
    this.renewAt = 0;
    this.etag = "";
    this.skew = 0;
    this.pause = EVERY_MS;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.running = false;
    this.asking = false;
    /** Whether another token was asked for since the last answer. */
    this.asked = false;
    this.seen = () => document.visibilityState === "visible" && this.next(0);
  }

  start() {
    this.running = true;
    document.addEventListener("visibilitychange", this.seen);
    this.next(0);
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }

  /** Another token, from now on. */
  renew(/** @type {string | null} */ token) {
    this.token = token;
    const end = token === null ? null : endOf(token);
    const life = end === null ? 0 : end - Date.now();
    this.renewAt = end === null ? Number.POSITIVE_INFINITY : end - Math.min(MARGIN_MS, life / 2);
    this.etag = "";
    this.pause = EVERY_MS;
    if (this.running) this.next(0);
  }

  next(/** @type {number} */ milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.once(), milliseconds);
  }

  /** One question. While the page is not seen there is none. */
  async once() {
    if (!this.running || this.asking || document.visibilityState === "hidden") return;
    this.asking = true;
    try {
      if (await this.authorised()) await this.ask();
    } catch {
      this.failed();
    } finally {
      this.asking = false;
      if (this.running) this.next(this.pause);
    }
  }

  /** Whether there is something to ask with. */
  async authorised() {
    if (this.source === null || (this.token !== null && Date.now() < this.renewAt)) return true;
    const token = await this.source();
    if (token !== null && token !== this.token) this.renew(token);
    if (this.token === null) {
      this.say("no-token");
      return false;
    }
    if (token === this.token && Date.now() >= this.renewAt) {
      // there is no other one: it is good until it ends, and whoever has tokens is told once
      const end = this.renewAt > 0 ? endOf(this.token) : null;
      this.renewAt = Number.POSITIVE_INFINITY;
      if (end !== null) this.ending(end);
    }
    return true;
  }

  async ask() {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (this.token !== null) headers.Authorization = `Bearer ${this.token}`;
    if (this.etag) headers["If-None-Match"] = this.etag;
    const answer = await fetch(`${this.server}/api/me/usage`, {
      headers,
      cache: "no-store",
      credentials: this.source === null ? "same-origin" : "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status === 401 || answer.status === 403) return this.refused(answer.status);
    if (answer.status !== 304 && !answer.ok) return this.failed(Number(answer.headers.get("Retry-After")) * 1000);
    this.pause = EVERY_MS;
    this.asked = false;
    if (answer.status === 304) return this.say("live");
    /** @type {Usage} */
    const usage = parseExactly(await answer.text());
    this.etag = answer.headers.get("ETag") ?? "";
    this.skew = Date.parse(usage.asOf) - Date.now();
    this.say("live", usage);
  }

  /** The token is not good, or no longer: another one is asked for at once, and then now and again. */
  refused(/** @type {number} */ status) {
    const again = status === 401 && this.source !== null && !this.asked;
    this.asked = true;
    this.etag = "";
    if (status === 401) this.renewAt = 0;
    this.pause = again ? 0 : LONGEST_MS;
    if (again) return;
    this.news = { state: "loading", usage: null, asOf: null };
    if (status === 403) this.say("refused");
    else this.say(this.token === null ? "no-token" : "expired");
  }

  failed(least = 0) {
    this.pause = Math.max(least || 0, Math.min(2 * this.pause, LONGEST_MS));
    this.say("stale");
  }

  say(/** @type {News["state"]} */ state, usage = this.news.usage) {
    if (!this.running) return;
    const asOf = state === "live" ? Date.now() + this.skew : this.news.asOf;
    this.news = { state, usage, asOf };
    this.tell(this.news);
  }
}
