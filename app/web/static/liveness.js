// One state of how fresh the figures are: whether commits are heard of and whether the last look at them had an answer.

import { byId } from "./dom.js";
import * as format from "./format.js";

/** @import { Stream } from "./live.js" */

const WORDS = { live: "Live", polling: "Updates every 30 s", connecting: "Connecting" };

export class Liveness {
  constructor() {
    /** @type {Stream} */
    this.stream = "connecting";
    /** When the figures were read last, as the server says it. @type {string | undefined} */
    this.read = undefined;
    /** Why they are older than they could be. */
    this.why = "";
    this.timezone = "UTC";
  }

  /** The stream says whether commits are heard of. */
  heard(/** @type {Stream} */ stream) {
    this.stream = stream;
    this.draw();
  }

  /** Figures were read. */
  answered(/** @type {string} */ at, /** @type {string} */ timezone) {
    Object.assign(this, { read: at, timezone, why: "" });
    this.draw();
  }

  /** They could not be. */
  failed(/** @type {string} */ why) {
    this.why = why;
    this.draw();
  }

  draw() {
    const { read, why, stream } = this;
    const time = read && format.clock(read, this.timezone);
    const said = why ? (read ? `Not updating since ${time}` : "No figures yet") : WORDS[stream];
    const [status, words, updated] = [byId("status"), byId("stream"), byId("updated")];
    status.dataset.stream = why ? "late" : stream;
    status.title = why;
    if (words.textContent !== said) words.textContent = said;
    updated.textContent = read && !why ? `${time} ${this.timezone}` : "";
    updated.dataset.value = read ?? "";
  }
}
