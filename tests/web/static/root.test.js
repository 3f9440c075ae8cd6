import assert from "node:assert/strict";
import { test } from "node:test";

import { rootOf } from "../../../app/web/static/root.js";

for (const [script, expected] of [
  ["https://host/admin/static/0123456789abcdef/root.js", ""],
  ["https://host/twinmeter/admin/static/0123456789abcdef/root.js", "/twinmeter"],
  ["https://host/admin/tools/ai/admin/static/0123456789abcdef/root.js", "/admin/tools/ai"],
  ["https://host/admin/static/a/admin/static/0123456789abcdef/root.js", "/admin/static/a"],
  ["file:///home/someone/root.js", ""],
]) {
  test(`a script at ${script} is below "${expected}"`, () => assert.equal(rootOf(script), expected));
}
