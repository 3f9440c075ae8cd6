// A stream of server-sent events whose bytes the caller reads by itself.

const READS = /** @type {const} */ (["arrayBuffer", "blob", "bytes", "clone", "formData", "json", "text"]);
const EVENT_END = /\r?\n\r?\n/;

/** @typedef {{take(event: unknown): boolean, completed(): void, interrupt(): void, end(error: unknown, hasFailed: boolean): void}} Observer */

/**
 * Let `observer` take in the events of a response while the caller reads them. What it does not take for the caller's
 * is left out.
 * @param {Response} response
 * @param {Observer} observer
 */
export function rawStream(response, observer) {
  /** @type {Response | undefined} */
  let made;
  const { body } = response;
  // node-fetch, under openai 4, has streams of its own
  if (body && typeof body.getReader !== "function") return observer.end(new TypeError("a body of another kind"), true);
  const observed = () => {
    made ??= new Response(body && observedBytes(body, observer));
    return made;
  };
  for (const name of READS) {
    if (name in response) {
      const read = (/** @type {any[]} */ ...args) => /** @type {any} */ (observed())[name](...args);
      Object.defineProperty(response, name, { value: read, configurable: true, writable: true });
    }
  }
  Object.defineProperty(response, "body", { get: () => observed().body, configurable: true });
  Object.defineProperty(response, "bodyUsed", { get: () => observed().bodyUsed, configurable: true });
}

/**
 * @param {ReadableStream<Uint8Array>} bytes
 * @param {Observer} observer
 * @returns {ReadableStream<Uint8Array>}
 */
function observedBytes(bytes, observer) {
  const reader = bytes.getReader();
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  return new ReadableStream({
    async pull(controller) {
      try {
        for (let isEmpty = true; isEmpty; ) {
          const { done, value } = await reader.read();
          rest += decoder.decode(value, { stream: !done });
          const passed = taken(done);
          if (passed) controller.enqueue(encoder.encode(passed));
          if (done) {
            observer.completed();
            controller.close();
          }
          isEmpty = !passed && !done;
        }
      } catch (error) {
        observer.end(error, true);
        throw error;
      }
    },
    async cancel(reason) {
      observer.interrupt();
      await reader.cancel(reason);
    },
  });

  /**
   * The whole events that have come, or at the end all that is left.
   * @param {boolean} isAll
   */
  function taken(isAll) {
    let passed = "";
    for (let end = EVENT_END.exec(rest); end; end = EVENT_END.exec(rest)) {
      const event = rest.slice(0, end.index + end[0].length);
      rest = rest.slice(event.length);
      if (isTheCallers(event)) passed += event;
    }
    return isAll ? passed + rest : passed;
  }

  /** @param {string} event */
  function isTheCallers(event) {
    const data = event.split(/\r?\n/).flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trimStart()] : []));
    try {
      return observer.take(JSON.parse(data.join("\n")));
    } catch {
      return true; // [DONE], a comment
    }
  }
}
