// A key that was just made: the only time that it is shown, with what an application does with it.

import { el } from "../dom.js";
import { ROOT } from "../root.js";
import { snippet } from "./gateway-begin.js";

/** @import { Context } from "../types.js" */

/** By what they are called. */
export const SNIPPETS_OF = ["the-key", "environment", "curl", "openai"];

/**
 * @param {Context} context
 * @param {{key: string, name: string, scopes: string[]}} made
 * @param {() => void} hide
 */
export function madeKey(context, { key, name, scopes }, hide) {
  const origin = location.origin + ROOT;
  return el(
    "section.panel.state",
    { "data-key": "made", "aria-labelledby": "made-key" },
    el("h2", { id: "made-key", tabindex: "-1" }, `Key ${name}`),
    el("p", {}, "Copy it now: it is shown only this once, and nobody can retrieve it."),
    snippet(context, "the-key", "the key", key),
    scopes.includes("ingest")
      ? [
          el("p", {}, "In the environment of a Python or JavaScript application:"),
          snippet(
            context,
            "environment",
            "the environment",
            `export TWINMETER_URL=${origin}\nexport TWINMETER_KEY=${key}`,
          ),
          el("p", {}, "Or without a client:"),
          snippet(context, "curl", "a call by curl", reported(origin, key)),
        ]
      : null,
    scopes.includes("gateway")
      ? [
          el("p", {}, "With the gateway, an OpenAI client needs another address and key:"),
          snippet(context, "openai", "the client", `client = openai.OpenAI(base_url="${origin}/v1", api_key="${key}")`),
        ]
      : null,
    el("button.button", { type: "button", onclick: hide }, "I have kept it"),
  );
}

const reported = (/** @type {string} */ origin, /** @type {string} */ key) => `curl -X POST ${origin}/api/ai/track \\
  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
  -d '{"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 120, "outputTokens": 40}'`;
