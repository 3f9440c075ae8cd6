// What is logged: each kind of thing once, so that a fault that never ends fills no log.

const MOST_KINDS = 100;

export class Notices {
  /** @type {Set<string>} */
  #said = new Set();

  /**
   * Warn, where nothing of this kind was said. Kinds that differ in numbers alone are one. Never throws.
   * @param {string} kind
   * @param {string} message
   * @param {unknown} [error]
   */
  once(kind, message, error) {
    const plain = kind.replace(/\d+/g, "#");
    if (this.#said.has(plain) || this.#said.size >= MOST_KINDS) return;
    this.#said.add(plain);
    try {
      console.warn(`twinmeter: ${message}`, ...(error === undefined ? [] : [error]));
    } catch {
      // an application's own console: there is nobody left to tell
    }
  }

  /**
   * What was said of kinds that begin so holds no more: it may be said again.
   * @param {string} kind
   */
  over(kind) {
    for (const said of this.#said) if (said.startsWith(kind)) this.#said.delete(said);
  }
}
