import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { beforeEach, test } from "node:test";

import { createElement } from "react";
import TestRenderer, { act } from "react-test-renderer";
import { AnalyticsError, useAnalytics, useUsageLimit } from "twinmeter/react";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const silent = console.error;
console.error = (text, ...more) => String(text).includes("deprecated") || silent(text, ...more);

/** A page that is seen, or not. */
class Page extends EventTarget {
  hidden = false;
  show(isSeen) {
    this.hidden = !isSeen;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

beforeEach(() => {
  globalThis.document = new Page();
});

/** A server of figures: it answers when told to, with how many requests there were. */
async function figures(t) {
  const told = { requests: [], aborted: 0, reply: undefined };
  const server = createServer(async (request, response) => {
    const number = told.requests.push({ url: request.url, authorization: request.headers.authorization });
    response.on("close", () => {
      if (!response.writableFinished) told.aborted += 1;
      told.onAbort?.();
    });
    told.onRequest?.(number);
    const { status = 200, body = { summary: { requests: number } } } = (await told.reply?.(number)) ?? {};
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  told.url = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return told;
}

const states = [];

function Component(props) {
  states.push(useAnalytics(props));
  return null;
}

/** A component that uses the hook; `until` waits for a state, and `states` has them all. */
async function mounted(t, options) {
  states.length = 0;
  let renderer;
  await act(async () => {
    renderer = TestRenderer.create(createElement(Component, options));
  });
  t.after(() => act(async () => renderer.unmount()));
  const until = async (holds) => {
    while (!holds(states.at(-1))) await act(() => new Promise((resolve) => setTimeout(resolve, 5)));
    return states.at(-1);
  };
  const update = (changed) => act(async () => renderer.update(createElement(Component, changed)));
  return { until, update, unmount: () => act(async () => renderer.unmount()) };
}

test("figures are loaded once, and again where somebody refreshes", async (t) => {
  const server = await figures(t);
  const { until } = await mounted(t, { days: 7, type: "daily", url: `${server.url}/`, token: () => "token" });
  assert.deepEqual([states[0].data, states[0].error, states[0].loading], [null, null, true]);
  const loaded = await until(({ loading }) => !loading);
  assert.equal(loaded.data.summary.requests, 1);
  assert.deepEqual(server.requests, [{ url: "/api/analytics?days=7&type=daily", authorization: "Bearer token" }]);
  await act(async () => {
    loaded.refresh();
  });
  assert.deepEqual([states.at(-1).loading, states.at(-1).data.summary.requests], [true, 1]);
  assert.equal((await until(({ loading }) => !loading)).data.summary.requests, 2);
});

test("an error is the server's own words, and takes no figures away", async (t) => {
  const server = await figures(t);
  server.reply = (number) =>
    number === 2 && { status: 403, body: { title: "Forbidden", detail: "needs the scope read" } };
  const { until } = await mounted(t, { url: server.url });
  const { refresh } = await until(({ loading }) => !loading);
  await act(async () => {
    refresh();
  });
  const { error, data } = await until(({ error }) => error);
  assert.ok(error instanceof AnalyticsError);
  assert.deepEqual([error.message, error.status, data.summary.requests], ["needs the scope read", 403, 1]);
  assert.equal(server.requests[0].authorization, undefined);
});

test("a server that is away is an error, not an exception", async (t) => {
  const { until } = await mounted(t, { url: "http://127.0.0.1:1" });
  const { error, loading } = await until(({ error }) => error);
  assert.match(error.message, /cannot be reached/);
  assert.deepEqual([error.status, loading], [0, false]);
});

test("the request ends with the component", async (t) => {
  const server = await figures(t);
  server.reply = () => new Promise(() => {});
  const asked = new Promise((resolve) => {
    server.onRequest = resolve;
  });
  const { unmount } = await mounted(t, { url: server.url });
  await asked;
  const aborted = new Promise((resolve) => {
    server.onAbort = resolve;
  });
  await unmount();
  await aborted;
  assert.equal(server.aborted, 1);
  assert.ok(states.at(-1).loading);
});

test("other parameters take the place of a request that is under way", async (t) => {
  const server = await figures(t);
  server.reply = (number) => (number === 1 ? new Promise(() => {}) : undefined);
  const asked = new Promise((resolve) => {
    server.onRequest = resolve;
  });
  const { until, update } = await mounted(t, { url: server.url, days: 7 });
  await asked;
  await update({ url: server.url, days: 30 });
  assert.equal((await until(({ loading }) => !loading)).data.summary.requests, 2);
  assert.deepEqual(
    server.requests.map(({ url }) => url).join(),
    "/api/analytics?days=7&type=all,/api/analytics?days=30&type=all",
  );
});

test("it refreshes by itself, rests while the page is hidden, and makes up for it when it is seen", async (t) => {
  const server = await figures(t);
  const { until } = await mounted(t, { url: server.url, refreshInterval: 20 });
  await until(({ data }) => data?.summary.requests >= 3);
  document.hidden = true;
  await until(({ loading }) => !loading);
  document.show(false);
  const before = server.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(server.requests.length, before);
  document.show(true);
  await until(({ data }) => data.summary.requests > before);
});

let usage;

function Left(props) {
  usage = useUsageLimit(props);
  return null;
}

test("a user's limits are those of the panel, by unit and feature", async (t) => {
  const server = await figures(t);
  const any = { serviceType: null, model: null, feature: null };
  const body = {
    plan: null,
    limits: [
      { id: "usd", unit: "usd", filter: any, reached: false },
      { id: "chat", unit: "requests", filter: { ...any, feature: "chat" }, reached: false },
      { id: "all", unit: "requests", filter: any, reached: false },
    ],
    shared: [{ id: "images", unit: "images", filter: { ...any, serviceType: "image" }, reached: true }],
  };
  server.reply = () => ({ body });
  let renderer;
  const idsOf = async (options) => {
    await act(async () => {
      const element = createElement(Left, { url: server.url, token: "token", ...options });
      if (renderer) renderer.update(element);
      else renderer = TestRenderer.create(element);
    });
    while (usage.loading) await act(() => new Promise((resolve) => setTimeout(resolve, 5)));
    return [usage.limit?.id, usage.limits.map(({ id }) => id).join(), usage.reached];
  };
  t.after(() => act(async () => renderer.unmount()));
  assert.deepEqual(await idsOf({}), ["usd", "usd,chat,all", true]);
  assert.deepEqual(await idsOf({ unit: "requests", feature: "chat" }), ["chat", "chat,all", false]);
  assert.deepEqual(await idsOf({ unit: "requests", feature: "letter" }), ["all", "all", false]);
  assert.deepEqual(await idsOf({ unit: "images", serviceType: "image" }), [undefined, "", true]);
  assert.deepEqual(server.requests, [{ url: "/api/me/usage", authorization: "Bearer token" }]);
});
