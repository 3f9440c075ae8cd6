// Retention: which features people come back to, and of which users then upgrade.

import { el } from "../../dom.js";
import * as format from "../../format.js";
import { panel } from "../../panels.js";
import { financeParameters } from "../../parts/finance.js";
import { formulas } from "../../parts/formulas.js";
import { table } from "../../table.js";

/** @import { Answers, Chart, Child, Context, FeatureRetention, Requests, Tab } from "../../types.js" */

const WEEKS = 12;
/** Of which weeks after the first the table of features tells. */
const TOLD = [1, 2, 4, 8];
const ROW_HEIGHT = 26;

/** @type {Tab} */
export default {
  title: "Retention",
  controls: { parts: false },
  requests,
  sections: () => [
    { id: "features", needs: ["retention"], skeleton: "table", render: features },
    { id: "cohorts", needs: ["retention"], skeleton: "chart", render: cohorts },
    { id: "upgrades", needs: ["upgrades"], skeleton: "table", render: upgrades },
    { id: "formulas", needs: ["upgrades"], skeleton: null, render: (_, found) => formulas(found.upgrades.formulas) },
  ],
};

/** @returns {Requests} */
function requests(/** @type {Context} */ context) {
  const { clientId, synthetic } = context.parameters();
  return {
    retention: ["/api/admin/ai/retention", { weeks: WEEKS, clientId, synthetic }],
    upgrades: ["/api/admin/ai/upgrades", financeParameters(context)],
  };
}

/** Marks what misleads. */
const few = (/** @type {boolean} */ small) =>
  small ? [" ", el("span.tag.timeout", { title: "So few users that the figures mislead" }, "few")] : null;

/** A percent of so many that it may mislead. @returns {Child} */
const share = (/** @type {FeatureRetention["kept"][number] | undefined} */ kept) =>
  kept && kept.of > 0 ? [format.percent(kept.percent), few(kept.small)] : format.DASH;

function features(/** @type {Context} */ context, /** @type {Answers} */ { retention }) {
  const { features: found, firstWeek, lastWeek, featuresLeftOut } = retention;
  const left = featuresLeftOut ? `. ${format.count(featuresLeftOut)} with fewer users are left out` : "";
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "features",
      title: "Who comes back",
      note: `Users by the week of their first use of a feature, ${format.day(firstWeek)} to the week of ${format.day(lastWeek)}, and how many used it again${left}`,
      empty: found.length ? null : "No feature was used in the last twelve weeks that are over.",
      table: table({
        caption: "Who comes back",
        columns: [
          { key: "feature", label: "Feature" },
          { key: "users", label: "New users", as: "count", share: true },
          { key: "usersBefore", label: "Used it before", as: "count" },
          ...TOLD.map((week) => ({
            key: `week${week}`,
            label: week === 1 ? "A week later" : `${week} weeks later`,
            content: (/** @type {FeatureRetention} */ row) => share(row.kept.find((each) => each.week === week)),
          })),
        ],
        rows: found,
        href: (row) => context.href({ feature: row.feature }),
      }),
    }),
  );
}

function cohorts(/** @type {Context} */ context, /** @type {Answers} */ { retention: { features: found } }) {
  const chosen = found.find(({ feature }) => feature === context.state.feature) ?? found[0];
  if (!chosen) return null;
  const most = Math.max(0, ...chosen.cohorts.map(({ returned }) => returned.length));
  const weeks = Array.from({ length: most }, (_, place) => place + 1);
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "cohorts",
      title: `Weeks of ${chosen.feature}`,
      note: "Each row: those who used it for the first time in that week. A cohort of few users misleads",
      empty: weeks.length ? null : "No week after a first one is over yet.",
      chart: cohortsOf(chosen),
      table: table({
        caption: `Weeks of ${chosen.feature}`,
        columns: [
          { key: "week", label: "Week of", content: (row) => format.day(row.week) },
          { key: "users", label: "Users", content: (row) => [format.count(row.users), few(row.small)] },
          ...weeks.map((week) => ({
            key: `week${week}`,
            label: String(week),
            content: (/** @type {FeatureRetention["cohorts"][number]} */ row) =>
              format.percent(row.returned.find((each) => each.week === week)?.percent),
          })),
        ],
        rows: chosen.cohorts,
        rowKey: (row) => row.week,
      }),
    }),
  );
}

/** @returns {Chart} */
function cohortsOf(/** @type {FeatureRetention} */ { feature, cohorts: all }) {
  const rows = all.flatMap(({ week: first, users, returned }) =>
    returned.map(({ week, users: back, percent }) => ({
      cohort: `${format.day(first, { year: false })} (${format.count(users)})`,
      week: String(week),
      value: percent === null ? null : Number(percent),
      said: `${format.count(back)} of ${format.count(users)}`,
    })),
  );
  return {
    spec: "cohorts",
    rows,
    height: all.length * ROW_HEIGHT + 50,
    label: `Users of ${feature} who came back, by week of the first use`,
    lines: (/** @type {(typeof rows)[number]} */ row) => ({
      title: row.cohort,
      pairs: [
        [`${row.week} weeks later`, format.percent(row.value)],
        ["Users", row.said],
      ],
    }),
  };
}

function upgrades(/** @type {Context} */ context, /** @type {Answers} */ { upgrades: report }) {
  const { whole, features: found, withinDays, note } = report;
  const all = `Of ${format.plural(whole.observed, "new user")} of anything ${format.count(whole.upgraded)} did.`;
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "upgrades",
      title: "Who upgrades",
      note: `New users of a feature who upgraded within ${withinDays} days. ${all} ${note}`,
      empty: found.length ? null : "Nobody used a feature for the first time in this period.",
      table: table({
        caption: "Who upgrades",
        columns: [
          { key: "feature", label: "Feature" },
          { key: "newUsers", label: "New users", as: "count", share: true },
          { key: "observed", label: `${withinDays} days over`, as: "count" },
          { key: "upgraded", label: "Upgraded", content: (row) => [format.count(row.upgraded), few(row.small)] },
          { key: "upgradePercent", label: "Percent", as: "percent" },
          { key: "upgradedSoFar", label: "So far", as: "count" },
          { key: "cost", label: "AI cost", as: "money" },
          { key: "costPerUpgrade", label: "For an upgrade", as: "money" },
        ],
        rows: found,
      }),
    }),
  );
}
