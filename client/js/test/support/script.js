/** An application in a process of its own. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

const HERE = new URL(".", import.meta.url);

/** Run the text of a module that has everything of the package at hand. */
export async function script(code, environment = {}) {
  const source = `import * as twinmeter from "twinmeter";
    const { call, configure, counts, flush, trackAIRequest, withContext, wrap } = twinmeter;
    ${code}`;
  const { TWINMETER_URL: _, TWINMETER_KEY: __, NODE_TEST_CONTEXT: ___, ...own } = process.env;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
    cwd: HERE,
    env: { ...own, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { stdout, stderr, status };
}
