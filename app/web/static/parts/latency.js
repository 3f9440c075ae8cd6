// Percentiles of durations as columns.

/** @import { FigureColumn, Percentiles } from "../types.js" */

/** @type {FigureColumn[]} */
export const PERCENTILES = ["p50", "p95", "p99"].map((key) => ({ key, label: key, as: "duration" }));

/**
 * A row with its percentiles beside it.
 * @template {{latency: Percentiles}} T
 * @param {T} row
 */
export const withLatency = (row) => ({ ...row, ...row.latency });
