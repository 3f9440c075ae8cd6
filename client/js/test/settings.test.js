import assert from "node:assert/strict";
import { test } from "node:test";
import { script } from "./support/script.js";
import { standIn } from "./support/stand_in.js";

const CALL = '{ userId: "u1", contentType: "chat", model: "gpt-4o" }';

for (const [name, settings, message] of [
  ["an unknown setting", { adress: "x" }, /unknown settings: adress; there are url, key/],
  ["no address", { url: "twinmeter.example" }, /must be like https/],
  ["a password in the address", { url: "https://u:p@twinmeter.example" }, /must be like https/],
  ["a key with a line break in it", { url: "https://twinmeter.example", key: "a\nb" }, /must be printable ASCII/],
  ["what is no function", { onRejected: 1 }, /onRejected must be a function/],
]) {
  test(`configure refuses ${name}`, async () => {
    const { configure } = await import("twinmeter");
    assert.throws(() => configure(settings), { name: "TypeError", message });
  });
}

test("without an address and a key calls are lost, counted, and one line says what to set", async () => {
  const { stdout, stderr, status } = await script(`
    trackAIRequest(${CALL});
    process.env.TWINMETER_URL = "http://127.0.0.1:1";
    const { status, errors } = await trackAIRequest(${CALL});
    console.log(status, errors[0].message, JSON.stringify(counts()), JSON.stringify(await flush()));
  `);
  assert.equal(status, 0);
  assert.equal(
    stdout,
    'dropped set TWINMETER_KEY, or call configure({url, key}) {"delivered":0,"rejected":0,"waiting":0,"lost":2,"mended":0} ' +
      '{"delivered":0,"rejected":0,"waiting":0}\n',
  );
  assert.equal(
    stderr,
    "twinmeter: calls are not sent: set TWINMETER_URL and TWINMETER_KEY, or call configure({url, key})\n",
  );
});

test("the environment is looked at again with each call, until it has what is needed", async (t) => {
  const server = await standIn(t);
  const { stderr } = await script(`
    trackAIRequest(${CALL});
    process.env.TWINMETER_URL = "${server.url}/";
    process.env.TWINMETER_KEY = "tm_key ";
    trackAIRequest(${CALL});
  `);
  assert.equal(server.rows.length, 1);
  assert.equal(server.heads[0].authorization, "Bearer tm_key");
  assert.equal(stderr.split("\n").length, 2);
});

test("an address that is wrong is said, and throws nothing", async () => {
  const { stderr, status } = await script(`trackAIRequest(${CALL});`, { TWINMETER_URL: "nowhere", TWINMETER_KEY: "k" });
  assert.equal(status, 0);
  assert.match(stderr, /^twinmeter: calls are not sent: the address of the server \(TWINMETER_URL\) must be like/);
});

test("a runtime that has fetch, timers and random numbers, and little else, is enough", async (t) => {
  const server = await standIn(t);
  const gone = ["process", "CompressionStream", "setImmediate"];
  const preload = `for (const name of ${JSON.stringify(gone)}) delete globalThis[name];`;
  const { status, stderr } = await script(
    `const kept = [];
    configure({ url: "${server.url}", key: "tm_key", waitUntil: (promise) => kept.push(promise) });
    withContext({ userId: "u1" }, () => trackAIRequest({ contentType: "chat", model: "gpt-4o", metadata: { a: "x".repeat(2000) } }));
    await Promise.all(kept);
    if (typeof process !== "undefined") throw new Error("there is a process");`,
    { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` },
  );
  assert.deepEqual([status, stderr], [0, ""]);
  assert.deepEqual(
    [server.rows.length, server.rows[0].userId, server.heads[0]["content-encoding"]],
    [1, "u1", undefined],
  );
});
