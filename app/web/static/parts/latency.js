// How long calls take and how fast models answer: as columns, and from the median to p99 as a chart.

import * as format from "../format.js";
import { legend } from "../panels.js";

/** @import { Chart, FigureColumn, Percentiles, Speeds } from "../types.js" */

const ROW_HEIGHT = 38;
const LONGEST_NAME = 24;

/** @type {FigureColumn[]} */
export const PERCENTILES = ["p50", "p95", "p99"].map((key) => ({ key, label: key, as: "duration" }));

/** @type {FigureColumn[]} */
export const SPEEDS = [
  ...PERCENTILES,
  { key: "firstToken", label: "First token", as: "duration" },
  { key: "tokensPerSecond", label: "Tokens/s", as: "rate" },
];

/**
 * A row with its percentiles beside it.
 * @template {{latency: Percentiles}} T
 * @param {T} row
 */
export const withLatency = (row) => ({ ...row, ...row.latency });

/**
 * The same with the medians of its other speeds.
 * @template {Speeds} T
 * @param {T} row
 */
export const withSpeeds = (row) => ({
  ...row,
  ...row.latency,
  firstToken: row.timeToFirstToken.p50,
  tokensPerSecond: row.tokensPerSecond.p50,
});

/**
 * The rows whose latency is known.
 * @template {Speeds} T
 * @param {T[]} rows
 */
export const timed = (rows) => rows.filter(({ latency }) => latency.p95 !== null);

/** What the marks of `rangesOf` are: they differ by shape. */
export const SHAPES = () =>
  legend([
    ["●", "p50"],
    ["◆", "p95"],
    ["▲", "p99"],
  ]);

/**
 * From the median to p99, a line for each row.
 * @template {Speeds} T
 * @param {{rows: T[], name: (row: T) => string, label: string, href: (row: T) => string}} what
 * @returns {Chart}
 */
export function rangesOf({ rows, name, label, href }) {
  const drawn = rows.map((row, place) => ({
    place,
    // two long names may begin alike: the space that tells them apart takes no place
    name: `${name(row).length > LONGEST_NAME ? `${name(row).slice(0, LONGEST_NAME)}…` : name(row)}${"\u200b".repeat(place)}`,
    p50: Math.max(1, row.latency.p50 ?? 1),
    p95: Math.max(1, row.latency.p95 ?? 1),
    p99: Math.max(1, row.latency.p99 ?? 1),
  }));
  const [shortest, longest] = [Math.min(...drawn.map(({ p50 }) => p50)), Math.max(...drawn.map(({ p99 }) => p99))];
  return {
    spec: "ranges",
    rows: drawn,
    height: Math.max(2, rows.length) * ROW_HEIGHT + 46,
    label,
    onPick: (/** @type {(typeof drawn)[number]} */ { place }) => href(rows[place]),
    values: { ticks: format.logTicks(shortest / 3, longest * 3) },
    lines: (/** @type {(typeof drawn)[number]} */ { place }) => {
      const { latency, timeToFirstToken, tokensPerSecond } = rows[place];
      return {
        title: name(rows[place]),
        pairs: [
          ["p50", format.duration(latency.p50)],
          ["p95", format.duration(latency.p95)],
          ["p99", format.duration(latency.p99)],
          ["First token (median)", format.duration(timeToFirstToken.p50)],
          ["Output tokens/s (median)", format.rate(tokensPerSecond.p50)],
        ],
      };
    },
  };
}
