import assert from "node:assert/strict";
import { test } from "node:test";

import { script } from "./support/script.js";
import { standIn } from "./support/stand_in.js";

const CALL = '{ userId: "u1", contentType: "chat", model: "gpt-4o" }';
const keyed = ({ url }) => ({ TWINMETER_URL: url, TWINMETER_KEY: "tm_key" });

test("a script that ends has sent what it has reported: 1,300 of 1,300", async (t) => {
  const server = await standIn(t);
  const { status, stderr } = await script(`for (let i = 0; i < 1300; i++) trackAIRequest(${CALL});`, keyed(server));
  assert.deepEqual([status, stderr], [0, ""]);
  assert.equal(new Set(server.rows.map(({ requestId }) => requestId)).size, 1_300);
});

test("what is reported while the process ends is sent, too", async (t) => {
  const server = await standIn(t);
  const code = `trackAIRequest(${CALL}); process.once("beforeExit", () => trackAIRequest(${CALL}));`;
  const { status, stderr } = await script(code, keyed(server));
  assert.deepEqual([status, stderr, server.rows.length], [0, "", 2]);
});

test("a script waits 5 s for a server that is away or hangs, and then says what is lost", async (t) => {
  const hanging = await standIn(t);
  hanging.otherwise = { until: new Promise(() => {}) };
  const started = performance.now();
  const code = `for (let i = 0; i < 30; i++) trackAIRequest(${CALL});
    process.on("exit", () => console.log(JSON.stringify(counts())));`;
  const said = await Promise.all([script(code, keyed({ url: "http://127.0.0.1:1" })), script(code, keyed(hanging))]);
  assert.ok(performance.now() - started < 20_000);
  for (const [index, reason] of [/cannot be reached/, /has not answered in time/].entries()) {
    const { stdout, stderr, status } = said[index];
    assert.equal(status, 0);
    assert.equal(stdout, '{"delivered":0,"rejected":0,"waiting":0,"lost":30,"mended":0}\n');
    assert.match(stderr, /calls are lost: 30; they were left at the exit/);
    assert.match(stderr, reason);
  }
});

test("process.exit() sends nothing, and says so", async (t) => {
  const server = await standIn(t);
  const { stderr, status } = await script(`trackAIRequest(${CALL}); process.exit(3);`, keyed(server));
  assert.equal(status, 3);
  assert.match(stderr, /calls are lost: 1; they were left at the exit/);
  assert.equal(server.rows.length, 0);
});

test("importing does nothing: no timer, no listener", async () => {
  const { stdout } = await script(`
    const timers = process.getActiveResourcesInfo().filter((each) => each === "Timeout");
    console.log(process.listenerCount("beforeExit"), timers.length);`);
  assert.equal(stdout, "0 0\n");
});

test("workers of one process have ids of their own", async (t) => {
  const server = await standIn(t);
  const code = `import { Worker } from "node:worker_threads";
    const source = 'import("${new URL("../index.js", import.meta.url)}").then(({ trackAIRequest }) => { for (let i = 0; i < 100; i++) trackAIRequest(${CALL}); })';
    for (let i = 0; i < 3; i++) new Worker(source, { eval: true });
    for (let i = 0; i < 100; i++) trackAIRequest(${CALL});`;
  const { status, stderr } = await script(code, keyed(server));
  assert.deepEqual([status, stderr], [0, ""]);
  assert.equal(new Set(server.rows.map(({ requestId }) => requestId)).size, 400);
});
