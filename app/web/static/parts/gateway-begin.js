// How to begin with the gateway, where there is none yet.

import { el } from "../dom.js";
import { ROOT } from "../root.js";

/** @import { Answers, Context } from "../types.js" */

const FILE = `# gateway.toml
[upstreams.openai]
models = ["gpt-4o", "gpt-4o-*"]`;
const START = `export OPENAI_API_KEY=...                     # the provider's own
export TWINMETER_GATEWAY_FILE=gateway.toml
python -m app`;
const origin = () => location.origin + ROOT;
/** How a key is made, as the page's own server is reached. */
export const newKey = () => `curl -X POST ${origin()}/api/admin/keys \\
  -H "Authorization: Bearer TOKEN" -H "Content-Type: application/json" \\
  -d '{"name": "shop", "scopes": ["gateway"], "models": ["gpt-4o*"]}'`;
const call = () => `client = openai.OpenAI(base_url="${origin()}/v1", api_key="tm_...")`;

/** Instead of figures, on a server that is no gateway. */
export function beginning(/** @type {Context} */ context, /** @type {Answers} */ { upstreams: { on } }) {
  if (on) return null;
  return el(
    "section.panel.state",
    { "aria-labelledby": "begin-title", "data-empty": "" },
    el("h2", { id: "begin-title" }, "This server is no gateway yet"),
    el(
      "p",
      {},
      "Applications that call their models through it need another base URL and key, and no other code: each call is tracked, priced and limited.",
    ),
    el("p", {}, "Name a file of upstreams in TWINMETER_GATEWAY_FILE, and start the server again:"),
    snippet(context, "file", "the file", FILE),
    snippet(context, "start", "the commands", START),
    el("p", {}, "Then give each application a key, and call:"),
    snippet(context, "key", "how a key is made", newKey()),
    snippet(context, "call", "the client", call()),
  );
}

/**
 * A text to copy. `name` says what it is, for who does not see it.
 * @param {Context} context
 * @param {string} id
 * @param {string} name
 * @param {string} text
 */
export function snippet(context, id, name, text) {
  const done = context.ui.get(`copied.${id}`);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    context.ui.set(`copied.${id}`, true);
    context.rerender();
  };
  return el(
    "div.snippet",
    {},
    el("pre", { tabindex: "0", role: "region", "aria-label": `Text: ${name}` }, el("code", {}, text)),
    // a page that came without encryption has no clipboard
    navigator.clipboard
      ? el(
          "button.button.small",
          { type: "button", onclick: () => void copy() },
          done ? "Copied" : "Copy",
          hidden(name),
        )
      : null,
  );
}

const hidden = (/** @type {string} */ name) => el("span.hidden", {}, ` ${name}`);
