// Where the points of a chart are: the places at which a person can look. Rows with the same place are one point.

/** @import { VegaView } from "../types.js" */
/** @import { Places } from "./grammar.js" */

/** @typedef {{left: number, top: number, width: number, height: number}} Box in px of the drawn chart */
/** @typedef {Record<string, unknown> & {rank?: number, value?: number | null}} Row */
/** @typedef {Box & {key: string, rows: Row[]}} Point */
/** @typedef {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} Arrow */

/** @type {Record<Arrow, [x: number, y: number]>} */
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** How much further off the straight way counts than along it. */
const ASIDE = 20;

export class Points {
  /**
   * @param {VegaView} view
   * @param {object[]} rows
   * @param {Places} places
   */
  constructor(view, rows, places) {
    const [x, y] = view.origin();
    this.plot = { left: x, top: y, width: view.width(), height: view.height() };
    this.view = view;
    this.places = places;
    this.all = this.found(/** @type {Row[]} */ (rows));
  }

  found(/** @type {Row[]} */ rows) {
    /** @type {Map<string, Point>} */
    const points = new Map();
    for (const row of rows) {
      const box = this.boxOf(row);
      if (!box) continue;
      const { x, y } = this.places;
      const key = [x, y].map((field) => (field ? String(row[field]) : "")).join("\n");
      const known = points.get(key);
      if (known) known.rows.push(row);
      else points.set(key, { ...box, key, rows: [row] });
    }
    return [...points.values()];
  }

  /** The place of a row; null where it has none. @returns {Box | null} */
  boxOf(/** @type {Row} */ row) {
    const { x, x2, y } = this.places;
    const { left, top, width, height } = this.plot;
    const across = x ? this.span("x", row[x], x2 && row[x2]) : [0, width];
    const down = y ? this.span("y", row[y]) : [0, height];
    if (!across || !down) return null;
    return { left: left + across[0], width: across[1], top: top + down[0], height: down[1] };
  }

  /** Where a value begins on an axis, and how long it is. @returns {[start: number, length: number] | null} */
  span(/** @type {"x" | "y"} */ axis, /** @type {unknown} */ value, /** @type {unknown} */ end = undefined) {
    const scale = this.view.scale(axis);
    const start = value === undefined || value === null ? undefined : scale(value);
    if (start === undefined || Number.isNaN(start)) return null;
    return [start, scale.bandwidth ? scale.bandwidth() : scale(end) - start];
  }

  /** The point that is the nearest to a place in the chart. @returns {Point | undefined} */
  at(/** @type {number} */ px, /** @type {number} */ py) {
    const { x, y } = this.places;
    const away = (/** @type {Box} */ { left, top, width, height }) =>
      (x ? Math.max(left - px, px - left - width, 0) : 0) + (y ? Math.max(top - py, py - top - height, 0) : 0);
    return least(this.all, away);
  }

  /** Whether a place in the chart is where the points are, and not among the labels of their axis. */
  holds(/** @type {number} */ px, /** @type {number} */ py) {
    const { left, top, width, height } = this.plot;
    return (this.places.y || px >= left - 4) && px <= left + width + 4 && py >= top - 4 && py <= top + height + 4;
  }

  /** Of parts that are stacked, the one at this height; undefined where there is none. */
  partAt(/** @type {Point} */ { rows }, /** @type {number} */ py) {
    if (!this.places.stacked) return undefined;
    let left = /** @type {number} */ (this.view.scale("y").invert?.(py - this.plot.top));
    if (left < 0) return undefined;
    return [...rows]
      .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
      .find((row) => {
        left -= row.value ?? 0;
        return left <= 0;
      });
  }

  /** The next point on the way of an arrow key. */
  next(/** @type {Point} */ from, /** @type {Arrow} */ arrow) {
    const [x, y] = WAYS[arrow];
    const off = (/** @type {Point} */ to) => [middle(to)[0] - middle(from)[0], middle(to)[1] - middle(from)[1]];
    const ahead = this.all.filter((point) => off(point)[0] * x + off(point)[1] * y > 0.5);
    return least(ahead, (point) => {
      const [across, down] = off(point).map(Math.abs);
      return x ? across + ASIDE * down : down + ASIDE * across;
    });
  }
}

const middle = (/** @type {Box} */ { left, top, width, height }) => [left + width / 2, top + height / 2];

/**
 * @template T
 * @param {T[]} all
 * @param {(each: T) => number} of
 * @returns {T | undefined}
 */
function least(all, of) {
  let [found, best] = [/** @type {T | undefined} */ (undefined), Number.POSITIVE_INFINITY];
  for (const each of all) {
    const size = of(each);
    if (size < best) [found, best] = [each, size];
  }
  return found;
}
