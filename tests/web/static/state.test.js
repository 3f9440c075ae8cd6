import assert from "node:assert/strict";
import { test } from "node:test";

import { address } from "../../../app/web/static/api.js";
import { href, narrowed, read, reportParameters } from "../../../app/web/static/state.js";

const at = (url) => read(new URL(url, "http://localhost"));

for (const [url, expected] of [
  ["/admin", { tab: "overview", days: 30, from: null, data: null }],
  ["/admin/usage/models/", { tab: "usage/models", days: 30 }],
  ["/admin/usage/models?days=7&data=demo&model=gpt-4o", { days: 7, data: "demo", model: "gpt-4o" }],
  ["/admin/usage/models?days=9999", { days: 366 }],
  ["/admin/usage/models?days=-1", { days: 1 }],
  ["/admin/usage/models?days=many&data=else", { days: 30, data: null }],
  ["/admin/usage/models?days=7&from=2026-11-01", { days: null, from: "2026-11-01", to: null }],
]) {
  test(`${url} is a view`, () => {
    const state = at(url);
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, state[name]])), expected);
  });
}

for (const [url, changes, expected] of [
  ["/admin/calls?days=7&status=error&cursor=abc", {}, "/admin/calls?days=7&status=error&cursor=abc"],
  ["/admin/calls?days=7&status=error&model=a", { tab: "usage/models" }, "/admin/usage/models?days=7&model=a"],
  ["/admin/calls?days=7", { from: "2026-11-01", to: "2026-11-02" }, "/admin/calls?from=2026-11-01&to=2026-11-02"],
  ["/admin/calls?from=2026-11-01&to=2026-11-02", { days: 30 }, "/admin/calls"],
  ["/admin/usage/models?model=a%26b", { model: null, feature: "c d" }, "/admin/usage/models?feature=c+d"],
  ["/admin/usage/models", { tab: "overview" }, "/admin"],
  ["/admin/settings/alerts?cursor=a&deliveriesCursor=b", { deliveriesCursor: null }, "/admin/settings/alerts?cursor=a"],
  [
    "/admin/settings/alerts?cursor=a&deliveriesCursor=b",
    { clientId: "c", cursor: null },
    "/admin/settings/alerts?clientId=c",
  ],
]) {
  test(`${url} leads to ${expected}`, () => assert.equal(href(at(url), changes), expected));
}

test("a report is asked for its window, its filters and which data counts", () => {
  const { days, model, synthetic } = reportParameters(at("/admin/usage/models?data=all&model=a"), { days: 7 });
  assert.deepEqual({ days, model, synthetic }, { days: 7, model: "a", synthetic: "include" });
});

test("a view by provider, model or feature is narrowed, one by client is not", () => {
  assert.deepEqual(
    ["?provider=a", "?model=a", "?feature=a", "?clientId=a", ""].map((query) => narrowed(at(`/admin${query}`))),
    [true, true, true, false, false],
  );
});

test("parameters that are not set are left out of an address", () => {
  assert.equal(
    address("/api", { days: 7, from: null, to: undefined, model: "", feature: "a b" }),
    "/api?days=7&feature=a+b",
  );
  assert.equal(address("/api", { from: null }), "/api");
});
