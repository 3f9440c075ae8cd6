// Looking at points of a chart and acting on them: by pointer, by keys and by fingers.

import { el } from "../dom.js";
import { hideTooltip, showTooltip, spoken } from "../tooltip.js";

/** @import { Chart, Tooltip } from "../types.js" */
/** @import { Arrow, Box, Point, Points, Row } from "./points.js" */

/** How far a pointer moves before that is a drag, in px. */
const DRAG = 6;
const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];

/** What a chart shows just now. @typedef {{props: Chart, points: Points | undefined, hidden: ReadonlySet<string>}} Drawn */

export class Pointing {
  /**
   * @param {HTMLElement} plot takes the focus, and holds the drawing
   * @param {HTMLElement} over holds what is laid over it
   * @param {HTMLElement} said what is spoken
   * @param {() => Drawn} drawn
   */
  constructor(plot, over, said, drawn) {
    this.plot = plot;
    this.said = said;
    this.drawn = drawn;
    this.lit = over.appendChild(el("div.chart-lit", { hidden: true }));
    this.chosen = over.appendChild(el("div.chart-span", { hidden: true }));
    /** What is looked at. @type {{point: Point, part?: Row} | undefined} */
    this.look = undefined;
    /** Where a drag, or a walk with Shift, began. @type {Point | undefined} */
    this.anchor = undefined;
    /** @type {{x: number, y: number, id: number, dragged: boolean} | undefined} */
    this.pressed = undefined;
    /** Whether what is shown stays until something else is pressed. */
    this.stays = false;
    this.elsewhere = (/** @type {PointerEvent} */ { target }) => {
      if (!(target instanceof Element && target.closest("#tooltip, .plot"))) this.leave();
    };
    this.listen();
  }

  listen() {
    const { plot } = this;
    plot.addEventListener("pointermove", (event) => this.moved(event));
    plot.addEventListener(
      "pointerleave",
      (event) => event.pointerType === "mouse" && !this.pressed && !this.stays && this.leave(),
    );
    plot.addEventListener("pointerdown", (event) => this.down(event));
    plot.addEventListener("pointerup", (event) => this.up(event));
    plot.addEventListener("pointercancel", () => this.leave()); // the page is scrolled instead
    plot.addEventListener("contextmenu", (event) => this.menu(event));
    plot.addEventListener("keydown", (event) => this.key(event));
    plot.addEventListener("blur", (event) => {
      if (!(event.relatedTarget instanceof Element && event.relatedTarget.closest("#tooltip"))) this.leave();
    });
  }

  /** The chart was drawn anew: the point that was looked at has another place now, or none. */
  refresh() {
    const { points } = this.drawn();
    const { look } = this;
    this.anchor = undefined;
    this.chosen.hidden = true;
    const found = look && points?.all.find(({ key }) => key === look.point.key);
    if (!found) this.leave();
    else if (this.plot.matches(":hover, :focus") && !this.stays) this.show(found, undefined, { quiet: true });
  }

  leave() {
    this.stays = false;
    document.removeEventListener("pointerdown", this.elsewhere);
    this.look = undefined;
    this.anchor = undefined;
    this.pressed = undefined;
    this.lit.hidden = true;
    this.chosen.hidden = true;
    this.plot.classList.remove("leads");
    hideTooltip(this);
  }

  // a pointer

  /** @returns {{point: Point, part?: Row} | undefined} */
  under(/** @type {MouseEvent} */ event) {
    const { points } = this.drawn();
    const { left, top } = this.plot.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const point = points?.holds(x, y) ? points.at(x, y) : undefined;
    return point && { point, part: points?.partAt(point, y) };
  }

  moved(/** @type {PointerEvent} */ event) {
    const { pressed } = this;
    if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > DRAG) pressed.dragged = true;
    if ((event.pointerType !== "mouse" || this.stays) && !pressed) return;
    const found = this.under(event);
    if (pressed?.dragged && this.anchor) return this.stretch(found?.point);
    if (!found) return this.leave();
    if (event.pointerType === "mouse") this.show(found.point, found.part);
  }

  down(/** @type {PointerEvent} */ event) {
    if (event.button !== 0) return;
    this.pressed = { x: event.clientX, y: event.clientY, id: event.pointerId, dragged: false };
    const { props } = this.drawn();
    if (!props.onSpan) return;
    this.anchor = this.under(event)?.point;
    if (this.anchor) this.plot.setPointerCapture(event.pointerId);
  }

  up(/** @type {PointerEvent} */ event) {
    const { pressed, anchor } = this;
    if (!pressed) return;
    this.pressed = undefined;
    if (pressed.dragged) return anchor ? this.zoom() : undefined;
    this.anchor = undefined;
    const found = this.under(event);
    if (!found) return this.leave();
    const again = this.look?.point.key === found.point.key;
    if (event.pointerType === "mouse" || again) this.open(found.point, found.part, event);
    else this.show(found.point, found.part, { stays: true });
  }

  menu(/** @type {MouseEvent} */ event) {
    const found = event.clientX || event.clientY ? this.under(event) : this.look;
    if (!found || !this.hasActions(found.point, found.part)) return;
    event.preventDefault();
    this.pressed = undefined;
    this.show(found.point, found.part, { stays: true, focus: true });
  }

  // keys

  key(/** @type {KeyboardEvent} */ event) {
    const { points } = this.drawn();
    if (!points?.all.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (ARROWS.includes(key) || key === "Home" || key === "End") this.walk(points, key, event.shiftKey);
    else if (key === "Enter" && this.anchor) this.zoom();
    else if (key === "Enter" && this.look) this.open(this.look.point, this.look.part, event);
    else if (key === "Escape" && this.look) this.leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(/** @type {Points} */ points, /** @type {string} */ key, /** @type {boolean} */ stretch) {
    const from = this.look?.point;
    const { all } = points;
    const first = points.places.x ? all[all.length - 1] : all[0]; // of days the newest says the most
    let to = from ? points.next(from, /** @type {Arrow} */ (key)) : first;
    if (key === "Home") to = all[0];
    if (key === "End") to = all[all.length - 1];
    if (!to) return;
    const stretched = stretch && this.drawn().props.onSpan && from;
    if (stretched) this.anchor ??= from;
    else this.anchor = undefined;
    this.show(to, undefined);
    if (this.anchor) this.stretch(to);
    else this.chosen.hidden = true;
    this.said.textContent += ` (${all.indexOf(to) + 1} of ${all.length})`;
  }

  // what is shown

  /**
   * @param {Point} point
   * @param {Row | undefined} part
   * @param {{stays?: boolean, focus?: boolean, quiet?: boolean}} [options]
   */
  show(point, part, { stays = false, focus = false, quiet = false } = {}) {
    this.stays = stays;
    if (stays) document.addEventListener("pointerdown", this.elsewhere);
    this.look = { point, part };
    lay(this.lit, point);
    const tooltip = this.words(point);
    showTooltip(this, tooltip, this.inWindow(point), stays ? this.actions(point, part) : null);
    if (focus) /** @type {HTMLElement | null} */ (document.querySelector("#tooltip a, #tooltip button"))?.focus();
    this.plot.classList.toggle("leads", this.hasActions(point, part));
    if (!quiet && this.plot.matches(":focus")) this.said.textContent = spoken(tooltip);
  }

  /** The place of a box of the chart in the window. @returns {Box} */
  inWindow(/** @type {Box} */ { left, top, width, height }) {
    const origin = this.plot.getBoundingClientRect();
    return { left: left + origin.left, top: top + origin.top, width, height };
  }

  /** @returns {Tooltip} */
  words(/** @type {Point} */ { rows, key }) {
    const { props, hidden } = this.drawn();
    const notes = (props.marks ?? []).filter(({ at }) => at === key.split("\n")[0]).map(({ label }) => label);
    return { ...props.lines(/** @type {never} */ (rows[0]), hidden), ...(notes.length && { notes }) };
  }

  /** The days between where a drag began and where it is. */
  stretch(/** @type {Point | undefined} */ to) {
    const { anchor } = this;
    if (!anchor || !to) return;
    this.look = { point: to };
    const [left, right] = [Math.min(anchor.left, to.left), Math.max(anchor.left + anchor.width, to.left + to.width)];
    lay(this.chosen, { ...to, left, width: right - left });
    this.lit.hidden = true;
    const ends = [anchor, to].sort((a, b) => a.left - b.left).map((point) => this.words(point).title);
    const title = anchor === to ? ends[0] : ends.join(" – ");
    showTooltip(this, { title, pairs: [] }, this.inWindow({ ...to, left, width: right - left }));
  }

  // what is done

  zoom() {
    const [anchor, to] = [this.anchor, this.look?.point];
    const { props } = this.drawn();
    this.leave();
    if (!anchor || !to) return;
    const [first, last] = anchor.left <= to.left ? [anchor, to] : [to, anchor];
    follow(props.onSpan?.(/** @type {never} */ (first.rows[0]), /** @type {never} */ (last.rows[0])));
  }

  open(
    /** @type {Point} */ point,
    /** @type {Row | undefined} */ part,
    /** @type {MouseEvent | KeyboardEvent} */ event,
  ) {
    const target = this.targetOf(point, part);
    if (!target) return;
    this.leave();
    follow(target, event);
  }

  targetOf(/** @type {Point} */ { rows }, /** @type {Row | undefined} */ part) {
    return this.drawn().props.onPick?.(/** @type {never} */ (rows[0]), /** @type {never} */ (part)) ?? null;
  }

  hasActions(/** @type {Point} */ point, /** @type {Row | undefined} */ part) {
    return Boolean(this.targetOf(point, part) ?? this.drawn().props.onNote);
  }

  actions(/** @type {Point} */ point, /** @type {Row | undefined} */ part) {
    const { onNote } = this.drawn().props;
    const target = this.targetOf(point, part);
    const closing = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      this.plot.focus({ preventScroll: true });
      this.leave();
    };
    const note = () => {
      this.leave();
      onNote?.(/** @type {never} */ (point.rows[0]));
    };
    return [
      target
        ? el("a", { href: target, "data-link": "", onclick: () => this.leave(), onkeydown: closing }, "Show calls")
        : null,
      onNote
        ? el("button.button.small", { type: "button", onclick: note, onkeydown: closing }, "Add a note here")
        : null,
    ];
  }
}

/** Put an element where a box of the chart is. */
function lay(/** @type {HTMLElement} */ element, /** @type {Box} */ { left, top, width, height }) {
  const px = (/** @type {number} */ size) => `${size}px`;
  Object.assign(element.style, { left: px(left), top: px(top), width: px(width), height: px(height) });
  element.hidden = false;
}

/** Go to an address as a link does, so that Ctrl opens it beside this page. */
function follow(
  /** @type {string | null | undefined} */ target,
  /** @type {MouseEvent | KeyboardEvent | undefined} */ event = undefined,
) {
  if (!target) return;
  const link = el("a", { href: target, hidden: true });
  document.body.append(link);
  const { ctrlKey = false, metaKey = false, shiftKey = false } = event ?? {};
  link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
  link.remove();
}
