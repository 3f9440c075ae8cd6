/** A server that does what a test tells it to, also what a real one does only on a bad day. */
import { once } from "node:events";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

/** The answer to a batch with these outcomes. */
export const receipts = (statuses, more = {}) =>
  JSON.stringify({
    receipts: statuses.map((status) => ({ status, id: null, feature: null, cost: null, errors: [], ...more })),
  });

/** The answer to a question about limits: yes. A reservation has the id of its request. */
export function granted(path, asked) {
  if (path.endsWith("/check")) return { body: JSON.stringify({ allowed: true, feature: "chat", limits: [] }) };
  const told = { id: `r-${asked.requestId}`, expiresAt: "2030-01-01T00:00:00Z", feature: "chat", held: [] };
  return { status: 201, body: JSON.stringify(told) };
}

/**
 * What it was sent is in `batches`, `bodies` and `heads`. `replies` are its next answers, then comes `otherwise`:
 * `{status, body, headers, cut: "before" or "half", until}`, or a function of the rows that gives one. Without a body
 * every row is committed. `limits` answers what is asked about limits, which is in `asked`; ids of reservations that were
 * given back are in `released`, and `releases` is the answer to that.
 */
export async function standIn(t) {
  const told = { batches: [], bodies: [], heads: [], replies: [], otherwise: {}, date: undefined, times: 0 };
  Object.assign(told, { limits: granted, asked: [], released: [], releases: { status: 204, body: "" } });
  Object.defineProperty(told, "rows", { get: () => told.batches.flat() });
  const server = createServer(async (request, response) => {
    if (told.date) response.setHeader("Date", told.date);
    if (request.method === "HEAD") {
      told.times += 1;
      response.end();
      return;
    }
    const chunks = await request.toArray().catch(() => []);
    const sent = Buffer.concat(chunks);
    const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent).toString();
    if (!request.url.endsWith("/batch")) {
      const asked = body && JSON.parse(body);
      if (asked) told.asked.push(asked);
      else told.released.push(request.url.split("/").at(-1));
      return answer(response, asked ? told.limits(request.url, asked) : told.releases, []);
    }
    const rows = body.trim().split("\n").map(JSON.parse);
    told.batches.push(rows);
    told.bodies.push(body);
    told.heads.push(request.headers);
    const next = told.replies.shift() ?? told.otherwise;
    await answer(response, typeof next === "function" ? next(rows) : next, rows);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  told.url = `http://127.0.0.1:${server.address().port}`;
  told.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  t.after(told.close);
  return told;
}

async function answer(response, { status = 200, body, headers = {}, cut, until }, rows) {
  await until;
  if (cut === "before") return response.destroy();
  const content = Buffer.from(body ?? receipts(rows.map(() => "committed")));
  response.writeHead(status, { "Content-Length": content.length, ...headers });
  if (cut !== "half") return response.end(content);
  response.write(content.subarray(0, content.length >> 1));
  setImmediate(() => response.destroy());
}

/** The lines that are logged in a test. */
export function lines(t) {
  const logged = [];
  t.mock.method(console, "warn", (...words) => logged.push(words.join(" ")));
  return logged;
}
