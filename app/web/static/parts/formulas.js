// How figures are computed, in the words of the server.

import { el } from "../dom.js";

/** @import { FormulaRow } from "../types.js" */

/** Behind a disclosure: each figure, its unit and its formula. */
export const formulas = (/** @type {FormulaRow[]} */ rows) =>
  el(
    "details.panel.formulas",
    { "data-key": "formulas", "data-panel": "formulas" },
    el("summary", {}, "How this is computed"),
    el(
      "dl",
      {},
      rows.map(({ name, unit, formula, words }) => [
        el("dt", {}, el("code", {}, name), ` ${unit}`),
        el("dd", {}, formula ?? words),
      ]),
    ),
  );
