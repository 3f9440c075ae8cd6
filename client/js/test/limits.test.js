import assert from "node:assert/strict";
import { test } from "node:test";

import { check, configure, flush, reserve, trackAIRequest, withContext } from "twinmeter";

import { configured, idsOf, PATIENT, REFUSED, refuses, rows } from "./support/asking.js";
import { granted, lines } from "./support/stand_in.js";

test("a reservation asks by the bounds of the call and of the context", async (t) => {
  const server = await configured(t);
  const bounds = { contentType: "chat", model: "gpt-4o", inputTokens: 100, maxOutputTokens: 50, ttlSeconds: 60 };
  const { id, expiresAt, decision } = await withContext({ userId: 7, conversationId: "not asked" }, () =>
    reserve(bounds),
  );
  const [{ requestId, ...asked }] = server.asked;
  assert.deepEqual(asked, { userId: "7", ...bounds });
  assert.deepEqual([id, expiresAt], [`r-${requestId}`, new Date("2030-01-01")]);
  assert.deepEqual([decision.allowed, decision.unenforced, decision.violated], [true, false, []]);
});

test("a refusal is a decision with every field, and every digit", async (t) => {
  const server = await configured(t);
  server.limits = refuses;
  const { decision, allowed, id } = await reserve({ userId: "u1", contentType: "chat" });
  assert.deepEqual([decision, allowed, id], [REFUSED, false, null]);
  assert.deepEqual(await check({ userId: "u1", contentType: "chat" }), { ...REFUSED, retryAfter: null });
});

test("the first call inside takes the reservation, which is released where there is none", async (t) => {
  const server = await configured(t);
  const inside = await reserve({ userId: "u1", contentType: "letter" }, async (reservation) => {
    await null;
    trackAIRequest({ userId: "another", model: "m" });
    trackAIRequest({ model: "m" });
    trackAIRequest({ model: "m" });
    return reservation.id;
  });
  const empty = await reserve({ userId: "u1", contentType: "chat" }, ({ id }) => id);
  await assert.rejects(
    reserve({ userId: "u1", contentType: "chat" }, () => Promise.reject(new RangeError())),
    RangeError,
  );
  const settled = await reserve({ userId: "u1", contentType: "chat" }, (reservation) => {
    reservation.settle();
    return reservation.id;
  });
  const explicit = await reserve({ userId: "u1", contentType: "chat" });
  explicit.release();
  explicit.release();
  const told = (await rows(server)).map(({ userId, contentType, reservationId }) => [
    userId,
    contentType,
    reservationId,
  ]);
  const letter = ["u1", "letter", undefined];
  assert.deepEqual(told, [["another", "letter", undefined], ["u1", "letter", inside], letter]);
  assert.deepEqual(server.released, [empty, idsOf(server)[2], explicit.id]);
  assert.ok(!server.released.includes(settled));
});

test("a receipt that is rejected gives all of it back", async (t) => {
  const server = await configured(t);
  lines(t);
  const reservation = await reserve({ userId: "u1", contentType: "chat" });
  const body = JSON.stringify({ receipts: [{ status: "rejected", errors: [] }] });
  server.replies.push({ body });
  reservation.settle(await trackAIRequest({ userId: "u1", model: "m", reservationId: reservation.id }));
  await rows(server);
  assert.deepEqual(server.released, [reservation.id]);
});

for (const [name, limits, reason] of [
  ["503", () => ({ status: 503, body: "{}", headers: { "Retry-After": "2" } }), /^the server answers 503/],
  ["a 429 of something in between", () => ({ status: 429, body: "{}" }), /^the server answers 429/],
  ["a page", () => ({ body: "<html>" }), /^the server answers 200: see whether TWINMETER_URL/],
  ["a server from before", () => ({ status: 404, body: "{}" }), /^the server answers 404/],
  ["another's user", () => ({ status: 403, body: "{}" }), /^the server does not let this key/],
  [
    "a mistake",
    () => ({ status: 400, body: '{"detail": "userId: is missing"}' }),
    /question \(400\): userId: is missing/,
  ],
  ["a cut", () => ({ cut: "half", body: '{"id": "r1"}' }), /^the server cannot be reached/],
]) {
  for (const limitsWhenAway of ["allow", "refuse"]) {
    test(`where the server cannot be asked calls are as was set: ${name}, ${limitsWhenAway}`, async (t) => {
      const logged = lines(t);
      const server = await configured(t, { limitsWhenAway });
      server.limits = limits;
      const { decision, id } = await reserve({ userId: "u1", contentType: "chat" });
      assert.deepEqual([decision.allowed, decision.unenforced, id], [limitsWhenAway === "allow", true, null]);
      assert.match(decision.reason, reason);
      assert.equal(decision.message === null, decision.allowed);
      assert.equal(logged.length, name === "another's user" ? 0 : 1);
    });
  }
}

test("what has no upper bound is refused, with the way out", async (t) => {
  const server = await configured(t);
  server.limits = () => ({ status: 422, body: '{"detail": "maxOutputTokens: is needed"}' });
  const { allowed, unenforced, reason } = await check({ userId: "u1", contentType: "chat" });
  assert.deepEqual([allowed, unenforced, reason], [false, false, "maxOutputTokens: is needed"]);
});

test("a server that hangs costs one caller its time, and what it grants later is given back", async (t) => {
  lines(t);
  const server = await configured(t, { limitsTimeout: 500 });
  while ((await check({ userId: "u1" })).unenforced) await new Promise((resolve) => setTimeout(resolve, 5));
  server.asked.length = 0;
  let proceed;
  const until = new Promise((resolve) => {
    proceed = resolve;
  });
  server.limits = (path, asked) => ({ ...granted(path, asked), until });
  const reasons = new Set();
  for (let each = 0; each < 100; each++) reasons.add((await reserve({ userId: "u1" })).decision.reason);
  assert.deepEqual([[...reasons], server.asked.length], [["no answer within 500 ms"], 1]);
  server.limits = granted;
  proceed();
  while ((await check({ userId: "u1" })).unenforced) await new Promise((resolve) => setTimeout(resolve, 5));
  await flush(PATIENT);
  assert.deepEqual(server.released, [idsOf(server)[0]]);
});

test("without an address nobody is asked", async (t) => {
  lines(t);
  configure({ url: "", key: "" });
  const { allowed, unenforced, reason } = await check({ userId: "u1", contentType: "chat" });
  assert.deepEqual([allowed, unenforced], [true, true]);
  assert.match(reason, /^set TWINMETER_URL and TWINMETER_KEY/);
});

test("wrong settings are the programmer's error", () => {
  for (const wrong of [{ limitsWhenAway: "maybe" }, { limitsTimeout: 0 }, { limitsTimeout: Number.NaN }]) {
    assert.throws(() => configure(wrong), TypeError);
  }
});
