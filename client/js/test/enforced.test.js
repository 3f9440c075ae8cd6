import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import Groq from "groq-sdk";
import OpenAI from "openai";
import { call, QuotaExceededError, reserve, trackAIRequest, wrap } from "twinmeter";

import { boundsOf } from "../src/wrapping/bounds.js";
import { configured, idsOf, REFUSED, refuses, rows } from "./support/asking.js";
import { MODEL, upstream } from "./support/upstream.js";

const CHAT = { model: "gpt-4o", messages: [{ role: "user", content: "SECRET-PROMPT" }] };

/** A wrapped client that asks. */
async function enforced(t, terms = {}) {
  const server = await configured(t);
  const provider = await upstream(t);
  const settings = { baseURL: `${provider.url}/v1`, apiKey: "sk-none", maxRetries: 0 };
  const openai = wrap(new OpenAI(settings), { userId: "u1", enforce: true, ...terms });
  return { openai, server, provider };
}

test("each call asks by the most that it can take, and settles its reservation", async (t) => {
  const { openai, server } = await enforced(t);
  await openai.chat.completions.create({ ...CHAT, max_completion_tokens: 100, n: 2 });
  for await (const _ of await openai.chat.completions.create({ ...CHAT, max_tokens: 7, stream: true }));
  const [{ requestId, ...asked }, second] = server.asked;
  assert.deepEqual(asked, {
    ...{ userId: "u1", contentType: "chat", provider: "openai", model: "gpt-4o" },
    ...{ maxOutputTokens: 200, inputBytes: 110 },
  });
  assert.equal(second.maxOutputTokens, 7);
  assert.deepEqual(
    (await rows(server)).map(({ reservationId }) => reservationId),
    idsOf(server),
  );
  assert.deepEqual(server.released, []);
});

test("a call whose usage nobody knows has used all that was held", async (t) => {
  const { openai, server } = await enforced(t);
  for await (const _ of await openai.chat.completions.create({ ...CHAT, max_tokens: 100, stream: true })) break;
  await openai.chat.completions.create({ ...CHAT, max_tokens: 100, model: "broken" }).catch(() => {});
  for await (const _ of await openai.chat.completions.create({ ...CHAT, stream: true })) break;
  const most = { userId: "u1", contentType: "chat", inputBytes: 9, maxOutputTokens: 7 };
  await reserve(most, () => void trackAIRequest({ model: "m", outputText: "x" }));
  await reserve(most, () => void trackAIRequest({ model: "m", tokensUsed: 3 }));
  const told = (await rows(server)).map(({ inputTokens, outputTokens, estimatedUsage, outputText }) =>
    [inputTokens, outputTokens, estimatedUsage, outputText?.length].join(),
  );
  assert.deepEqual(told, ["1104,100,true,", ",,,", ",,,15", "1009,7,true,", ",,,"]);
});

test("a refused call is not made and not counted", async (t) => {
  const { openai, server, provider } = await enforced(t);
  server.limits = refuses;
  for (const made of [
    () => openai.chat.completions.create(CHAT),
    () => openai.chat.completions.create({ ...CHAT, stream: true }),
    () => openai.chat.completions.create(CHAT).asResponse(),
    () => openai.chat.completions.create(CHAT).withResponse(),
    () => openai.withOptions({ timeout: 20_000 }).responses.create({ model: "gpt-4o", input: "SECRET" }),
    () => openai.embeddings.create({ model: "m", input: "SECRET" }),
    () => openai.chat.completions.stream(CHAT).finalContent(),
  ]) {
    await assert.rejects(made, (error) => {
      assert.ok(error instanceof QuotaExceededError || error.cause instanceof QuotaExceededError, error);
      return true;
    });
  }
  await assert.rejects(openai.chat.completions.create(CHAT), {
    decision: REFUSED,
    status: 429,
    name: "QuotaExceededError",
  });
  assert.deepEqual([provider.requests, await rows(server)], [[], []]);
});

test("Anthropic's and Groq's clients ask, and refuse, too", async (t) => {
  const { server, provider } = await enforced(t);
  const settings = { baseURL: provider.url, apiKey: "k", maxRetries: 0 };
  const claude = wrap(new Anthropic(settings), { userId: "u1", enforce: true });
  const groq = wrap(new Groq(settings), { userId: "u1", enforce: true });
  await claude.messages.create({ ...CHAT, max_tokens: 99 });
  server.limits = refuses;
  await assert.rejects(claude.messages.create({ ...CHAT, max_tokens: 99 }), QuotaExceededError);
  await assert.rejects(claude.messages.create({ ...CHAT, max_tokens: 99, stream: true }), QuotaExceededError);
  await assert.rejects(claude.messages.stream({ ...CHAT, max_tokens: 99 }).finalText());
  await assert.rejects(groq.chat.completions.create({ ...CHAT, max_completion_tokens: 99 }), QuotaExceededError);
  assert.deepEqual(
    server.asked.map(({ maxOutputTokens, provider }) => `${provider} ${maxOutputTokens}`),
    [...Array(4).fill("anthropic 99"), "groq 99"],
  );
  assert.deepEqual([provider.requests.length, (await rows(server)).length], [1, 1]);
});

test("an application may throw an error of its own", async (t) => {
  const told = [];
  const onRefused = (decision) => {
    told.push(decision);
    throw new RangeError("pay");
  };
  const { openai, server } = await enforced(t, { onRefused });
  server.limits = refuses;
  await assert.rejects(openai.chat.completions.create(CHAT), RangeError);
  assert.deepEqual([told, await rows(server)], [[REFUSED], []]);
});

test("what is reserved around a call is not asked for again", async (t) => {
  const { openai, server } = await enforced(t);
  await reserve({ userId: "u1", contentType: "letter" }, () => openai.chat.completions.create(CHAT));
  assert.equal(server.asked.length, 1);
  await call({ userId: "u1", contentType: "note", enforce: true, bounds: { maxOutputTokens: 9 } }, async () => {
    await openai.chat.completions.create(CHAT);
    assert.equal(server.asked.length, 2);
    await openai.chat.completions.create(CHAT);
  });
  const ids = idsOf(server);
  assert.deepEqual(
    (await rows(server)).map(({ contentType, reservationId }) => [contentType, reservationId]),
    [
      ["letter", ids[0]],
      ["note", ids[1]],
      ["note", ids[2]],
    ],
  );
  assert.deepEqual([server.asked[1].maxOutputTokens, server.released], [9, []]);
});

test("a block asks before it begins, and reports what is called instead of what was refused", async (t) => {
  const { openai, server } = await enforced(t);
  await assert.rejects(
    call({ userId: "u1", contentType: "note", enforce: true }, () => Promise.reject(new RangeError())),
    RangeError,
  );
  server.limits = refuses;
  let hasRun = false;
  await assert.rejects(
    call({ userId: "u1", contentType: "note", enforce: true }, () => {
      hasRun = true;
    }),
    QuotaExceededError,
  );
  await assert.rejects(
    call({ userId: "u1", contentType: "note" }, () => openai.chat.completions.create(CHAT)),
    QuotaExceededError,
  );
  await call({ userId: "u1", contentType: "note" }, async (tracked) => {
    await openai.chat.completions.create(CHAT).catch(() => {});
    tracked.record({ model: MODEL, usage: { prompt_tokens: 1, completion_tokens: 2 } });
  });
  const [failed, instead, ...others] = await rows(server);
  assert.deepEqual([hasRun, others], [false, []]);
  assert.deepEqual([failed.status, failed.reservationId], ["error", idsOf(server)[0]]);
  assert.deepEqual([instead.response.model, instead.reservationId], [MODEL, undefined]);
});

test("bounds say no more than is certain", () => {
  const picture = [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://x.example/a.png" } }] }];
  for (const [body, serviceType, bounds] of [
    [{ messages: [{ role: "user", content: "four" }] }, "", { inputBytes: 40 }],
    [{ prompt: "ä" }, "", { inputBytes: 12 }],
    [{ max_tokens: 5, best_of: 3, n: 2 }, "", { maxOutputTokens: 15, inputBytes: 54 }],
    [{ max_output_tokens: 5, messages: picture }, "", { maxOutputTokens: 5 }],
    [{ tools: [{ type: "web_search" }] }, "", {}],
    [{ tools: [{ type: "function", name: "f" }] }, "", { inputBytes: 35 }],
    [{ previous_response_id: "r1", input: "x" }, "", {}],
    [{ input: "x" }, "embedding", { maxOutputTokens: 0, inputBytes: 10 }],
    [
      { prompt: "x", n: 2, size: "1024x1024", quality: "auto" },
      "image",
      { images: 2, size: "1024x1024", inputBytes: 56 },
    ],
    [new FormData(), "", {}],
    [undefined, "", {}],
  ]) {
    assert.deepEqual(boundsOf(body, serviceType), bounds);
  }
});
