/**
 * Against a real server, whose address and keys are in the environment. What its ledger has afterwards is asserted by who
 * runs this: client/tests/test_javascript.py.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { createElement } from "react";
import TestRenderer, { act } from "react-test-renderer";
import { call, configure, counts, flush, trackAIRequest, withContext, wrap } from "twinmeter";
import { useAnalytics } from "twinmeter/react";

import { lines } from "../support/stand_in.js";
import { ANSWER, upstream } from "../support/upstream.js";

const { TWINMETER_URL: url, READ_KEY: token } = process.env;
const CALL = { contentType: "chat", model: "gpt-4o", inputTokens: 1_000, outputTokens: 500 };
const CHAT = { model: "gpt-4o", messages: [{ role: "user", content: "SECRET-PROMPT" }] };
const PATIENT = { timeout: 120_000 };
const delivered = (count) => ({ delivered: count, rejected: 0, waiting: 0 });

async function wrapped(t) {
  configure({});
  const { url } = await upstream(t);
  return wrap(new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-none", maxRetries: 0 }));
}

test("1,200 calls, the older system's names among them", async () => {
  configure({});
  for (let each = 0; each < 1_200; each++) trackAIRequest({ ...CALL, userId: "many", metadata: { each } });
  trackAIRequest({
    ...{ userId: "named", contentType: "cover-letter", model: "gpt-4o", tokensUsed: 1_500, inputTokens: 1_000 },
    ...{ outputTokens: 500, cost: "0.123456789012345", requestDuration: 812, cached: false, success: false },
    ...{ errorMessage: "Refused", conversationId: "c1", metadata: { plan: "pro" } },
  });
  assert.deepEqual(await flush(PATIENT), delivered(1_201));
});

test("receipts: committed with its cost, a duplicate, and a bad row beside a good one", async (t) => {
  lines(t);
  const refused = [];
  configure({ onRejected: (row, { errors }) => refused.push([row.inputTokens, errors[0].field]) });
  const first = await trackAIRequest({ ...CALL, userId: "receipts", requestId: "once" });
  assert.deepEqual([first.status, first.cost, first.feature, first.id.length], ["committed", "0.0075", "chat", 24]);
  const again = await trackAIRequest({ ...CALL, userId: "receipts", requestId: "once", inputTokens: 1 });
  assert.deepEqual([again.status, again.id, again.conflicting], ["duplicate", first.id, true]);
  trackAIRequest({ ...CALL, userId: "receipts", inputTokens: -1 });
  trackAIRequest({ ...CALL, userId: "receipts" });
  await flush(PATIENT);
  assert.deepEqual(refused, [[-1, "inputTokens"]]);
  assert.deepEqual(counts(), { delivered: 3, rejected: 1, waiting: 0, lost: 0, mended: 0 });
});

test("a wrong key: calls are kept, and sent as soon as it is right", async (t) => {
  const [line] = [lines(t)];
  configure({ key: "tm_wrong" });
  assert.equal((await trackAIRequest({ ...CALL, userId: "nobody" })).status, "queued");
  assert.match(line[0], /does not accept the key \(401\): set TWINMETER_KEY/);
});

test("a wrapped client: complete, streamed, by the responses API, embedded, drawn", async (t) => {
  const openai = await wrapped(t);
  await withContext({ userId: "wrapped", contentType: "cover-letter", conversationId: "c9" }, async () => {
    await openai.chat.completions.create(CHAT);
    for await (const chunk of await openai.chat.completions.create({ ...CHAT, stream: true }))
      assert.ok(chunk.choices[0]);
    await openai.embeddings.create({ model: "text-embedding-3-small", input: "SECRET" });
    await openai.images.generate({ model: "gpt-image-1", prompt: "SECRET" });
    await openai.responses.stream({ model: "gpt-4o", input: "SECRET" }).finalResponse();
  });
  assert.deepEqual(await flush(PATIENT), delivered(5));
});

test("a wrapped client: cancelled, refused, slowed down, broken, timed out", async (t) => {
  const openai = await wrapped(t);
  const failing = (model, options) => assert.rejects(openai.chat.completions.create({ ...CHAT, model }, options));
  await withContext({ userId: "failed" }, async () => {
    for await (const chunk of await openai.chat.completions.create({ ...CHAT, stream: true })) if (chunk) break;
    await failing("unauthorized");
    await failing("busy");
    await failing("broken");
    await failing("hang", { timeout: 50 });
  });
  assert.deepEqual(await flush(PATIENT), delivered(5));
});

test("a call around what no wrapper knows", async () => {
  configure({});
  const fields = { userId: "called", contentType: "chat", provider: "openai" };
  const usage = { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 };
  const text = await call(fields, async (tracked) => {
    tracked.record({ model: "gpt-4o", usage, choices: [{ message: { content: ANSWER } }] });
    return ANSWER;
  });
  assert.equal(text, ANSWER);
  assert.deepEqual(await flush(PATIENT), delivered(1));
});

let state;

function Figures(props) {
  state = useAnalytics(props);
  return null;
}

test("useAnalytics has the figures of all of them", async () => {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  let renderer;
  await act(async () => {
    renderer = TestRenderer.create(createElement(Figures, { days: 7, url, token }));
  });
  while (state.loading) await act(() => new Promise((resolve) => setTimeout(resolve, 5)));
  assert.equal(state.error, null);
  const { summary, daily, byConversation } = state.data;
  assert.deepEqual([summary.requests, summary.errors, summary.activeUsers], [1_214, 6, 6]);
  assert.equal(daily.length, 7);
  assert.deepEqual(byConversation.map(({ conversationId, requests }) => `${conversationId} ${requests}`).sort(), [
    "c1 1",
    "c9 5",
  ]);
  await act(async () => renderer.unmount());
});
