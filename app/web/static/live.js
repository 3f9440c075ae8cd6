// Hears that something was committed. One stream a browser: the visible tab that holds a lock has it and tells the
// others. Without a stream the page asks every 30 seconds.

import { ROOT } from "./root.js";

const STREAM = `${ROOT}/api/admin/ai/live`;
/** Of this deployment: another one of the same host has its own. */
const NAME = `twinmeter.live${ROOT}`;
const POLL_MS = 30_000;
const REFRESH_MS = 1_000;

/** @typedef {"live" | "polling" | "connecting"} Stream */
/** Which calls were committed. @typedef {{real: boolean, synthetic: boolean}} Committed */
/** @typedef {{kind: "who-streams"} | {kind: "stream", up: boolean} | {kind: "committed"} & Committed} Message */

export class Live {
  /**
   * @param {{refresh: () => Promise<void>, tell: (state: Stream) => void, shows: (committed: Committed) => boolean,
   *   hasFigures: () => boolean}} page `refresh` is called at most once a second, and never before the last one ended
   * @param {boolean} offered whether the server has a stream at all
   */
  constructor(page, offered) {
    this.page = page;
    this.offered = offered;
    this.behind = false;
    this.up = false;
    this.known = false;
    this.next = 0;
    /** @type {AbortController | undefined} */
    this.waiting = undefined;
    /** @type {EventSource | undefined} */
    this.source = undefined;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.stopped = new AbortController();
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
  }

  start() {
    const { signal } = this.stopped;
    if (this.channel) this.channel.onmessage = ({ data }) => this.heard(data);
    document.addEventListener("visibilitychange", () => this.turn(), { signal });
    this.poll = setInterval(() => this.polled(), POLL_MS);
    this.page.tell(this.offered ? "connecting" : "polling");
    this.turn();
  }

  stop() {
    this.stopped.abort();
    this.leave();
    this.channel?.close();
    clearInterval(this.poll);
    clearTimeout(this.timer);
  }

  /** Seen or not: a page that nobody sees holds no stream and asks for nothing. */
  turn() {
    if (document.hidden) return this.leave();
    this.join();
    if (this.behind) this.refreshSoon();
  }

  /** Wait for the stream's lock. Without locks (they need a secure context) each tab has its own. */
  join() {
    if (!this.offered || this.waiting) return;
    const waiting = new AbortController();
    this.waiting = waiting;
    const held = () => this.stream(waiting.signal);
    this.say({ kind: "who-streams" });
    if (!navigator.locks) return void held();
    navigator.locks.request(NAME, { signal: waiting.signal }, held).catch(() => {}); // given up: the tab was hidden
  }

  leave() {
    this.waiting?.abort();
    this.waiting = undefined;
  }

  /** Hold the stream until the tab is hidden. */
  stream(/** @type {AbortSignal} */ signal) {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(undefined);
      this.open();
      signal.addEventListener("abort", () => {
        this.source?.close();
        this.source = undefined;
        resolve(undefined);
      });
    });
  }

  open() {
    const source = new EventSource(STREAM);
    this.source = source;
    source.addEventListener("hello", (event) => {
      this.tell(true);
      // null: the server has told this page nothing yet, and cannot know when it asked for its figures
      if (JSON.parse(event.data).behind ?? this.page.hasFigures()) this.tellCommitted({});
    });
    source.addEventListener("committed", (event) => this.tellCommitted(JSON.parse(event.data)));
    source.addEventListener("down", () => this.tell(false));
    source.onerror = () => this.tell(false);
  }

  tell(/** @type {boolean} */ up) {
    this.say({ kind: "stream", up });
    this.heard({ kind: "stream", up });
  }

  tellCommitted(/** @type {Partial<Committed>} */ { real = true, synthetic = true }) {
    this.say({ kind: "committed", real, synthetic });
    this.heard({ kind: "committed", real, synthetic });
  }

  say(/** @type {Message} */ message) {
    this.channel?.postMessage(message);
  }

  heard(/** @type {Message} */ message) {
    if (message.kind === "committed" && this.page.shows(message)) this.refreshSoon();
    if (message.kind === "who-streams" && this.source) this.say({ kind: "stream", up: this.up });
    if (message.kind !== "stream") return;
    const { up } = message;
    const back = up && !this.up && this.known;
    this.up = up;
    this.known = true;
    this.page.tell(up ? "live" : "polling");
    if (back) this.refreshSoon(); // what was committed meanwhile
  }

  polled() {
    if (document.hidden) {
      this.behind = true;
      return;
    }
    // an answer that ends a stream is not retried by itself
    if (this.source?.readyState === EventSource.CLOSED) this.open();
    if (!this.up) this.refreshSoon();
    if (this.offered && !this.known) this.page.tell("polling");
  }

  /** Refresh once, soon: what comes meanwhile is in it. */
  refreshSoon() {
    this.behind = true;
    if (document.hidden || this.timer !== undefined) return;
    const wait = Math.max(0, this.next - performance.now());
    this.timer = setTimeout(() => this.refresh(), wait);
  }

  async refresh() {
    const started = performance.now();
    this.behind = false;
    try {
      await this.page.refresh();
    } finally {
      const took = performance.now() - started;
      // a server that is slow is not asked as fast as it answers
      this.next = started + Math.max(REFRESH_MS, 2 * took);
      this.timer = undefined;
      if (this.behind && !this.stopped.signal.aborted) this.refreshSoon();
    }
  }
}
