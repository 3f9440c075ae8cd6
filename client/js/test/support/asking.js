/** What tests of asking before a call share. */
import assert from "node:assert/strict";

import { configure, flush } from "twinmeter";

import { standIn } from "./stand_in.js";

export const PATIENT = { timeout: 20_000 };
const REFUSAL = {
  type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  detail: "10 of 10 requests are used",
  "violated-policies": ["limit-1"],
  feature: "chat",
  asked: 1,
  unit: "requests",
  window: "day",
  resetsAt: "2030-01-01T00:00:00Z",
  upgradeUrl: "https://shop.example/upgrade",
  message: "You have used all 10 of your chat messages for today.",
};
export const REFUSED = {
  ...{ allowed: false, feature: "chat", violated: ["limit-1"], message: REFUSAL.message, unit: "requests" },
  ...{ limit: "10", used: "9.1234567890123456", held: "0.5", asked: "1", window: "day" },
  ...{ resetsAt: new Date("2030-01-01"), retryAfter: 60_000, upgradeUrl: REFUSAL.upgradeUrl },
  ...{ unenforced: false, reason: null },
};

/** The server's own digits are more than a number of JavaScript holds. */
export function refuses(path) {
  const body = JSON.stringify(REFUSAL).replace("{", '{"limit": 10, "used": 9.1234567890123456, "held": 0.5, ');
  if (path.endsWith("/check")) return { body: body.replace("{", '{"allowed": false, ') };
  return { status: 429, body, headers: { "Retry-After": "60" } };
}

export async function configured(t, settings = {}) {
  const server = await standIn(t);
  configure({ url: server.url, key: "tm_key", limitsTimeout: 20_000, ...settings });
  return server;
}

export async function rows(server) {
  await flush(PATIENT);
  assert.ok(!/SECRET/.test(JSON.stringify([server.rows, server.asked])));
  return server.rows;
}

export const idsOf = (server) => server.asked.map(({ requestId }) => `r-${requestId}`);
