// @ts-check
// Elements from descriptions, and a page that changes in place. Text is only ever set as text.

/**
 * An element. `tag` may carry classes: `"div.card.wide"`.
 *
 * Properties that start with `on` are handlers; `styles` is set through the CSS object model, which a strict
 * Content-Security-Policy allows; null and false leave an attribute out. A `component` is `{mount, update}`:
 * it keeps what is inside of its element, see `settle`.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...any} children nodes, texts and lists of them; null and false are left out
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  return filled(node, properties, children);
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of a drawing. */
export function svg(/** @type {string} */ name, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) assign(node, name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function assign(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "styles") Object.assign(node.style, value);
  else if (name === "component" || name === "props") node[name] = value;
  else if (name.startsWith("on")) node[name] = value;
  else node.setAttribute(name, value === true ? "" : String(value));
  if (name === "component") node.dataset.component = "";
}

/**
 * Make the children of `parent` those given, changing what differs and keeping the rest: focus, scroll position and
 * charts stay.
 * @param {Element} parent
 * @param {...any} children
 */
export function settle(parent, ...children) {
  const fresh = document.createElement("div");
  filled(fresh, {}, children);
  morphChildren(parent, fresh);
  for (const node of parent.querySelectorAll("[data-component]")) mount(/** @type {any} */ (node));
}

function mount(node) {
  if (node.mounted) return;
  node.mounted = true;
  node.component.mount(node, node.props);
}

function morphChildren(parent, fresh) {
  const keyed = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
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
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
}

function matching(place, child, keyed) {
  const key = keyOf(child);
  if (key !== null) {
    const found = keyed.get(key);
    return found && found.nodeName === child.nodeName ? found : null;
  }
  const same = place !== null && place.nodeName === child.nodeName && keyOf(place) === null;
  return same && place.component === child.component ? place : null;
}

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.component) {
    old.props = fresh.props;
    old.component.update(old, fresh.props);
    return;
  }
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

// what belongs to the person in front of the page, and handlers, which are properties
const LOCAL = new Set(["open"]);
const HANDLERS = ["onclick", "onchange", "onsubmit", "ontoggle", "onkeydown"];

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !LOCAL.has(name) && name !== "style") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  for (const handler of HANDLERS) old[handler] = fresh[handler];
}
