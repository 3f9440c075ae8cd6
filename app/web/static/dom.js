// Elements from descriptions, and a page that changes in place. Text is only ever set as text.

/** @import { Child, ComponentElement, Properties } from "./types.js" */

/** What an `on…` property set, by node: a refresh sets the new ones. @type {WeakMap<Node, Set<string>>} */
const handlers = new WeakMap();

/**
 * An element. `tag` may carry classes: `"div.card.wide"`.
 *
 * Properties that start with `on` are handlers; `styles` is set through the CSS object model, which a strict
 * Content-Security-Policy allows; null and false leave an attribute out. A `component` is `{mount, update}`:
 * it keeps what is inside of its element, see `settle`.
 * @param {string} tag
 * @param {Properties} [properties]
 * @param {...Child} children nodes, texts and lists of them; null and false are left out
 */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  return filled(node, properties, children);
}

/**
 * The element of the page's own markup that has this id.
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 * @param {new () => E} [kind]
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof (kind ?? HTMLElement))) throw new TypeError(`the page has no ${id}`);
  return /** @type {E} */ (found);
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of a drawing. */
export function svg(
  /** @type {string} */ name,
  /** @type {Properties} */ properties = {},
  /** @type {Child[]} */ ...children
) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

/**
 * @template {HTMLElement | SVGElement} N
 * @param {N} node
 * @param {Properties} properties
 * @param {Child[]} children
 */
function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) assign(node, name, value);
  for (const child of /** @type {unknown[]} */ (children).flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(/** @type {Node | string} */ (child));
  }
  return node;
}

function assign(
  /** @type {HTMLElement | SVGElement} */ node,
  /** @type {string} */ name,
  /** @type {unknown} */ value,
) {
  if (value === null || value === undefined || value === false) return;
  if (name === "styles") Object.assign(node.style, value);
  else if (name === "component" || name === "props") Object.assign(node, { [name]: value });
  else if (name.startsWith("on")) handle(node, name, value);
  else node.setAttribute(name, value === true ? "" : String(value));
  if (name === "component") node.dataset.component = "";
}

function handle(
  /** @type {HTMLElement | SVGElement} */ node,
  /** @type {string} */ name,
  /** @type {unknown} */ handler,
) {
  if (!(name in node)) throw new TypeError(`<${node.nodeName}> has no ${name}`);
  Object.assign(node, { [name]: handler });
  handlers.set(node, (handlers.get(node) ?? new Set()).add(name));
}

/**
 * Make the children of `parent` those given, changing what differs and keeping the rest: focus, scroll position and
 * charts stay.
 * @param {Element} parent
 * @param {...Child} children
 */
export function settle(parent, ...children) {
  const fresh = document.createElement("div");
  filled(fresh, {}, children);
  morphChildren(parent, fresh);
  for (const node of parent.querySelectorAll("[data-component]")) mount(/** @type {Holder} */ (node));
}

/** An element that has a component. @typedef {ComponentElement<never> & {component: {}, props: never}} Holder */

function mount(/** @type {Holder} */ node) {
  if (node.mounted) return;
  node.mounted = true;
  node.component.mount(node, node.props);
}

function morphChildren(/** @type {Element} */ parent, /** @type {Element} */ fresh) {
  const keyed = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
  /** @type {ChildNode | null} */
  let place = parent.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = matching(place, child, keyed);
    if (match === null) {
      parent.insertBefore(child, place);
      continue;
    }
    if (match === place) place = place.nextSibling;
    else parent.insertBefore(match, place);
    morph(match, child);
  }
  while (place !== null) {
    /** @type {ChildNode | null} */
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keyOf(/** @type {Node} */ node) {
  return node instanceof Element ? node.getAttribute("data-key") : null;
}

/**
 * The node that is there already for `child`; null where there is none.
 * @param {ChildNode | null} place
 * @param {ChildNode} child
 * @param {Map<string | null, Element>} keyed
 */
function matching(place, child, keyed) {
  const key = keyOf(child);
  if (key !== null) {
    const found = keyed.get(key);
    return found && found.nodeName === child.nodeName ? found : null;
  }
  const same = place !== null && place.nodeName === child.nodeName && keyOf(place) === null;
  return same && componentOf(place) === componentOf(child) ? place : null;
}

const componentOf = (/** @type {Node} */ node) => /** @type {Partial<Holder>} */ (node).component;

function morph(/** @type {Node} */ old, /** @type {Node} */ fresh) {
  if (!(old instanceof Element)) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (componentOf(old)) {
    const [holder, { props }] = [/** @type {Holder} */ (old), /** @type {Holder} */ (fresh)];
    holder.props = props;
    holder.component.update(holder, props);
    return;
  }
  morphAttributes(/** @type {HTMLElement} */ (old), /** @type {HTMLElement} */ (fresh));
  morphChildren(old, /** @type {Element} */ (fresh));
}

// what belongs to the person in front of the page
const LOCAL = new Set(["open"]);

function morphAttributes(/** @type {HTMLElement} */ old, /** @type {HTMLElement} */ fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !LOCAL.has(name) && name !== "style") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  for (const name of handlers.get(old) ?? []) Object.assign(old, { [name]: null });
  handlers.delete(old);
  for (const name of handlers.get(fresh) ?? []) handle(old, name, fresh[/** @type {"onclick"} */ (name)]);
}
