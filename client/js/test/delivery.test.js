import assert from "node:assert/strict";
import { test } from "node:test";

import { configure, counts, flush, trackAIRequest, withContext } from "twinmeter";

import { lines, receipts, standIn } from "./support/stand_in.js";

const CALL = { userId: "u1", contentType: "chat", model: "gpt-4o", inputTokens: 10, outputTokens: 5 };
const ALL_DELIVERED = { delivered: 1, rejected: 0, waiting: 0 };

async function configured(t, settings = {}) {
  const server = await standIn(t);
  configure({ url: server.url, key: "tm_key", ...settings });
  return server;
}

test("1,200 calls arrive in three batches, each once, dated and named when they were reported", async (t) => {
  const server = await configured(t);
  const before = Date.now();
  for (let each = 0; each < 1_200; each++) trackAIRequest({ ...CALL, metadata: { each } });
  const after = Date.now();
  assert.deepEqual(await flush(), { delivered: 1_200, rejected: 0, waiting: 0 });
  assert.deepEqual(
    server.batches.map((batch) => batch.length),
    [500, 500, 200],
  );
  assert.deepEqual(new Set(server.rows.map((row) => row.metadata.each)).size, 1_200);
  assert.equal(new Set(server.rows.map((row) => row.requestId)).size, 1_200);
  for (const { createdAt, ...row } of server.rows) {
    assert.ok(Date.parse(createdAt) >= before && Date.parse(createdAt) <= after);
    assert.deepEqual(row, { ...CALL, metadata: row.metadata, requestId: row.requestId });
  }
  for (const head of server.heads) {
    assert.equal(head.authorization, "Bearer tm_key");
    assert.equal(head["content-type"], "application/x-ndjson");
    assert.equal(head["content-encoding"], "gzip");
  }
});

test("nobody has to flush: what half a second brings is one batch", async (t) => {
  const server = await configured(t);
  let arrived;
  const batch = new Promise((resolve) => {
    arrived = resolve;
  });
  server.otherwise = () => {
    arrived();
    return {};
  };
  trackAIRequest(CALL);
  trackAIRequest(CALL);
  const keeper = setTimeout(() => {}, 60_000); // a test is no server: something has to keep it waiting
  await batch;
  clearTimeout(keeper);
  assert.equal(server.rows.length, 2);
  await flush();
});

test("whoever awaits a call has it sent at once, and its receipt with every digit of the cost", async (t) => {
  const server = await configured(t);
  const body = receipts(["committed"], { id: "65".repeat(12), feature: "chat", costSource: "priced" });
  server.replies.push({ body: body.replace('"cost":null', '"cost":0.12345678901234567890') });
  const report = trackAIRequest(CALL);
  assert.equal(report.receipt.status, "queued");
  const timers = t.mock.method(globalThis, "setTimeout");
  const receipt = await report;
  assert.equal(timers.mock.calls[1].arguments[1], 0); // the first is how long it is waited for
  assert.equal(receipt.cost, "0.12345678901234567890");
  assert.deepEqual([receipt.status, receipt.feature, receipt.costSource], ["committed", "chat", "priced"]);
  assert.equal(report.receipt, receipt);
  assert.equal(await report.catch(() => "never").then(({ status }) => status), "committed");
});

test("a batch that is too large is halved, and a row that is, is rejected alone", async (t) => {
  const logged = lines(t);
  const refused = [];
  const server = await configured(t, { onRejected: (row, receipt) => refused.push([row.userId, receipt.errors]) });
  server.otherwise = (rows) => (rows.some(({ userId }) => userId === "u3") ? { status: 413, body: "" } : {});
  for (const userId of ["u1", "u2", "u3", "u4"]) trackAIRequest({ ...CALL, userId });
  assert.deepEqual(await flush(), { delivered: 3, rejected: 1, waiting: 0 });
  assert.deepEqual(
    server.batches.map((batch) => batch.map(({ userId }) => userId).join()),
    ["u1,u2,u3,u4", "u1,u2", "u3,u4", "u3", "u4"],
  );
  assert.deepEqual(refused, [["u3", [{ field: "", message: "the call is too large" }]]]);
  assert.equal(logged.length, 1);
});

test("receipts are read row by row: a bad row is told to who reported it, logged once, and affects no other", async (t) => {
  const logged = lines(t);
  const refused = [];
  const onRejected = (row) => {
    refused.push(row);
    throw new Error("a fault of the application's");
  };
  const server = await configured(t, { onRejected });
  const [fault] = [{ field: "model", message: "is required" }];
  server.otherwise = (rows) => ({
    body: JSON.stringify({
      receipts: rows.map(({ model }) => (model ? { status: "committed" } : { status: "rejected", errors: [fault] })),
    }),
  });
  const bad = trackAIRequest({ userId: "u1", contentType: "chat" });
  trackAIRequest({ userId: "u2", contentType: "chat" });
  trackAIRequest(CALL);
  assert.deepEqual(await flush(), { delivered: 1, rejected: 2, waiting: 0 });
  assert.deepEqual((await bad).errors, [fault]);
  assert.deepEqual(refused.map(({ userId }) => userId).join(), "u1,u2");
  assert.deepEqual(logged.length, 2, logged.join("\n"));
  assert.match(logged[0], /rejects a call.*model: is required/);
  assert.match(logged[1], /onRejected has thrown/);
});

test("a server that is too old for a provider's usage is told apart in one line", async (t) => {
  const logged = lines(t);
  const server = await configured(t);
  const unknown = "unknown field; /schema lists the known ones";
  server.otherwise = { body: receipts(["rejected"], { errors: [{ field: "usage", message: unknown }] }) };
  for (const prompt_tokens of [5, 6]) await trackAIRequest({ ...CALL, usage: { prompt_tokens } });
  assert.equal(counts().rejected, 2);
  const reason = `the server is older than this client, and has to be upgraded (usage: ${unknown})`;
  assert.deepEqual(logged, [`twinmeter: the server rejects a call, and others like it: ${reason}`]);
});

for (const [name, reply] of Object.entries({
  503: { status: 503, body: "" },
  500: { status: 500, body: "" },
  408: { status: 408, body: "" },
  "429 without a time": { status: 429, body: "" },
  "no answer at all": { cut: "before" },
  "half an answer": { cut: "half" },
  "a receipt too few": { body: receipts([]) },
  "a row that is unknown": { body: receipts(["unknown"]) },
  "a row that is dropped": { body: receipts(["dropped"]) },
})) {
  test(`after ${name} the same bytes are sent again`, async (t) => {
    const server = await configured(t);
    server.replies.push(reply);
    trackAIRequest(CALL);
    assert.deepEqual(await flush(), ALL_DELIVERED);
    assert.equal(server.bodies.length, 2);
    assert.equal(server.bodies[0], server.bodies[1]);
  });
}

for (const [name, reply, advice] of [
  ["a wrong key", { status: 401, body: "" }, /does not accept the key \(401\): set TWINMETER_KEY/],
  ["a key without the scope", { status: 403, body: "" }, /does not accept the key \(403\)/],
  ["a wrong address", { status: 404, body: "" }, /answers 404: see whether TWINMETER_URL is right/],
  ["a redirect", { status: 302, body: "", headers: { Location: "https://other.example/" } }, /by https:\/\/other/],
  ["another server", { body: "<html>" }, /has no receipts/],
]) {
  test(`with ${name} calls are kept, and one line says what to do`, async (t) => {
    const logged = lines(t);
    const server = await configured(t);
    server.otherwise = reply;
    const report = trackAIRequest(CALL);
    assert.equal((await report).status, "queued");
    assert.match(report.receipt.errors[0].message, advice);
    assert.deepEqual(await flush({ timeout: 10 }), { delivered: 0, rejected: 0, waiting: 1 });
    assert.equal(logged.length, 1);
    assert.match(logged[0], advice);
    // nobody waits for a server that is away
    assert.equal((await trackAIRequest(CALL)).status, "queued");
    server.otherwise = {};
    assert.deepEqual(await flush(), { delivered: 2, rejected: 0, waiting: 0 });
  });
}

test("Retry-After is kept, also by a flush", async (t) => {
  const server = await configured(t);
  server.replies.push({ status: 429, body: "", headers: { "Retry-After": "1" } });
  const started = performance.now();
  trackAIRequest(CALL);
  assert.deepEqual(await flush({ timeout: 60_000 }), ALL_DELIVERED);
  assert.ok(performance.now() - started >= 1_000);
  assert.equal(server.batches.length, 2);
});

test("a flush returns at once where it would wait in vain", async (t) => {
  const server = await configured(t);
  server.otherwise = {
    status: 503,
    body: "",
    headers: { "Retry-After": new Date(Date.now() + 500_000).toUTCString() },
  };
  trackAIRequest(CALL);
  const started = performance.now();
  for (let each = 0; each < 2; each++) {
    assert.deepEqual(await flush({ timeout: 60_000 }), { delivered: 0, rejected: 0, waiting: 1 });
  }
  assert.ok(performance.now() - started < 60_000);
  assert.equal(server.batches.length, 1);
});

test("a clock that is wrong is corrected by the server's, before the first call is dated", async (t) => {
  const server = await configured(t);
  server.date = new Date(Date.now() - 86_400_000).toUTCString();
  trackAIRequest(CALL);
  trackAIRequest({ ...CALL, createdAt: new Date(0) });
  await flush();
  assert.ok(Math.abs(Date.parse(server.rows[0].createdAt) - (Date.now() - 86_400_000)) < 10_000);
  assert.equal(server.rows[1].createdAt, "1970-01-01T00:00:00.000Z");
  assert.equal(server.times, 1);
});

test("10,000 calls wait in memory; the next are lost, counted, and said once", async (t) => {
  const logged = lines(t);
  const server = await configured(t);
  let go;
  server.replies.push({
    until: new Promise((resolve) => {
      go = resolve;
    }),
  });
  for (let each = 0; each < 10_000; each++) trackAIRequest(CALL);
  assert.equal((await trackAIRequest(CALL)).status, "dropped");
  assert.deepEqual(trackAIRequest(CALL).receipt.errors, [{ field: "", message: "10000 calls wait already" }]);
  go();
  assert.deepEqual(await flush({ timeout: 60_000 }), { delivered: 10_000, rejected: 0, waiting: 0 });
  assert.equal(counts().lost, 2);
  assert.equal(new Set(server.rows.map(({ requestId }) => requestId)).size, 10_000);
  assert.equal(logged.length, 1);
});

test("a new configuration leaves what was reported before where it was meant to go", async (t) => {
  const first = await configured(t);
  const report = trackAIRequest({ ...CALL, userId: "first" });
  const second = await configured(t);
  trackAIRequest({ ...CALL, userId: "second" });
  await flush();
  await report;
  assert.deepEqual([first, second].map(({ rows }) => rows.map(({ userId }) => userId).join()).join(), "first,second");
});

test("on an edge runtime each request keeps itself alive until what it has reported is sent", async (t) => {
  const kept = [];
  const server = await configured(t, { waitUntil: (promise) => kept.push(promise) });
  server.replies.push({ status: 503, body: "" });
  trackAIRequest(CALL);
  trackAIRequest(CALL);
  assert.equal(kept.length, 2);
  await Promise.all(kept);
  assert.equal(server.rows.length, 4);
  assert.deepEqual(counts(), { delivered: 2, rejected: 0, waiting: 0, lost: 0, mended: 0 });
});

test("Vercel's request is found, and that of a context comes before all", async (t) => {
  const kept = [];
  const request = {
    waitUntil(promise) {
      assert.equal(this, request);
      kept.push(promise);
    },
  };
  const found = Symbol.for("@vercel/request-context");
  globalThis[found] = { get: () => request };
  t.after(() => delete globalThis[found]);
  const server = await configured(t);
  trackAIRequest(CALL);
  assert.equal(kept.length, 1);
  const own = [];
  withContext({ waitUntil: (promise) => own.push(promise) }, () => trackAIRequest(CALL));
  assert.deepEqual([kept.length, own.length], [1, 1]);
  await Promise.all([...kept, ...own]);
  assert.equal(server.rows.length, 2);
});

for (const [how, waitUntil] of [
  ["throws", () => assert.fail("illegal invocation")],
  ["rejects", async () => assert.fail("illegal invocation")],
]) {
  test(`a waitUntil that ${how} costs no call`, async (t) => {
    const logged = lines(t);
    const server = await configured(t, { waitUntil });
    trackAIRequest(CALL);
    await flush();
    assert.deepEqual([server.rows.length, counts().lost, logged.length], [1, 0, 1]);
  });
}

test("what a request was sending when its runtime ended it is sent by a later one, and counts once", async (t) => {
  const kept = [];
  const server = await configured(t, { waitUntil: (promise) => kept.push(promise) });
  let go;
  const asked = new Promise((resolve) => {
    server.replies.push(() => {
      resolve();
      return { until: new Promise((ended) => (go = ended)) };
    });
  });
  trackAIRequest({ ...CALL, userId: "left" });
  await asked;
  const now = performance.now.bind(performance);
  t.mock.method(performance, "now", () => now() + 200_000);
  trackAIRequest({ ...CALL, userId: "later" });
  await kept[1];
  assert.deepEqual(server.rows.map(({ userId }) => userId).join(), "left,left,later");
  assert.equal(server.rows[0].requestId, server.rows[1].requestId);
  go();
  await kept[0];
  assert.deepEqual(counts(), { delivered: 2, rejected: 0, waiting: 0, lost: 0, mended: 0 });
});
