// When to try again: sooner after a first fault than after many, and never all clients at one moment.

const FIRST_MS = 250;
const LONGEST_MS = 30_000;
/** What a server may ask for by `Retry-After`. More is somebody's mistake. */
const LONGEST_ASKED_MS = 600_000;

export class Pause {
  /** In a row. */
  faults = 0;
  #until = 0;
  #isAsked = false;

  /** Milliseconds until the next attempt; 0 where it may begin. */
  get left() {
    return Math.max(0, this.#until - performance.now());
  }

  /**
   * An attempt has failed.
   * @param {{retryAfter?: number, slowly?: boolean}} [how] `retryAfter` in ms; `slowly`: until somebody changes something
   */
  failed({ retryAfter, slowly = false } = {}) {
    const exponent = Math.min(this.faults, 20);
    this.faults += 1;
    const longest = slowly ? LONGEST_MS : Math.min(LONGEST_MS, FIRST_MS * 2 ** exponent);
    const jittered = longest * (1 - Math.random() / 2);
    this.#isAsked = retryAfter !== undefined;
    this.#until = performance.now() + Math.max(jittered, Math.min(retryAfter ?? 0, LONGEST_ASKED_MS));
  }

  succeeded() {
    this.faults = 0;
    this.#until = 0;
    this.#isAsked = false;
  }

  /** Try again now, unless the server has asked not to: somebody waits. */
  cutShort() {
    if (this.#isAsked && this.left > 0) return;
    this.faults = Math.min(this.faults, 1);
    this.#until = 0;
  }
}
