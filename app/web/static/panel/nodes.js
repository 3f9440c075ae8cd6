// Elements of the panel. Text is only ever set as text.

/**
 * An element with a class, perhaps a part, and children.
 * @param {string} kind such as `p.note`
 * @param {{[attribute: string]: string}} attributes
 * @param {...(Node | string | false | null | undefined)} children
 */
export function made(kind, attributes, ...children) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of children) if (child) node.append(child);
  return node;
}

/** An address that a link may have; null for `javascript:` and the like. */
export function linked(/** @type {string | null | undefined} */ address) {
  try {
    const { href, protocol } = new URL(address ?? "", document.baseURI);
    return address && /^https?:$/.test(protocol) ? href : null;
  } catch {
    return null;
  }
}

/** What part of a limit is held, in percent; for drawing alone. */
export const share = (/** @type {string} */ held, /** @type {string} */ limit, /** @type {string} */ unit) =>
  unit === "concurrent" || Number(limit) === 0 ? 0 : (100 * Number(held)) / Number(limit);

/** A bar that ends at 100, and says in words what it stands for. With `some`, something of it is seen; `id` is that of its name. */
export function bar(
  /** @type {number} */ percent,
  /** @type {boolean} */ some,
  /** @type {number} */ held,
  /** @type {string} */ words,
  /** @type {string} */ id,
) {
  const shown = Math.min(100, percent);
  const fill = made(`div.fill${some ? ".some" : ""}`, { part: "fill" });
  const waiting = made("div.held", { part: "held" });
  // by the object model, which a strict policy of the page allows
  fill.style.width = `${shown}%`;
  waiting.style.width = `${Math.min(100 - shown, held)}%`;
  const progress = { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", part: "bar" };
  const said = { "aria-valuenow": String(Math.floor(shown)), "aria-valuetext": words, "aria-labelledby": id };
  return made("div.bar", { ...progress, ...said }, fill, waiting);
}
