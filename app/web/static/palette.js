// Colours of charts: read from the style sheet, so that a theme is defined in one place; given by meaning.

const SERIES = 10;
/** The name of the rest of a series. */
export const OTHER = "other";
/** The outcomes of a call, from the best to the worst. */
export const STATUSES = ["success", "rate_limited", "timeout", "error"];

/** A colour of the theme that is on. */
export function colour(/** @type {string} */ name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The colour of an outcome. */
export const ofStatus = (/** @type {string} */ status) => colour(status.replace("_", "-"));

/** Names and their colours for as long as a page lives: a filter or a refresh never recolours a name. */
export class Colours {
  constructor() {
    /** @type {Map<string, number>} */
    this.places = new Map();
  }

  /** The colour of a name, from the theme that is on. */
  of(/** @type {string} */ name) {
    if (name === OTHER) return colour("s-other");
    if (!this.places.has(name)) this.places.set(name, this.places.size % SERIES);
    return colour(`s${(this.places.get(name) ?? 0) + 1}`);
  }
}
