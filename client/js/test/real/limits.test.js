/**
 * Limits of a real server: of ten requests for user `asks`, and of three for `wrapped`. What is used and held afterwards is
 * asserted by who runs this: client/tests/test_javascript.py.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { check, configure, flush, QuotaExceededError, reserve, trackAIRequest, wrap } from "twinmeter";

import { upstream } from "../support/upstream.js";

const PATIENT = { timeout: 120_000 };
const ASKS = { userId: "asks", contentType: "chat", model: "gpt-4o", maxOutputTokens: 100 };

test("of forty at once ten pass, and the next one is told everything", async () => {
  configure({ limitsTimeout: 60_000 });
  const passed = await Promise.all(
    Array.from({ length: 40 }, () =>
      reserve(ASKS, ({ allowed, decision }) => {
        assert.equal(decision.unenforced, false, decision.reason);
        if (allowed) trackAIRequest({ model: "gpt-4o", inputTokens: 10, outputTokens: 5 });
        return allowed;
      }),
    ),
  );
  assert.equal(passed.filter(Boolean).length, 10);
  await flush(PATIENT);
  const { decision } = await reserve(ASKS);
  const { message, resetsAt, retryAfter, violated, upgradeUrl, ...told } = decision;
  assert.deepEqual(told, {
    ...{ allowed: false, feature: "chat", limit: "10", used: "10", held: "0", asked: "1" },
    ...{ unit: "requests", window: "day", unenforced: false, reason: null },
  });
  assert.match(message, /^You have used all 10 of your/);
  assert.deepEqual([violated.length, resetsAt > new Date(), retryAfter > 0], [1, true, true]);
  assert.equal((await check({ userId: "asks", contentType: "chat" })).used, "10");
});

test("a wrapped client stops at its limit, and what was not called holds nothing", async (t) => {
  const { url, requests } = await upstream(t);
  const settings = { baseURL: `${url}/v1`, apiKey: "sk-none", maxRetries: 0 };
  const openai = wrap(new OpenAI(settings), { userId: "wrapped", enforce: true });
  const chat = { model: "gpt-4o", max_tokens: 600, messages: [{ role: "user", content: "SECRET" }] };
  await reserve({ userId: "wrapped", contentType: "chat" }, () => undefined);
  await openai.chat.completions.create(chat);
  for await (const _ of await openai.chat.completions.create({ ...chat, stream: true }));
  await assert.rejects(openai.chat.completions.create({ ...chat, model: "broken" }), OpenAI.InternalServerError);
  await flush(PATIENT);
  await assert.rejects(openai.chat.completions.create(chat), QuotaExceededError);
  await assert.rejects(openai.chat.completions.create({ ...chat, stream: true }), QuotaExceededError);
  assert.equal(requests.length, 3);
  await flush(PATIENT);
});
