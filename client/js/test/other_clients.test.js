import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";
import { configure, flush, wrap } from "twinmeter";

import { standIn } from "./support/stand_in.js";
import { ANSWER, START_USAGE, upstream } from "./support/upstream.js";

const ASKED = { model: "claude-opus-4-6", max_tokens: 100, messages: [{ role: "user", content: "SECRET-PROMPT" }] };
const KNOWN = { userId: "u1", contentType: "chat", provider: "anthropic" };

test("Anthropic's messages are reported: complete, streamed, by its helper, and refused", async (t) => {
  const server = await standIn(t);
  const provider = await upstream(t);
  configure({ url: server.url, key: "tm_key" });
  const anthropic = wrap(new Anthropic({ baseURL: provider.url, apiKey: "sk-none", maxRetries: 0 }), { userId: "u1" });

  assert.equal((await anthropic.messages.create(ASKED)).content[0].text, ANSWER);
  const events = [];
  for await (const event of await anthropic.messages.create({ ...ASKED, stream: true })) events.push(event.type);
  assert.deepEqual([events.length, events[0], events[5]], [6, "message_start", "message_stop"]);
  assert.equal(await anthropic.messages.stream(ASKED).finalText(), ANSWER);
  await assert.rejects(anthropic.messages.create({ ...ASKED, model: "busy" }), Anthropic.RateLimitError);
  assert.deepEqual(provider.requests[1].body, { ...ASKED, stream: true });

  await flush();
  assert.ok(!JSON.stringify(server.rows).includes("SECRET"));
  const metadata = { id: "msg_1", model: "claude-opus-4-6" };
  const streamed = { ...KNOWN, usage: [START_USAGE, { output_tokens: 567 }], response: metadata };
  assert.deepEqual(
    server.rows.map(({ requestId, createdAt, requestDuration, timeToFirstToken, ...row }) => row),
    [
      { ...KNOWN, usage: { ...START_USAGE, output_tokens: 567 }, response: { ...metadata, type: "message" } },
      streamed,
      streamed,
      { ...KNOWN, model: "busy", status: "rate_limited", errorMessage: "RateLimitError" },
    ],
  );
});
