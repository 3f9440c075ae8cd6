// Charts: drawn once and then updated in place. Each is one stop of the Tab key, and leads to the calls behind it.

import { draw, specOf } from "./charts/grammar.js";
import { marksOf } from "./charts/marks.js";
import { Pointing } from "./charts/pointing.js";
import { Points } from "./charts/points.js";
import { el } from "./dom.js";

/** @import { Chart, Component, VegaView } from "./types.js" */
/** @import { Spec } from "./charts/grammar.js" */

const HEIGHT = 240;
/** Between the margins of a portrait A4 page and of a panel, in px of CSS. */
const PRINTED = 664;

/** A chart. */
export function chart(/** @type {Chart} */ props) {
  return el("div.chart", { styles: { minHeight: `${props.height ?? HEIGHT}px` }, component, props });
}

/** What draws each chart of the page. @type {WeakMap<HTMLElement, Drawing>} */
const drawings = new WeakMap();

/** @type {Component<Chart>} */
const component = {
  mount(node, props) {
    drawings.set(node, new Drawing(node, props));
  },
  update(node, props) {
    drawings.get(node)?.show(props);
  },
};

/** One chart on the page: draws, updates, resizes and follows the theme, one step after the other. */
class Drawing {
  constructor(/** @type {HTMLElement} */ node, /** @type {Chart} */ props) {
    this.node = node;
    this.props = props;
    /** What is compiled: colours and domains are part of it, rows are not. */
    this.drawn = "";
    /** @type {Promise<unknown>} */
    this.steps = Promise.resolve();
    /** @type {VegaView | undefined} */
    this.view = undefined;
    /** @type {Spec | undefined} */
    this.spec = undefined;
    /** @type {Points | undefined} */
    this.points = undefined;
    this.plot = el("div.plot", { tabindex: "0", role: "application", "aria-roledescription": "chart" });
    this.marks = el("div", {});
    this.over = el("div.chart-over", { "aria-hidden": "true" }, this.marks);
    const said = el("output.hidden", { "aria-live": "polite" });
    node.replaceChildren(this.plot, this.over, said);
    this.pointing = new Pointing(this.plot, this.over, said, () => ({
      props: this.props,
      points: this.points,
      hidden: new Set(this.props.hidden),
    }));
    this.resized = new ResizeObserver(() => this.next(() => this.resize()));
    this.resized.observe(node);
    this.recolour = () => (node.isConnected ? this.next(() => this.redraw()) : this.end());
    document.addEventListener("twinmeter:theme", this.recolour);
    this.printing = () => this.fit(PRINTED);
    this.printed = () => this.fit(node.clientWidth);
    addEventListener("beforeprint", this.printing);
    addEventListener("afterprint", this.printed);
    this.show(props);
  }

  show(/** @type {Chart} */ props) {
    this.props = props;
    this.plot.setAttribute(
      "aria-label",
      `${props.label}. Arrow keys walk along it${props.onPick ? ", Enter opens the calls" : ""}.`,
    );
    this.plot.classList.toggle("spans", Boolean(props.onSpan));
    this.next(() => this.draw());
  }

  next(/** @type {() => unknown} */ step) {
    this.steps = this.steps
      .then(() => (this.node.isConnected ? step() : this.end()))
      .catch((error) => this.fail(error));
  }

  /** The rows of what is not hidden. */
  rows() {
    const hidden = new Set(this.props.hidden);
    const rows = /** @type {{name?: string}[]} */ (this.props.rows);
    if (!hidden.size) return rows;
    // what was before is of all parts
    return rows.filter(({ name }) => name === undefined || !hidden.has(name)).map((row) => ({ ...row, before: null }));
  }

  async draw() {
    const { spec, values = {}, height = HEIGHT } = this.props;
    const rows = this.rows();
    const key = JSON.stringify([spec, values, height]);
    if (this.view && key === this.drawn) {
      await this.view.data("rows", rows).runAsync();
      return this.settle();
    }
    const width = this.node.clientWidth;
    if (width === 0) return; // not laid out yet: the observer comes back
    this.spec = await specOf(spec);
    await turn();
    this.finalize();
    const canvas = el("div", { "aria-hidden": "true" }); // the label and the table say it better than a thousand marks
    this.view = await draw(canvas, this.spec, { values, width, height, rows });
    this.plot.replaceChildren(canvas);
    this.drawn = key;
    this.settle();
    this.node.dataset.drawn = String(rows.length);
  }

  /** What lies over the figures goes to their places. */
  settle() {
    const { view, spec } = this;
    if (!view || !spec) return;
    this.points = new Points(view, this.rows(), spec.usermeta);
    this.marks.replaceChildren(.../** @type {Node[]} */ (marksOf(this.points, this.props).flat(2)));
    this.pointing.refresh();
  }

  async redraw() {
    this.drawn = "";
    await this.draw();
  }

  async resize() {
    const width = this.node.clientWidth;
    if (!this.view) return this.draw();
    if (width === 0 || matchMedia("print").matches) return;
    await this.view.width(width).runAsync();
    this.settle();
  }

  /** Draw it so wide at once: a page that is printed does not wait. */
  fit(/** @type {number} */ width) {
    if (!this.node.isConnected) return this.end();
    if (!this.view || width === 0) return;
    this.view.width(width).run();
    this.settle();
  }

  fail(/** @type {unknown} */ error) {
    this.finalize();
    console.error("a chart could not be drawn", error);
    this.plot.replaceChildren(el("p.state", {}, "This chart could not be drawn. The table has its figures."));
  }

  finalize() {
    this.view?.finalize();
    this.view = undefined;
    this.points = undefined;
    this.marks.replaceChildren();
    this.pointing.leave();
  }

  end() {
    this.finalize();
    this.resized.disconnect();
    document.removeEventListener("twinmeter:theme", this.recolour);
    removeEventListener("beforeprint", this.printing);
    removeEventListener("afterprint", this.printed);
  }
}

/** A task of its own for each chart: figures are painted first, and the page answers between two charts. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
