// Amounts that add up, one after the other, to the last one.

import * as format from "../format.js";

/** @import { Amount, Chart } from "../types.js" */

const ROW_HEIGHT = 30;

/**
 * Steps between amounts. Those that are nothing are left out.
 * @param {{label: string, steps: [name: string, amount: Amount][], from?: [name: string, amount: Amount],
 *   to: [name: string, amount: Amount], rising?: "good" | "bad"}} what `from` is where the steps begin, else nothing
 * @returns {Chart}
 */
export function waterfall({ label, steps, from, to, rising = "bad" }) {
  let reached = Number(from?.[1] ?? 0);
  const moves = steps
    .filter(([, amount]) => Number(amount) !== 0)
    .map(([name, amount]) => {
      const start = reached;
      reached += Number(amount);
      const kind = reached > start === (rising === "good") ? "good" : "bad";
      return { name, start, end: reached, kind, figure: format.moneyChange(amount) };
    });
  const whole = (/** @type {[string, Amount]} */ [name, amount]) => ({
    name,
    start: 0,
    end: Number(amount),
    kind: "whole",
    figure: from ? format.money(amount) : format.moneyChange(amount),
  });
  const rows = [...(from ? [whole(from)] : []), ...moves, whole(to)].map((row) => ({
    ...row,
    label: Math.max(row.start, row.end),
  }));
  return {
    spec: "waterfall",
    rows,
    height: rows.length * ROW_HEIGHT + 30,
    label: `${label}: ${rows.map(({ name, figure }) => `${name} ${figure}`).join(", ")}`,
    lines: (/** @type {(typeof rows)[number]} */ row) => ({ title: row.name, pairs: [[label, row.figure]] }),
  };
}
