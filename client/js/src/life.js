// The end of a process that has an end: what waits is sent when the event loop has nothing else to do.

/** @import { Client } from "./client.js" */

/** For all clients together. */
const EXIT_MS = 5_000;

/** @type {Set<Client>} */
const clients = new Set();
/** @type {number | undefined} */
let until;

/**
 * Send what this client has before the process ends, within 5 s; what an exit in between leaves is said.
 * @param {Client} client
 */
export function watchOver(client) {
  const { process } = /** @type {any} */ (globalThis);
  if (!clients.size && typeof process?.on === "function") {
    process.on("beforeExit", drain);
    process.on("exit", end);
  }
  clients.add(client);
}

async function drain() {
  const waiting = [...clients].filter((client) => client.counts().waiting);
  if (!waiting.length) return;
  until ??= performance.now() + EXIT_MS;
  const left = until - performance.now();
  if (left > 0) await Promise.all(waiting.map((client) => client.flush({ timeout: left })));
  if (waiting.some((client) => client.counts().waiting)) end();
  else until = undefined;
}

/** What is under way would keep the process. */
function end() {
  for (const client of clients) client.end();
}
