/** A stand-in for OpenAI's and Anthropic's APIs: the answers are real in form, and known to the token. */
import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

export const MODEL = "gpt-4o-2024-08-06";
export const ANSWER = "SECRET-ANSWER 🌍";
export const USAGE = {
  prompt_tokens: 1_234,
  completion_tokens: 567,
  total_tokens: 1_801,
  prompt_tokens_details: { cached_tokens: 1_024 },
  completion_tokens_details: { reasoning_tokens: 0 },
};
export const RESPONSES_USAGE = {
  input_tokens: 1_234,
  input_tokens_details: { cached_tokens: 1_024 },
  output_tokens: 567,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 1_801,
};
export const EMBEDDING_USAGE = { prompt_tokens: 89, total_tokens: 89 };
export const IMAGE_USAGE = {
  input_tokens: 50,
  input_tokens_details: { text_tokens: 50, image_tokens: 0 },
  output_tokens: 1_056,
  total_tokens: 1_106,
};
export const START_USAGE = { input_tokens: 210, cache_read_input_tokens: 1_024, output_tokens: 1 };

/** Models that get these statuses. `hang` gets no answer, `cut` half a stream, `slow` the rest of it after `until`. */
const STATUSES = { bad: 400, unauthorized: 401, busy: 429, broken: 500 };

const head = (object) => ({ id: "chatcmpl-1", object, created: 1_760_000_000, model: MODEL, service_tier: "default" });

const ROUTES = {
  "/v1/chat/completions": (body) => (body.stream ? chatChunks(body) : completion()),
  "/v1/responses": (body) => (body.stream ? responseEvents() : response("completed", RESPONSES_USAGE)),
  "/v1/embeddings": () => ({
    object: "list",
    data: [
      { object: "embedding", index: 0, embedding: Buffer.from(Float32Array.of(0.25, -0.5).buffer).toString("base64") },
    ],
    model: "text-embedding-3-small",
    usage: EMBEDDING_USAGE,
  }),
  "/v1/images/generations": () => ({
    created: 1_760_000_000,
    data: [{ b64_json: "c2VjcmV0" }],
    size: "1024x1024",
    quality: "low",
    usage: IMAGE_USAGE,
  }),
  "/v1/audio/transcriptions": () => ({ text: ANSWER, usage: { type: "duration", seconds: 9 } }),
  "/v1/audio/speech": () => Buffer.from("sound"),
  "/v1/messages": (body) => (body.stream ? messageEvents() : message({ ...START_USAGE, output_tokens: 567 })),
};

/** What it was asked is in `requests`, and its address in `url`. */
export async function upstream(t) {
  const told = { requests: [] };
  const server = createServer(async (request, answer) => {
    const isJson = request.headers["content-type"]?.includes("json");
    const body = isJson ? await json(request).catch(() => ({})) : await request.toArray().then(() => ({}));
    told.requests.push({ path: request.url, body });
    if (body.model === "hang") return;
    if (STATUSES[body.model]) return send(answer, { error: { message: "SECRET", type: "x" } }, STATUSES[body.model]);
    if (body.model === "old" && body.stream_options) return send(answer, { error: { message: "bad" } }, 400);
    const found = ROUTES[request.url](body);
    if (Array.isArray(found)) stream(answer, found, body.model, told.until);
    else send(answer, found);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  told.url = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return told;
}

function send(answer, body, status = 200) {
  const isBytes = Buffer.isBuffer(body);
  answer.writeHead(status, { "Content-Type": isBytes ? "audio/mpeg" : "application/json", "x-request-id": "req_1" });
  answer.end(isBytes ? body : JSON.stringify(body));
}

async function stream(answer, events, model, until) {
  answer.writeHead(200, { "Content-Type": "text/event-stream" });
  for (const { event, ...data } of model === "cut" ? events.slice(0, 1) : events) {
    answer.write(`${event ? `event: ${event}\n` : ""}data: ${JSON.stringify(data)}\n\n`);
    if (model === "slow") await until;
  }
  if (model === "endless") return;
  if (model === "cut") setImmediate(() => answer.destroy());
  else answer.end("data: [DONE]\n\n");
}

function completion() {
  const message = { role: "assistant", content: ANSWER, refusal: null };
  const choice = { index: 0, message, finish_reason: "stop", logprobs: null };
  return { ...head("chat.completion"), choices: [choice], usage: USAGE };
}

/** As the API has them: with usage asked for, it is null in all chunks but the last. */
function chatChunks({ stream_options }) {
  const asked = stream_options?.include_usage;
  const deltas = [
    [{ role: "assistant", content: ANSWER }, null],
    [{}, "stop"],
  ];
  const chunks = deltas.map(([delta, finish_reason]) => ({
    ...head("chat.completion.chunk"),
    choices: [{ index: 0, delta, finish_reason }],
    ...(asked && { usage: null }),
  }));
  return asked ? [...chunks, { ...head("chat.completion.chunk"), choices: [], usage: USAGE }] : chunks;
}

function response(status, usage) {
  const content = [{ type: "output_text", text: ANSWER, annotations: [] }];
  const output = [
    { type: "web_search_call", id: "ws_1", status: "completed" },
    { type: "message", id: "msg_1", role: "assistant", status: "completed", content },
  ];
  return { id: "resp_1", object: "response", status, model: MODEL, service_tier: "default", output, usage };
}

function responseEvents() {
  const completed = response("completed", RESPONSES_USAGE);
  const [search, said] = completed.output;
  const place = { item_id: "msg_1", output_index: 1, content_index: 0 };
  return [
    { type: "response.created", response: { ...response("in_progress", null), output: [] } },
    { type: "response.output_item.added", output_index: 0, item: search },
    { type: "response.output_item.added", output_index: 1, item: { ...said, content: [] } },
    { type: "response.content_part.added", ...place, part: { ...said.content[0], text: "" } },
    { type: "response.output_text.delta", ...place, delta: ANSWER },
    { type: "response.completed", response: completed },
  ].map((event, sequence_number) => ({ event: event.type, sequence_number, ...event }));
}

function message(usage) {
  const content = [{ type: "text", text: ANSWER }];
  return { id: "msg_1", type: "message", role: "assistant", model: "claude-opus-4-6", content, usage };
}

function messageEvents() {
  return [
    { type: "message_start", message: { ...message(START_USAGE), content: [] } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: ANSWER } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 567 } },
    { type: "message_stop" },
  ].map((event) => ({ event: event.type, ...event }));
}
