// The server's settings: to look at. They are changed in its environment.

import { el } from "../../dom.js";
import { panel } from "../../panels.js";
import { table } from "../../table.js";

/** @import { Answers, Context, Tab } from "../../types.js" */

/** @type {Tab} */
export default {
  title: "Server",
  about: () => "Settings of this server; they are changed in its environment, with a restart",
  controls: { period: false, parts: false, calls: false },
  requests: () => ({ settings: ["/api/admin/settings", {}] }),
  sections: () => [{ id: "settings", needs: ["settings"], skeleton: "table", render: list }],
};

const SOURCES = { environment: "environment or .env file", default: "default" };

function list(/** @type {Context} */ context, /** @type {Answers} */ { settings: { settings } }) {
  return el(
    "div.grid",
    {},
    panel(context, {
      id: "settings",
      title: "Settings",
      note: "Secrets are shown as set or none alone; .env.example says what each is for",
      empty: settings.length ? null : "Only the administrator of the deployment sees these.",
      table: table({
        caption: "Settings",
        columns: [
          { key: "name", label: "Variable", content: (row) => el("code", {}, row.name) },
          { key: "value", label: "Value", content: (row) => el("span.sentence", {}, row.value ?? "none") },
          { key: "source", label: "From", content: (row) => SOURCES[row.source] },
        ],
        rows: settings,
        rowKey: (row) => row.name,
      }),
    }),
  );
}
