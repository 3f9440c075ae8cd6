// @ts-check
// The table behind every chart of days.

import * as format from "../format.js";
import { table } from "../table.js";
import { callsBehind } from "./links.js";
import { flat } from "./rankings.js";

/** A table by day, the newest first. */
export function dailyTable(context, daily, columns, caption) {
  const rows = flat([...daily].reverse());
  const day = {
    key: "day",
    label: `Day (${context.who.timezone})`,
    content: (row) => `${format.day(row.day)}${row.day === context.today() ? " (partial)" : ""}`,
  };
  return table({ caption, rows, columns: [day, ...columns], href: callsBehind(context).day, rowKey: (row) => row.day });
}
