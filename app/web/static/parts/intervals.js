// Figures with the band in which each may be, one below the other.

/** @import { Amount, Chart, Tooltip } from "../types.js" */

const ROW_HEIGHT = 44;

/**
 * @template T
 * @param {T[]} of
 * @param {{label: string, title: string, formatType: string, zero?: boolean, name: (row: T) => string,
 *   band: (row: T) => [low: Amount, value: Amount, high: Amount], reference?: (row: T) => Amount | null,
 *   words: (row: T) => string, pairs: (row: T) => Tooltip["pairs"]}} what `reference` is marked by a tick; `words` is
 *   what is said of a row to who does not see it
 * @returns {Chart}
 */
export function intervals(of, { label, title, formatType, zero = true, name, band, reference, words, pairs }) {
  const rows = of.map((row, place) => {
    const [low, value, high] = band(row).map(Number);
    const at = reference?.(row) ?? null;
    return { name: name(row), low, value, high, reference: at === null ? null : Number(at), place };
  });
  return {
    spec: "intervals",
    rows,
    height: rows.length * ROW_HEIGHT + 40,
    label: `${label}: ${of.map((row) => `${name(row)} ${words(row)}`).join("; ")}`,
    values: { title, formatType, zero },
    lines: (/** @type {(typeof rows)[number]} */ { place }) => ({ title: name(of[place]), pairs: pairs(of[place]) }),
  };
}
