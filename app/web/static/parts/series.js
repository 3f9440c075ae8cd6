// @ts-check
// Series of names by day.

/** The names of a series, the one with the most cost first, the rest at the end. */
export function namesByCost(/** @type {{name: string, cost: any}[]} */ series) {
  const sums = new Map();
  for (const { name, cost } of series) sums.set(name, (sums.get(name) ?? 0) + Number(cost));
  return [...sums.keys()].sort((a, b) => Number(a === "other") - Number(b === "other") || sums.get(b) - sums.get(a));
}
