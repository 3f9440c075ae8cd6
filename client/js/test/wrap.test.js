import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import OpenAI, { AzureOpenAI, toFile } from "openai";
import { call, configure, counts, flush, withContext, wrap } from "twinmeter";

import { script } from "./support/script.js";
import { lines, standIn } from "./support/stand_in.js";
import { ANSWER, EMBEDDING_USAGE, IMAGE_USAGE, MODEL, RESPONSES_USAGE, USAGE, upstream } from "./support/upstream.js";

const PATIENT = { timeout: 20_000 };
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

const CHAT = { model: "gpt-4o", messages: [{ role: "user", content: "SECRET-PROMPT" }] };
const KNOWN = { userId: "u1", contentType: "chat", provider: "openai" };
const INTERRUPTED = { status: "error", errorMessage: "interrupted before the answer was complete" };
const METADATA = { id: "chatcmpl-1", model: MODEL, created: 1_760_000_000, service_tier: "default" };
const COMPLETION = { usage: USAGE, response: { ...METADATA, object: "chat.completion" } };
const STREAMED = { usage: [USAGE], response: { ...METADATA, object: "chat.completion.chunk" } };

/** A wrapped client, what its provider is asked, and what is reported of it. */
async function wrapped(t, { defaults = { userId: "u1" }, client = OpenAI, ...options } = {}) {
  const server = await standIn(t);
  const provider = await upstream(t);
  configure({ url: server.url, key: "tm_key" });
  const settings = { baseURL: `${provider.url}/v1`, apiKey: "sk-none", maxRetries: 0, ...options };
  return { openai: wrap(new client(settings), defaults), provider, reported: () => reported(server) };
}

async function reported(server) {
  await flush();
  const text = JSON.stringify(server.rows);
  assert.ok(!/SECRET|c2VjcmV0/.test(text), text);
  return server.rows.map(({ requestId, createdAt, requestDuration, ...row }) => {
    assert.ok(requestDuration >= 0);
    return row;
  });
}

const taken = (chunks) => Array.fromAsync(chunks);
Array.fromAsync ??= async (items) => {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
};

test("a completion is what it was, and its usage is reported without a text", async (t) => {
  const { openai, provider, reported } = await wrapped(t);
  assert.ok(openai instanceof OpenAI);
  assert.equal(wrap(openai), openai);
  const answer = await openai.chat.completions.create(CHAT);
  assert.equal(answer.choices[0].message.content, ANSWER);
  assert.equal(answer._request_id, "req_1");
  assert.deepEqual(provider.requests, [{ path: "/v1/chat/completions", body: CHAT }]);
  assert.deepEqual(await reported(), [{ ...KNOWN, ...COMPLETION }]);
});

test("a stream passes through as without us: usage is asked for, and taken out again", async (t) => {
  const { openai, provider, reported } = await wrapped(t);
  const plain = new OpenAI({ baseURL: openai.baseURL, apiKey: "sk-none" });
  const asked = { ...CHAT, stream: true };
  const stream = await openai.chat.completions.create(asked);
  const expected = await plain.chat.completions.create(asked);
  assert.equal(stream.constructor, expected.constructor);
  assert.deepEqual(await taken(stream), await taken(expected));
  assert.deepEqual(provider.requests[0].body.stream_options, { include_usage: true });
  assert.ok(!("stream_options" in asked));
  const [{ timeToFirstToken, ...row }] = await reported();
  assert.ok(timeToFirstToken >= 0);
  assert.deepEqual(row, { ...KNOWN, ...STREAMED });
});

test("who asks for usage gets it, and who does not wants no chunk of it", async (t) => {
  const { openai, reported } = await wrapped(t);
  const stream = (include_usage) => ({ ...CHAT, stream: true, stream_options: { include_usage } });
  const chunks = await taken(await openai.chat.completions.create(stream(true)));
  assert.deepEqual([chunks.length, chunks[0].usage, chunks[2].usage], [3, null, USAGE]);
  assert.equal((await taken(await openai.chat.completions.create(stream(false)))).length, 2);
  const rows = await reported();
  assert.deepEqual(
    rows.map(({ usage }) => usage),
    [[USAGE], [USAGE]],
  );
});

test("an API that refuses to be asked for usage is asked without, and never again with it", async (t) => {
  const { openai, provider, reported } = await wrapped(t);
  const asked = { ...CHAT, model: "old", stream: true };
  for (let each = 0; each < 2; each++) {
    assert.equal((await taken(await openai.chat.completions.create(asked))).length, 2);
  }
  assert.deepEqual(
    provider.requests.map(({ body }) => "stream_options" in body),
    [true, false, false],
  );
  const rows = await reported();
  for (const { timeToFirstToken, ...row } of rows) {
    assert.deepEqual(row, { ...KNOWN, response: STREAMED.response, outputText: "x".repeat([...ANSWER].length) });
  }
  assert.equal(rows.length, 2);
});

test("a request that is bad for another reason is the caller's, and one call", async (t) => {
  const { openai, provider, reported } = await wrapped(t);
  const bad = { ...CHAT, model: "bad", stream: true };
  await assert.rejects(openai.chat.completions.create(bad), OpenAI.BadRequestError);
  await taken(await openai.withOptions({ maxRetries: 1 }).chat.completions.create({ ...CHAT, stream: true }));
  await assert.rejects(openai.chat.completions.create(bad), OpenAI.BadRequestError);
  assert.deepEqual(
    provider.requests.map(({ body }) => `${body.model} ${"stream_options" in body}`),
    ["bad true", "bad false", "gpt-4o true", "bad true"],
  );
  assert.deepEqual(
    (await reported()).map(({ model, status, errorMessage, usage }) =>
      [model, status, errorMessage, usage?.length].join(),
    ),
    ["bad,error,BadRequestError,", ",,,1", "bad,error,BadRequestError,"],
  );
});

test("a block of call hands its fields to the wrapped clients in it, and reports nothing itself", async (t) => {
  const { openai, reported } = await wrapped(t, { defaults: {} });
  await call({ userId: "u1", contentType: "agent" }, async (tracked) => {
    for (let each = 0; each < 3; each++) tracked.record(await openai.chat.completions.create(CHAT));
  });
  assert.deepEqual(await reported(), Array(3).fill({ ...KNOWN, contentType: "agent", ...COMPLETION }));
});

test("both branches of tee() are whole, and it is one call", async (t) => {
  const { openai, reported } = await wrapped(t);
  const [left, right] = (await openai.chat.completions.create({ ...CHAT, stream: true })).tee();
  assert.deepEqual((await Promise.all([taken(left), taken(right)])).map((chunks) => chunks.length).join(), "2,2");
  assert.deepEqual((await reported()).length, 1);
});

test("a stream that is left, or aborted, is reported as interrupted, and the request ends", async (t) => {
  const { openai, reported } = await wrapped(t);
  const asked = { ...CHAT, model: "endless", stream: true };
  const left = await openai.chat.completions.create(asked);
  for await (const chunk of left) if (chunk) break;
  assert.ok(left.controller.signal.aborted);
  const aborted = await openai.chat.completions.create(asked);
  for await (const chunk of aborted) if (chunk) aborted.controller.abort();
  const unread = await openai.chat.completions.create(asked);
  unread.controller.abort();
  const rows = await reported();
  assert.deepEqual(
    rows.map(({ status, errorMessage }) => ({ status, errorMessage })),
    [INTERRUPTED, INTERRUPTED, INTERRUPTED],
  );
  assert.equal(rows[0].outputText, "x".repeat([...ANSWER].length));
  assert.equal(rows[2].model, "endless");
});

test("a stream that nobody holds is reported once it is collected, and one that is read is not", PATIENT, async (t) => {
  const { openai, provider, reported } = await wrapped(t);
  let go;
  provider.until = new Promise((resolve) => {
    go = resolve;
  });
  const read = (async () => {
    let count = 0;
    for await (const _ of await openai.chat.completions.create({ ...CHAT, model: "slow", stream: true })) count += 1;
    return count;
  })();
  await (async () => {
    await openai.chat.completions.create({ ...CHAT, model: "endless", stream: true });
  })();
  while (!(counts().waiting + counts().delivered)) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  go();
  assert.equal(await read, 2);
  const [dropped, { timeToFirstToken, ...whole }] = await reported();
  assert.deepEqual(dropped, { ...KNOWN, model: "endless", ...INTERRUPTED });
  assert.deepEqual(whole, { ...KNOWN, ...STREAMED });
});

test("errors are the SDK's own, and reported by their kind alone", async (t) => {
  const { openai, reported } = await wrapped(t);
  const asked = (model, options) => openai.chat.completions.create({ ...CHAT, model }, options);
  await assert.rejects(asked("unauthorized"), OpenAI.AuthenticationError);
  await assert.rejects(asked("busy"), OpenAI.RateLimitError);
  await assert.rejects(asked("broken", { maxRetries: 1 }), OpenAI.InternalServerError);
  await assert.rejects(asked("hang", { timeout: 50 }), OpenAI.APIConnectionTimeoutError);
  await assert.rejects(asked("hang", { signal: AbortSignal.timeout(50) }), OpenAI.APIUserAbortError);
  await assert.rejects(
    openai.chat.completions.create({ ...CHAT, model: "cut", stream: true }).then(taken),
    (error) => error instanceof Error,
  );
  const rows = await reported();
  assert.deepEqual(
    rows.map(({ model, status, errorMessage }) => [model, status, errorMessage]),
    [
      ["unauthorized", "error", "AuthenticationError"],
      ["busy", "rate_limited", "RateLimitError"],
      ["broken", "error", "InternalServerError"],
      ["hang", "timeout", "APIConnectionTimeoutError"],
      ["hang", "error", INTERRUPTED.errorMessage],
      [undefined, "error", rows[5].errorMessage],
    ],
  );
});

test("an error that nobody awaits is as unhandled as before", async (t) => {
  const { openai } = await wrapped(t);
  const { status, stderr } = await script(`import OpenAI from "openai";
    const openai = wrap(new OpenAI({ baseURL: "${openai.baseURL}", apiKey: "sk-none", maxRetries: 0 }));
    openai.chat.completions.create({ model: "busy", messages: [] });
    setTimeout(() => console.log("alive"), 60_000);`);
  assert.equal(status, 1);
  assert.match(stderr, /RateLimitError: 429/);
});

test("withResponse, asResponse and parse keep working, and each is one call", async (t) => {
  const { openai, reported } = await wrapped(t);
  const { data, response, request_id } = await openai.chat.completions.create(CHAT).withResponse();
  assert.deepEqual([data.choices[0].message.content, response.status, request_id], [ANSWER, 200, "req_1"]);
  const raw = await openai.chat.completions.create(CHAT).asResponse();
  assert.equal((await raw.json()).usage.total_tokens, 1_801);
  const parsed = await openai.chat.completions.parse(CHAT);
  assert.equal(parsed.choices[0].message.parsed, null);
  const promise = openai.chat.completions.create(CHAT);
  assert.equal(await promise, await promise);
  const doubled = await openai.chat.completions.create(CHAT)._thenUnwrap(({ usage }) => usage.total_tokens * 2);
  assert.equal(doubled, 3_602);
  assert.deepEqual(await reported(), Array(5).fill({ ...KNOWN, ...COMPLETION }));
});

test("a raw stream loses nothing but the usage that was not asked for", async (t) => {
  const { openai, reported } = await wrapped(t);
  const plain = new OpenAI({ baseURL: openai.baseURL, apiKey: "sk-none" });
  const asked = { ...CHAT, stream: true };
  const read = async (client) => (await client.chat.completions.create(asked).asResponse()).text();
  const text = await read(openai);
  assert.equal(text.replaceAll(',"usage":null', ""), await read(plain));
  const { body } = await openai.chat.completions.create({ ...asked, model: "endless" }).asResponse();
  const reader = body.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /^data: /);
  await reader.cancel();
  const [whole, cut] = await reported();
  assert.deepEqual(whole.usage, [USAGE]);
  assert.equal(cut.errorMessage, INTERRUPTED.errorMessage);
});

test("the helpers of the SDK are one call for each request", async (t) => {
  const { openai, reported } = await wrapped(t);
  const runner = openai.chat.completions.stream(CHAT);
  assert.equal(await runner.finalContent(), ANSWER);
  const streamed = await openai.responses.stream({ model: "gpt-4o", input: "SECRET" }).finalResponse();
  assert.equal(streamed.status, "completed");
  const [{ timeToFirstToken: first, ...chat }, { timeToFirstToken: second, ...responses }] = await reported();
  assert.ok(first >= 0 && second >= 0);
  assert.deepEqual(chat, { ...KNOWN, ...STREAMED });
  assert.deepEqual(responses, {
    ...KNOWN,
    usage: [RESPONSES_USAGE],
    response: {
      ...{ id: "resp_1", object: "response", status: "completed", model: MODEL, service_tier: "default" },
      output: [{ type: "web_search_call", status: "completed" }],
    },
  });
});

test("responses, embeddings, images, transcriptions and speech are reported with what is billed of them", async (t) => {
  const { openai, reported } = await wrapped(t);
  const answer = await openai.responses.create({ model: "gpt-4o", input: "SECRET" });
  assert.equal(answer.output_text, ANSWER);
  assert.deepEqual((await openai.embeddings.create({ model: "e", input: "SECRET" })).data[0].embedding.length, 2);
  await openai.images.generate({ model: "gpt-image-1", prompt: "SECRET", quality: "high", size: "auto" });
  const file = await toFile(Buffer.from("SECRET"), "a.mp3");
  assert.equal((await openai.audio.transcriptions.create({ model: "whisper-1", file })).text, ANSWER);
  const speech = await openai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "SECRET 🌍" });
  assert.equal(await speech.text(), "sound");
  const [responses, ...others] = await reported();
  assert.deepEqual(responses.usage, RESPONSES_USAGE);
  assert.deepEqual(responses.response.output, [{ type: "web_search_call", status: "completed" }]);
  assert.deepEqual(others, [
    {
      ...{ ...KNOWN, contentType: "embedding", serviceType: "embedding", usage: EMBEDDING_USAGE },
      response: { object: "list", model: "text-embedding-3-small", data: [{ embedding: [] }] },
    },
    {
      ...{ ...KNOWN, contentType: "image-generation", serviceType: "image", model: "gpt-image-1", usage: IMAGE_USAGE },
      response: { created: 1_760_000_000, size: "1024x1024", quality: "low", data: [{ url: "" }] },
    },
    {
      ...{ ...KNOWN, contentType: "transcription", serviceType: "audio", model: "whisper-1" },
      usage: { type: "duration", seconds: 9 },
    },
    { ...KNOWN, contentType: "speech", serviceType: "audio", model: "tts-1", characters: 8 },
  ]);
});

test("the user comes from the context at the call, also where the stream is read elsewhere", async (t) => {
  const { openai, reported } = await wrapped(t, { defaults: { userId: "default", contentType: "letter" } });
  const stream = await withContext({ userId: "u1", conversationId: "c1" }, () =>
    openai.chat.completions.create({ ...CHAT, stream: true }),
  );
  await withContext({ userId: "u2", campaignId: "spring" }, () => taken(stream));
  await openai.withOptions({ maxRetries: 1 }).chat.completions.create(CHAT);
  const [inside, outside] = await reported();
  assert.deepEqual(
    [inside, outside].map(({ userId, contentType, conversationId, campaignId }) =>
      [userId, contentType, conversationId, campaignId].join(),
    ),
    ["u1,letter,c1,", "default,letter,,"],
  );
});

test("without any user the calls are anonymous, and Azure's are Azure's", async (t) => {
  const { openai, reported } = await wrapped(t, {
    defaults: {},
    client: AzureOpenAI,
    apiVersion: "2024-10-21",
    deployment: undefined,
  });
  await assert.rejects(openai.chat.completions.create({ ...CHAT, model: "busy" }));
  const [{ userId, provider, status, model }] = await reported();
  assert.deepEqual([userId, provider, status, model], ["anonymous", "azure", "rate_limited", "busy"]);
});

test("what is no client, or one of another version, is told", async (t) => {
  const logged = lines(t);
  assert.throws(() => wrap({}), { name: "TypeError", message: /openai, groq-sdk or @anthropic-ai\/sdk/ });
  const odd = wrap({ baseURL: "https://api.openai.com/v1", post: () => Promise.resolve("answer") });
  assert.equal(await odd.post("/chat/completions", {}), "answer");
  assert.equal(logged.length, 1);
  assert.match(logged[0], /this version of the SDK is not known/);
});
