import assert from "node:assert/strict";
import { test } from "node:test";

import { call, configure, flush, trackAIRequest, withContext } from "twinmeter";

import { script } from "./support/script.js";
import { lines, standIn } from "./support/stand_in.js";
import { USAGE } from "./support/upstream.js";

const KNOWN = { userId: "u1", contentType: "chat", provider: "openai" };
const ANSWER = { id: "chatcmpl-1", model: "gpt-4o", choices: [{ message: { content: "SECRET" } }], usage: USAGE };
const READ = { usage: USAGE, response: { id: "chatcmpl-1", model: "gpt-4o" } };

async function reporting(t) {
  const server = await standIn(t);
  configure({ url: server.url, key: "tm_key" });
  return async () => {
    await flush();
    return server.rows.map(({ requestId, createdAt, requestDuration, timeToFirstToken, ...row }) => row);
  };
}

class RateLimitError extends Error {}
class RequestTimeout extends Error {
  name = "TimeoutError";
}

test("a call is timed and its response read, whether it is returned or recorded", async (t) => {
  const reported = await reporting(t);
  assert.equal(await call(KNOWN, () => ANSWER), ANSWER);
  const text = await call(KNOWN, async (tracked) => {
    tracked.record(ANSWER, { cached: true });
    return "an answer";
  });
  assert.equal(text, "an answer");
  assert.equal(await call({ ...KNOWN, model: "gpt-4o" }, () => "no response"), "no response");
  await call(KNOWN, () => ({ text: "SECRET" }));
  assert.deepEqual(await reported(), [
    { ...KNOWN, ...READ },
    { ...KNOWN, ...READ, cached: true },
    { ...KNOWN, model: "gpt-4o" },
    { ...KNOWN, model: "unknown", unreadableReason: "usage: not reported" },
  ]);
});

test("a stream passes through; where it is left, it was interrupted", async (t) => {
  const reported = await reporting(t);
  const chunks = [
    { model: "gpt-4o", choices: [{ delta: { content: "SECRET" } }] },
    { choices: [], usage: USAGE },
  ];
  async function* stream() {
    yield* chunks;
  }
  for (const most of [2, 1]) {
    const seen = await call(KNOWN, async (tracked) => {
      const all = [];
      for await (const chunk of tracked.stream(stream())) if (all.push(chunk) === most && most < 2) break;
      return all;
    });
    assert.deepEqual(seen, chunks.slice(0, most));
  }
  assert.deepEqual(await reported(), [
    { ...KNOWN, usage: [USAGE], response: { model: "gpt-4o" } },
    {
      ...{ ...KNOWN, response: { model: "gpt-4o" }, outputText: "xxxxxx" },
      ...{ status: "error", errorMessage: "interrupted before the answer was complete" },
    },
  ]);
});

test("of counts that each event of a stream tells anew, the last are sent", async (t) => {
  const reported = await reporting(t);
  async function* stream() {
    for (let each = 1; each <= 200; each++) {
      const usage = { prompt_tokens: 9, completion_tokens: each, completion_tokens_details: { reasoning_tokens: 0 } };
      yield { model: "grok-4", choices: [{ delta: { content: "x" } }], usage };
    }
  }
  await call(KNOWN, async (tracked) => {
    for await (const _ of tracked.stream(stream()));
  });
  const usage = { prompt_tokens: 9, completion_tokens: 200, completion_tokens_details: { reasoning_tokens: 0 } };
  assert.deepEqual(await reported(), [{ ...KNOWN, usage: [usage], response: { model: "grok-4" } }]);
});

test("each answer of a realtime session has a usage of its own, and all are sent", async (t) => {
  const reported = await reporting(t);
  const answers = [1, 2].map((each) => ({
    type: "response.done",
    response: { id: `resp_${each}`, status: "completed", usage: { input_tokens: each, output_tokens: 5 } },
  }));
  const events = answers.map(({ type, response }) => ({ type, response: { ...response, output: ["SECRET"] } }));
  await call({ ...KNOWN, model: "gpt-realtime" }, async (tracked) => {
    for await (const _ of tracked.stream(events));
  });
  assert.deepEqual(await reported(), [{ ...KNOWN, model: "gpt-realtime", response: answers }]);
});

test("a response that says more than the server takes is sent as unreadable", async (t) => {
  const reported = await reporting(t);
  const used = Object.fromEntries(Array.from({ length: 1_000 }, (_, each) => [`some_count_of_tokens_${each}`, each]));
  await call({ ...KNOWN, model: "gpt-4o" }, () => ({ usage: used }));
  const unreadableReason = "usage: with what else is read of the response, more than 16,000 bytes";
  assert.deepEqual(await reported(), [{ ...KNOWN, model: "gpt-4o", unreadableReason }]);
});

for (const [error, status, errorMessage] of [
  [new TypeError("SECRET"), "error", "TypeError"],
  [new RateLimitError("SECRET"), "rate_limited", "RateLimitError"],
  [Object.assign(new Error("SECRET"), { status: 429 }), "rate_limited", "Error"],
  [new RequestTimeout("SECRET"), "timeout", "TimeoutError"],
  [new DOMException("SECRET", "AbortError"), "error", "interrupted before the answer was complete"],
  ["SECRET", "error", "String"],
  [undefined, "error", "interrupted before the answer was complete"],
]) {
  test(`${errorMessage} propagates, and is reported as ${status}`, async (t) => {
    const reported = await reporting(t);
    const failing = call({ ...KNOWN, model: "gpt-4o" }, () => Promise.reject(error));
    assert.equal(await failing.then(assert.fail, (caught) => caught), error);
    assert.deepEqual(await reported(), [{ ...KNOWN, model: "gpt-4o", status, errorMessage }]);
  });
}

test("no response can make a call fail", async (t) => {
  const logged = lines(t);
  const reported = await reporting(t);
  const hostile = new Proxy({}, { get: (_, name) => (name === "then" ? undefined : assert.fail("looked at")) });
  assert.equal(await call({ ...KNOWN, model: "gpt-4o" }, () => hostile), hostile);
  assert.deepEqual(await reported(), [{ ...KNOWN, model: "gpt-4o" }]);
  assert.equal(logged.length, 1);
});

test("contexts nest, hold across awaits, and give way to what a call says itself", async (t) => {
  const reported = await reporting(t);
  const call = { contentType: "chat", model: "gpt-4o" };
  await withContext({ userId: "u1", conversationId: "c1" }, async () => {
    await new Promise((resolve) => setTimeout(resolve));
    trackAIRequest(call);
    await Promise.all([
      withContext({ userId: "u2" }, async () => trackAIRequest(call)),
      withContext({ userId: "u3", conversationId: null }, () => trackAIRequest({ ...call, userId: "" })),
    ]);
    trackAIRequest({ ...call, userId: "u4", conversationId: "c4" });
  });
  trackAIRequest({ ...call, userId: "u5" });
  const users = (await reported()).map(({ userId, conversationId }) => `${userId} ${conversationId}`);
  assert.deepEqual(users, ["u1 c1", "u2 c1", "u3 c1", "u4 c4", "u5 undefined"]);
  assert.throws(() => withContext({ userId: "u1" }, () => assert.fail("its own")), { message: "its own" });
});

const WITHOUT_STORAGE = "process.getBuiltinModule = undefined;";
const WITHOUT_NODE = `${WITHOUT_STORAGE} Object.defineProperty(process.versions, "node", { value: "" });`;

/** The users and conversations that a runtime reports, which `preload` makes another one. */
async function reportedBy(t, preload, code) {
  const server = await standIn(t);
  const { status, stderr } = await script(
    `configure({ url: "${server.url}", key: "tm_key" });
    const reported = () => trackAIRequest({ contentType: "chat", model: "gpt-4o" });
    ${code}
    await flush();`,
    { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` },
  );
  assert.deepEqual([status, stderr], [0, ""]);
  return server.rows.map(({ userId, conversationId }) => `${userId} ${conversationId}`);
}

test("where a runtime has no storage for contexts they hold for synchronous code", async (t) => {
  const code = `
    withContext({ userId: "u1" }, () => withContext({ conversationId: "c1" }, reported));
    reported();`;
  assert.deepEqual(await reportedBy(t, WITHOUT_NODE, code), ["u1 c1", "undefined undefined"]);
});

test("in Node 18 contexts hold across awaits as soon as it has started", async (t) => {
  const wait = "await new Promise((resolve) => setTimeout(resolve, 20));";
  const code = `${wait} await withContext({ userId: "u1" }, async () => { ${wait} reported(); }); reported();`;
  assert.deepEqual(await reportedBy(t, WITHOUT_STORAGE, code), ["u1 undefined", "undefined undefined"]);
});
