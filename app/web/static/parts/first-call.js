// The first page of a new deployment: a key, what an application does with it, and the wait for its first call.

import { el } from "../dom.js";
import { ROOT } from "../root.js";
import { act, fault } from "./endpoints.js";
import { snippet } from "./gateway-begin.js";

/** @import { Answers, Context, Tab } from "../types.js" */

const ROUTE = "/api/admin/keys";
const MADE = "first.key";
const WAY = "first.way";
const NAME = "first application";
/** Stands for the key until there is one. */
const NO_KEY = "YOUR_KEY";

/** What an application does, by the way that it takes. @type {Record<string, (origin: string, key: string) => string>} */
const WAYS = {
  Python: (origin, key) => `# the client: \`make client\` builds dist/twinmeter_client-*.whl for pip
# export TWINMETER_URL=${origin} TWINMETER_KEY=${key}
import openai, twinmeter

client = twinmeter.wrap(openai.OpenAI())  # each of its calls is reported
twinmeter.track(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1_000, output_tokens=500)`,
  JavaScript: (origin, key) => `// the client: \`make client\` builds dist/twinmeter-*.tgz for npm
// export TWINMETER_URL=${origin} TWINMETER_KEY=${key}
import { trackAIRequest } from "twinmeter";

trackAIRequest({ userId: "u1", contentType: "chat", model: "gpt-4o", inputTokens: 1000, outputTokens: 500 });`,
  OpenTelemetry: (origin, key) => `export OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=${origin}/v1/traces
export OTEL_EXPORTER_OTLP_TRACES_HEADERS="Authorization=Bearer%20${key}"
export OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf`,
  Gateway: (origin, key) => `# the server needs TWINMETER_GATEWAY_FILE: Settings, Gateway says how
export OPENAI_BASE_URL=${origin}/v1
export OPENAI_API_KEY=${key}`,
  curl: (origin, key) => `curl ${origin}/api/ai/track \\
  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
  -d '{"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}'`,
};
const [FIRST_WAY] = Object.keys(WAYS);

/** @type {Tab} */
export default {
  title: "Overview",
  about: () => "Three steps to the first figures",
  controls: { period: false, parts: false, calls: false },
  requests: ({ state: { clientId } }) => ({ who: ["/admin/session", { clientId }] }),
  sections: () => [
    { id: "fault", needs: [], skeleton: null, render: fault },
    { id: "first", needs: ["who"], skeleton: "table", render: first },
  ],
};

function first(/** @type {Context} */ context, /** @type {Answers} */ { who }) {
  return el(
    "section.panel.first",
    { "aria-labelledby": "first-title" },
    el("h2", { id: "first-title" }, "Report your first call"),
    el("ol.steps", {}, el("li", {}, key(context)), el("li", {}, ways(context)), el("li", {}, arrival(who.isNew))),
  );
}

function key(/** @type {Context} */ context) {
  const made = context.ui.get(MADE);
  const make = async () => {
    const answer = await act(context, ROUTE, { method: "POST", body: { name: NAME, scopes: ["ingest", "gateway"] } });
    if (answer) context.ui.set(MADE, answer.key);
    context.rerender();
  };
  return made
    ? [
        el("h3", {}, "Your key"),
        el("p", {}, "Copy it now: it is shown only this once. Settings, API keys has all others, and revokes them."),
        snippet(context, "first-key", "the key", String(made)),
      ]
    : [
        el("h3", {}, "Make a key"),
        el("p", {}, "Applications report with an API key. It may report calls and use the gateway, nothing else."),
        el("button.button.primary", { type: "button", onclick: () => void make() }, "Make a key"),
      ];
}

function ways(/** @type {Context} */ context) {
  const chosen = String(context.ui.get(WAY) ?? FIRST_WAY);
  const choose = (/** @type {string} */ way) => {
    context.ui.set(WAY, way);
    context.rerender();
  };
  const button = (/** @type {string} */ way) =>
    el(
      "button.button.small.quiet",
      { type: "button", "aria-pressed": String(way === chosen), onclick: () => choose(way) },
      way,
    );
  const text = WAYS[chosen](location.origin + ROOT, String(context.ui.get(MADE) ?? NO_KEY));
  return [
    el("h3", {}, "Report a call"),
    el("div.segments", { role: "group", "aria-label": "How" }, Object.keys(WAYS).map(button)),
    snippet(context, `first-${chosen}`, `a call by ${chosen}`, text),
  ];
}

function arrival(/** @type {boolean} */ waiting) {
  return [
    el("h3", {}, "See it here"),
    el(
      "p.arrival",
      { role: "status", "data-arrived": String(!waiting) },
      el("span.dot", { "aria-hidden": "true" }),
      waiting ? "Waiting for the first call…" : "The first call has arrived.",
    ),
    waiting
      ? null
      : el("button.button.primary", { type: "button", onclick: () => location.reload() }, "Show the figures"),
  ];
}
