import assert from "node:assert/strict";
import { test } from "node:test";

import { configure, counts, flush, trackAIRequest } from "twinmeter";

import { lines, standIn } from "./support/stand_in.js";

const CALL = { userId: "u1", contentType: "chat", model: "gpt-4o" };

/** What of these fields arrives, and how many calls were mended. */
async function arrived(t, fields) {
  const server = await standIn(t);
  configure({ url: server.url, key: "tm_key" });
  trackAIRequest({ ...CALL, ...fields });
  assert.deepEqual(await flush(), { delivered: 1, rejected: 0, waiting: 0 });
  const { requestId, createdAt, userId, contentType, model, ...row } = server.rows[0];
  return [row, counts().mended];
}

const cycle = { name: "cycle" };
cycle.self = cycle;

for (const [name, fields, row, mended] of [
  ["half of an experiment", { experiment: "tone" }, {}, 1],
  ["both halves", { experiment: "tone", variant: 2 }, { experiment: "tone", variant: "2" }, 0],
  ["what is not known is left out", { cost: null, inputTokens: undefined, outputTokens: Number.NaN }, {}, 0],
  ["names that are numbers are sent as texts", { conversationId: 7 }, { conversationId: "7" }, 0],
  ["a cost keeps its digits", { cost: "0.10000000000000000001" }, { cost: "0.10000000000000000001" }, 0],
  ["a date is sent as one", { usage: { at: new Date(0) } }, { usage: { at: "1970-01-01T00:00:00.000Z" } }, 0],
  ["a BigInt becomes a number", { inputTokens: 12n }, { inputTokens: 12 }, 1],
  ["half a character is replaced", { endpoint: "a\ud800" }, { endpoint: "a\ufffd" }, 1],
  ["a long error keeps its beginning", { errorMessage: "e".repeat(20_000) }, { errorMessage: "e".repeat(10_000) }, 0],
  ["metadata that is flat is sent as it is", { metadata: { a: 1, b: "x", c: null, d: true } }, null, 0],
  [
    "metadata is made flat",
    { metadata: { "a.b": 1, $c: { d: [1, 2] }, e: 1n, f: Number.NaN } },
    { metadata: { a_b: 1, _c: '{"d":[1,2]}', e: 1, f: null } },
    1,
  ],
  [
    "a value of 1 MB is left out of metadata",
    { metadata: { a: 1, b: "x".repeat(1_000_000) } },
    { metadata: { a: 1, b: "(left out: 1,000,000 characters)" } },
    1,
  ],
  [
    "metadata that is too large loses the longest",
    { metadata: { a: "x".repeat(4_000), b: "y".repeat(4_001) } },
    null,
    1,
  ],
  ["metadata that is none is a value", { metadata: "text" }, { metadata: { value: "text" } }, 1],
]) {
  test(name, async (t) => {
    lines(t);
    const expected = row ?? { metadata: mended ? { a: "x".repeat(4_000) } : fields.metadata };
    assert.deepEqual(await arrived(t, fields), [expected, mended]);
  });
}

test("a cycle, a function and a member that throws cost the call nothing but themselves", async (t) => {
  const logged = lines(t);
  const usage = {
    prompt_tokens: 3,
    cycle,
    get bad() {
      throw new RangeError("bad");
    },
  };
  const [row, mended] = await arrived(t, { usage, metadata: { f: () => 1, cycle } });
  assert.equal(row.usage.prompt_tokens, 3);
  assert.equal(row.usage.bad, "RangeError: bad");
  assert.equal(row.metadata.f, "() => 1");
  assert.equal(mended, 1);
  assert.deepEqual(logged, ["twinmeter: a call was sent without what JSON or the server cannot hold: metadata, usage"]);
});

test("what the application changes later is not what it has reported", async (t) => {
  const server = await standIn(t);
  configure({ url: server.url, key: "tm_key" });
  const fields = { ...CALL, usage: { prompt_tokens: 1 }, metadata: { plan: "pro" } };
  trackAIRequest(fields);
  fields.usage.prompt_tokens = 2;
  fields.metadata.plan = "free";
  await flush();
  assert.deepEqual([server.rows[0].usage, server.rows[0].metadata], [{ prompt_tokens: 1 }, { plan: "pro" }]);
});

test("nothing that is reported throws", async (t) => {
  const logged = lines(t);
  const server = await standIn(t);
  configure({ url: server.url, key: "tm_key" });
  const hostile = new Proxy({}, { ownKeys: () => assert.fail("looked at") });
  for (const fields of [undefined, null, 7, hostile]) assert.doesNotThrow(() => trackAIRequest(fields));
  assert.equal((await trackAIRequest(hostile)).status, "dropped");
  assert.ok(logged.length >= 1);
  await flush();
});
