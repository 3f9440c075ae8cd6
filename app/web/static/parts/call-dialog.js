// One call with all that is known of it, and where its price comes from.

import { el } from "../dom.js";
import * as format from "../format.js";
import { costOf, outcome } from "./call-rows.js";
import { placesOf } from "./links.js";

/** @import { Amount, Answers, CallAttempt, CallDetail, Child, Component, Context } from "../types.js" */

/** @type {Record<string, string>} */
const SOURCES = {
  priced: "Exact usage at list price",
  reported: "Billed amount, as reported by the caller",
  estimated: "Estimated usage at list price",
  cached: "Served from a cache, the application's or the gateway's, at no cost",
  unpriced: "No known price: not included in totals",
};
/** @type {[label: string, key: keyof Counts][]} */
const TOKENS = [
  ["Input", "inputTokens"],
  ["of which provider cache reads", "cacheReadTokens"],
  ["of which provider cache writes", "cacheWriteTokens"],
  ["of which one-hour cache writes", "cacheWrite1hTokens"],
  ["of which audio", "inputAudioTokens"],
  ["of which images", "inputImageTokens"],
  ["of which video", "inputVideoTokens"],
  ["Output", "outputTokens"],
  ["of which reasoning", "reasoningTokens"],
  ["of which audio", "outputAudioTokens"],
  ["of which images", "outputImageTokens"],
  ["Total", "tokensUsed"],
  ["Web searches", "webSearches"],
  ["Images", "images"],
  ["Characters", "characters"],
];
/** @type {Set<keyof Counts>} */
const ALWAYS = new Set(["inputTokens", "outputTokens", "tokensUsed"]);

/**
 * The counts of a call.
 * @typedef {{[K in keyof CallDetail as CallDetail[K] extends number | null ? K : never]: number | null}} Counts
 */
/**
 * What is known, beside its name; of a figure also its key and its exact value.
 * @typedef {[name: string, value: Child, key?: string, exact?: unknown]} Pair
 */

/** The call that the address names, over the page. Closing it removes it from the address. */
export function callDialog(/** @type {Context} */ context, /** @type {Answers} */ { call }) {
  const close = () => context.go({ call: null });
  return el("dialog", {
    "aria-labelledby": "call-title",
    component: dialog,
    props: { content: () => content(context, call), close },
  });
}

/** @type {Component<{content: () => Node[], close: () => void}>} */
const dialog = {
  mount(element, props) {
    const node = /** @type {HTMLDialogElement} */ (/** @type {HTMLElement} */ (element));
    node.append(...props.content());
    node.addEventListener("close", () => node.isConnected && props.close());
    node.addEventListener("click", (event) => event.target === node && node.close());
    node.showModal();
  },
  update() {
    // an entry of the ledger never changes
  },
};

const closeDialog = (/** @type {Event} */ { currentTarget }) =>
  /** @type {Element} */ (currentTarget).closest("dialog")?.close();

function content(/** @type {Context} */ context, /** @type {CallDetail} */ call) {
  return [
    el(
      "div.dialog-head",
      {},
      el("div", {}, el("h2", { id: "call-title" }, "Call"), el("code", {}, call.id)),
      el("button.button.small", { type: "button", onclick: closeDialog }, "Close"),
    ),
    el(
      "div.dialog-body",
      {},
      part("Damaged: this cannot be read as it is stored", damage(call)),
      part("Call", about(context, call)),
      part("Cost", cost(call)),
      part("Tokens and media", amounts(call)),
      more(call),
    ),
  ];
}

function part(/** @type {string} */ title, /** @type {Pair[]} */ pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (!known.length) return null;
  return el(
    "section",
    {},
    el("h3", {}, title),
    el(
      "dl.figures",
      {},
      known.map(([name, value, key, raw]) => [
        el("dt", {}, name),
        el("dd", key ? { "data-figure": key, "data-value": raw ?? "" } : {}, value),
      ]),
    ),
  );
}

/** @returns {Pair[]} */
const damage = (/** @type {CallDetail} */ { damaged }) =>
  (damaged ?? []).map(({ field, stored }) => [field, el("code", {}, stored)]);

const attempt = (/** @type {CallAttempt} */ { upstream, model, status, reason, milliseconds }) =>
  [upstream, model, [status, reason].filter(Boolean).join(" "), format.duration(milliseconds)]
    .filter(Boolean)
    .join(", ");

/** @returns {Pair[]} */
function about(/** @type {Context} */ context, /** @type {CallDetail} */ call) {
  const zone = context.who.timezone;
  const link = (/** @type {string | null} */ text, /** @type {string | null} */ href) =>
    text && href && el("a", { href, "data-link": "" }, text);
  const to = placesOf(context);
  const { userId, clientId, conversationId, feature, provider, model } = call;
  return [
    ["Status", outcome(call)],
    ["Error", call.errorMessage],
    ["Time", `${format.instant(call.createdAt, zone)} ${zone}`],
    ["Recorded", `${format.instant(call.recordedAt, zone)} ${zone}`],
    ["User", link(userId, userId && to.user({ userId }))],
    ["External id", call.clerkUserId],
    ["Client", link(clientId, clientId && to.client({ clientId }))],
    ["Key", call.keyId && el("code", {}, call.keyId)],
    ["Conversation", link(conversationId, clientId && conversationId && to.conversation({ clientId, conversationId }))],
    ["Feature", link(feature, feature && to.feature({ feature }))],
    ["Content type", call.unmapped ? `${call.contentType} (not mapped to a feature)` : call.contentType],
    ["Model", link(model, provider && model && to.model({ provider, model }))],
    [
      "Provider",
      [
        link(provider, provider && to.provider({ provider })),
        call.reportedProvider ? ` (reported: ${call.reportedProvider})` : null,
      ],
    ],
    ["Service", call.serviceType],
    ["Endpoint", call.endpoint],
    ["Upstream", call.upstream],
    ...(call.attempts ?? []).map((each, index) => /** @type {Pair} */ ([`Attempt ${index + 1}`, attempt(each)])),
    ["Duration", call.requestDuration === null ? null : format.duration(call.requestDuration)],
    ["First token", call.timeToFirstToken === null ? null : format.duration(call.timeToFirstToken)],
    [
      "Sum of",
      call.aggregated ? `${call.aggregatedRequests ? format.count(call.aggregatedRequests) : "many"} calls` : null,
    ],
    ["Data", call.synthetic ? "Demo: a generated call" : null],
  ];
}

/** @returns {Pair[]} */
function cost(/** @type {CallDetail} */ call) {
  const exact = (/** @type {Amount | null} */ value) => (value === null ? null : `$${value}`);
  return [
    ["Cost", [costOf(call), call.cost === null ? null : ` (${exact(call.cost)})`], "call.cost", call.cost],
    ["Input cost", exact(call.inputCost)],
    ["Output cost", exact(call.outputCost)],
    ["Media and search cost", Number(call.generationCost) ? exact(call.generationCost) : null],
    ["Cache savings", Number(call.savedCost) ? exact(call.savedCost) : null],
    ["Cost source", call.costSource && `${format.words(call.costSource)}: ${SOURCES[call.costSource] ?? ""}`],
    ["Unpriced because", call.unpricedReason],
    ["Cost stated by", call.costBasis ? el("code", {}, call.costBasis) : null],
    ["Price version", call.priceVersion ? el("code", {}, call.priceVersion) : null],
    ["Tier", [call.serviceTier, call.batch ? "batch" : null, call.region].filter(Boolean).join(", ")],
    ["Usage", call.unreadableUsage ? "Reported in a format that could not be read" : null],
  ];
}

/** @returns {Pair[]} */
function amounts(/** @type {CallDetail} */ call) {
  const known = TOKENS.filter(([, key]) => call[key] || ALWAYS.has(key));
  const tokens = known.map(
    ([label, key]) => /** @type {Pair} */ ([label, format.count(call[key]), `call.${key}`, call[key]]),
  );
  return [
    ...tokens,
    ["Audio", Number(call.audioSeconds) ? format.seconds(call.audioSeconds) : null],
    ["Video", Number(call.videoSeconds) ? format.seconds(call.videoSeconds) : null],
    ["Size", call.size],
    ["Quality", call.quality],
  ];
}

function more(/** @type {CallDetail} */ call) {
  const metadata = Object.entries(call.metadata ?? {}).map(
    ([name, value]) => /** @type {Pair} */ ([name, String(value)]),
  );
  return part("More", [
    ["Campaign", call.campaignId],
    ["Experiment", call.experiment],
    ["Variant", call.variant],
    ["Network", call.ipAddress],
    ["Browser", call.userAgent],
    ...metadata,
  ]);
}
