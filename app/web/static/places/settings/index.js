// Settings: what can be looked at and changed here, view by view.

import { el } from "../../dom.js";

/** @import { Context, Tab } from "../../types.js" */

/** @type {[tab: string, title: string, about: string][]} */
const VIEWS = [
  ["settings/keys", "API keys", "With which applications report, read and call models"],
  ["settings/prices", "Prices", "Prices of your own, and what they make of stored calls"],
  ["settings/limits", "Limits and budgets", "How much may be used, by whom, in which time"],
  ["settings/server", "Server", "The settings of this server, and where each is from"],
  ["settings/audit", "Audit trail", "Who changed what, and when"],
  ["settings/alerts", "Alerts", "Limits that are used up, unusual spending, and who is told"],
  ["settings/gateway", "Gateway", "Providers that calls pass through to, and keys"],
];

/** @type {Tab} */
export default {
  title: "Settings",
  about: () => "What can be changed here",
  controls: { period: false, parts: false, calls: false },
  requests: () => ({}),
  sections: () => [{ id: "views", needs: [], skeleton: null, render: links, always: true }],
};

const links = (/** @type {Context} */ context) =>
  el(
    "nav.links",
    { "aria-label": "Settings" },
    VIEWS.map(([tab, title, about]) =>
      el("a", { href: context.href({ tab }), "data-link": "" }, title, el("span", {}, about)),
    ),
  );
