// Which requests are calls of a model, of what kind, and whose.

/** By the end of the path; the content types are those of calls that OpenTelemetry reports. */
const OPERATIONS = new Map([
  ["/chat/completions", { contentType: "chat" }],
  ["/completions", { contentType: "chat" }],
  ["/responses", { contentType: "chat" }],
  ["/responses/compact", { contentType: "chat" }],
  ["/messages", { contentType: "chat" }],
  ["/embeddings", { contentType: "embedding", serviceType: "embedding" }],
  ["/images/generations", { contentType: "image-generation", serviceType: "image" }],
  ["/images/edits", { contentType: "image-generation", serviceType: "image" }],
  ["/images/variations", { contentType: "image-generation", serviceType: "image" }],
  ["/audio/transcriptions", { contentType: "transcription", serviceType: "audio" }],
  ["/audio/translations", { contentType: "transcription", serviceType: "audio" }],
  ["/audio/speech", { contentType: "speech", serviceType: "audio" }],
]);
/** Before the operation: OpenAI has none, Anthropic and Groq have theirs. */
const PREFIX = /^(\/openai)?(\/v1)?(?=\/)/;

/** By the end of the host's name. */
const PROVIDERS = [
  ["azure.com", "azure"],
  ["amazonaws.com", "aws"],
  ["openai.com", "openai"],
  ["anthropic.com", "anthropic"],
  ["groq.com", "groq"],
  ["mistral.ai", "mistral"],
  ["openrouter.ai", "openrouter"],
  ["deepseek.com", "deepseek"],
  ["x.ai", "x-ai"],
  ["together.xyz", "together"],
  ["together.ai", "together"],
  ["fireworks.ai", "fireworks"],
  ["perplexity.ai", "perplexity"],
  ["cerebras.ai", "cerebras"],
  ["googleapis.com", "google"],
];

/**
 * What kind of call a request is; undefined where it is none of a model.
 * @param {string} path
 */
export function operationOf(path) {
  const [plain] = path.split("?");
  return OPERATIONS.get(plain.replace(PREFIX, ""));
}

/**
 * Whose model a request calls: by the address, and where that is a proxy's, by the client.
 * @param {any} client
 * @param {string} path
 */
export function providerOf(client, path) {
  const host = new URL(client.baseURL).hostname;
  const known = PROVIDERS.find(([end]) => host === end || host.endsWith(`.${end}`));
  if (known) return known[1];
  if (path.startsWith("/openai/")) return "groq";
  if (client.messages && !client.chat) return "anthropic";
  return "deploymentName" in client ? "azure" : "openai";
}
