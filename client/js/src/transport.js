// Requests to the server.

/** @import { Clock } from "./clock.js" */
/** @import { Configuration } from "./settings.js" */

/** The server answers a batch within 10 s unless it is set otherwise. */
const ANSWER_MS = 30_000;
const GZIP_FROM_BYTES = 1_000;

/** @typedef {{status: number, content: string, retryAfter: number | undefined, location: string | null}} Answer */

/** No answer. Whether the server has read the request is not known. */
export class UnreachableError extends Error {}

export class Transport {
  #configuration;
  #clock;
  #ending = new AbortController();

  /**
   * @param {Configuration} configuration
   * @param {Clock} clock
   */
  constructor(configuration, clock) {
    this.#configuration = configuration;
    this.#clock = clock;
  }

  /** Let go of what is under way: the process ends. */
  end() {
    this.#ending.abort();
  }

  /**
   * Send lines of NDJSON. Rejects with UnreachableError.
   * @param {string} path
   * @param {Uint8Array<ArrayBuffer>[]} lines
   */
  async post(path, lines) {
    const { body, headers } = await packed(joined(lines));
    return this.#asked("POST", path, body, { "Content-Type": "application/x-ndjson", ...headers });
  }

  /**
   * Send a question, whose body is JSON. Rejects with UnreachableError.
   * @param {string} method
   * @param {string} path
   * @param {string | undefined} body
   * @param {number} ms for how long an answer is waited for
   */
  ask(method, path, body, ms) {
    return this.#asked(method, path, body, body ? { "Content-Type": "application/json" } : {}, ms);
  }

  /** Ask for nothing but the time, so that no call is dated before the clock is known to be right. */
  async learnTime() {
    await this.#asked("HEAD", "/livez", undefined, {});
    this.#clock.isAsked = true;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {BodyInit | undefined} body
   * @param {Record<string, string>} headers
   * @param {number} [ms]
   * @returns {Promise<Answer>}
   */
  async #asked(method, path, body, headers, ms = ANSWER_MS) {
    const limit = new AbortController();
    const end = () => limit.abort();
    const timer = setTimeout(end, ms);
    this.#ending.signal.addEventListener("abort", end, { once: true });
    try {
      const response = await fetch(this.#configuration.url + path, {
        method,
        body,
        headers: { Authorization: `Bearer ${this.#configuration.key}`, Accept: "application/json", ...headers },
        redirect: "manual",
        signal: limit.signal,
      });
      const received = Date.now();
      this.#clock.heard(response.headers.get("Date"), received);
      const content = await response.text();
      const retryAfter = millisecondsOf(response.headers.get("Retry-After"));
      return { status: response.status, content, retryAfter, location: response.headers.get("Location") };
    } catch (error) {
      throw new UnreachableError(limit.signal.aborted ? "no answer in time" : wordsOf(error));
    } finally {
      clearTimeout(timer);
      this.#ending.signal.removeEventListener("abort", end);
    }
  }
}

/**
 * In one piece: a stream of 500 pieces takes twenty times as long.
 * @param {Uint8Array<ArrayBuffer>[]} lines
 */
function joined(lines) {
  const body = new Uint8Array(lines.reduce((size, line) => size + line.length, 0));
  let end = 0;
  for (const line of lines) {
    body.set(line, end);
    end += line.length;
  }
  return body;
}

/**
 * @param {Uint8Array<ArrayBuffer>} body
 * @returns {Promise<{body: BodyInit, headers: Record<string, string>}>}
 */
async function packed(body) {
  if (body.length < GZIP_FROM_BYTES || typeof CompressionStream === "undefined") return { body, headers: {} };
  const gzip = new CompressionStream("gzip");
  const writer = gzip.writable.getWriter();
  const written = writer.write(body).then(() => writer.close());
  const [content] = await Promise.all([new Response(gzip.readable).arrayBuffer(), written]);
  return { body: content, headers: { "Content-Encoding": "gzip" } };
}

/**
 * `Retry-After`: seconds, or a date.
 * @param {string | null} told
 */
function millisecondsOf(told) {
  if (!told) return undefined;
  const wait = /^\s*\d+\s*$/.test(told) ? Number(told) * 1_000 : Date.parse(told) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

/** @param {any} error */
function wordsOf(error) {
  const cause = error?.cause?.code ?? error?.cause?.message ?? "";
  return [error?.message ?? "", cause].filter(Boolean).join(": ").slice(0, 200);
}
