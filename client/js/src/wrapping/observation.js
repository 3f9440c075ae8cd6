// One request of a provider's SDK that is under way, observed where the SDK itself looks: the caller's promise, stream
// and response are the SDK's own, and do all that they did.

import { current } from "../client.js";
import { surroundings, withReservation } from "../context.js";
import { permitted } from "../limits.js";
import { TrackedCall } from "../tracked_call.js";
import { boundsOf } from "./bounds.js";
import { rawStream } from "./raw.js";

/** @import { Terms } from "../../index.d.ts" */

/** @typedef {Record<string, any>} Fields */

const REFUSING = new Set([400, 422]);

/** Calls whose promise and stream nobody holds any more, so that their end never comes. */
const abandoned =
  typeof FinalizationRegistry === "undefined"
    ? undefined
    : new FinalizationRegistry((/** @type {Observation} */ observation) => observation.letGo());

export class Observation {
  #question;
  #asks = false;
  /** What is sent instead of a request that was refused for our sake. @type {Promise<any> | undefined} */
  #again;
  #block;
  /** @type {Fields} */
  #known;
  /** @type {TrackedCall} */
  #call;
  #isParsed = false;
  #hasReturned = false;
  /** Whether the caller reads the body, which then has to come to its end. */
  #isRaw = false;
  /** Of how many objects of the caller's it depends whether the call ever ends. */
  #held = 0;
  /** @type {Fields} */
  #facts = {};
  #model = "";

  /**
   * @param {Fields} defaults fields that hold where the context tells no others
   * @param {import("./wrap.js").Question} question
   */
  constructor(defaults, question) {
    this.#question = question;
    const { fields, block } = surroundings();
    const known = { userId: "anonymous", ...defaults, ...fields, ...block?.handOver(), provider: defaults.provider };
    this.#block = block;
    this.#known = withReservation(/** @type {Fields} */ (known));
    this.#call = new TrackedCall(this.#known, () => this.#model);
  }

  /**
   * Ask the server before the call is made. Rejects with QuotaExceededError, or what `onRefused` throws.
   * @param {any} options what the provider is asked
   * @param {Terms["onRefused"]} onRefused
   */
  async permitted(options, onRefused) {
    if (this.#known.reservationId) return;
    try {
      const bounds = { model: this.#model, ...boundsOf(options?.body, this.#known.serviceType) };
      const { fields } = await permitted(this.#known, { ...bounds, ...this.#spoken }, onRefused);
      this.#call.permit(fields);
    } catch (error) {
      this.#block?.takeBack();
      this.#call.refuse();
      throw error;
    }
  }

  /** What of the bill the request tells. */
  get #spoken() {
    const { characters } = this.#facts;
    return characters === undefined ? {} : { characters };
  }

  /**
   * What is asked for, which is told where the response does not.
   * @param {any} options
   * @param {boolean} asks whether usage was asked for that the caller has not asked for
   */
  requested(options, asks) {
    this.#asks = asks;
    const { body } = options ?? {};
    const read = (/** @type {string} */ name) => (typeof body?.get === "function" ? body.get(name) : body?.[name]);
    this.#model = String(read("model") ?? "");
    if (typeof body?.input === "string" && "voice" in body) this.#facts = { characters: [...body.input].length };
    for (const name of ["size", "quality"]) if (typeof read(name) === "string") this.#facts[name] = read(name);
  }

  /**
   * Observe the promise of an SDK. Where the API refuses what only we have asked for, `again` asks without.
   * @template {object} P
   * @param {P} promise
   * @param {() => any} [again]
   * @returns {P}
   */
  watch(promise, again) {
    const inner = /** @type {any} */ (promise);
    if (typeof inner?.responsePromise?.then !== "function" || typeof inner.parseResponse !== "function") {
      current().failed("the tracking of a wrapped client", new TypeError("this version of the SDK is not known"));
      return promise;
    }
    inner.responsePromise = inner.responsePromise.then(
      (/** @type {unknown} */ response) => {
        if (this.#asks) this.#question.isTaken = true;
        return response;
      },
      (/** @type {unknown} */ error) => {
        if (!again || !this.#isRefused(error)) throw this.#failed(error);
        this.#again ??= this.#answeredWithout(again());
        return this.#again;
      },
    );
    const parse = inner.parseResponse;
    inner.parseResponse = async (/** @type {unknown[]} */ ...args) => {
      this.#isParsed = true;
      try {
        return this.#returned(await parse.apply(inner, args));
      } catch (error) {
        throw this.#failed(error);
      }
    };
    if (Object.hasOwn(inner, "_thenUnwrap")) this.#watchDerived(inner, again);
    const asResponse = inner.asResponse;
    inner.asResponse = async () => this.#raw(await asResponse.call(inner));
    this.#hold(promise);
    return promise;
  }

  /** @param {unknown} error */
  #failed(error) {
    this.end(error, true);
    return error;
  }

  /**
   * Whether it may be our question that an API refuses, which it need not name.
   * @param {any} error
   */
  #isRefused(error) {
    if (this.#again) return true;
    if (!this.#asks || !REFUSING.has(error?.status)) return false;
    const { isTaken } = this.#question;
    return isTaken === undefined || /stream_options|include_usage/.test(String(error.message));
  }

  /** @param {Promise<any>} answered the request as the caller made it */
  async #answeredWithout(answered) {
    this.#asks = false;
    try {
      const response = await answered;
      this.#question.isTaken = false;
      return response;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /**
   * In openai 7 what is derived of a promise does not go through it.
   * @param {any} promise
   * @param {() => any} [again]
   */
  #watchDerived(promise, again) {
    const unwrap = promise._thenUnwrap;
    promise._thenUnwrap = (/** @type {Function} */ transform) => {
      promise.responsePromise.catch(() => {}); // nobody has this one; the derived one tells the error
      const observed = (/** @type {unknown} */ result, /** @type {any[]} */ ...more) =>
        transform(this.#returned(result), ...more);
      return this.watch(unwrap.call(promise, observed), again);
    };
  }

  /**
   * The call is over. The first end counts.
   * @param {unknown} [error]
   * @param {boolean} [hasFailed]
   */
  end(error, hasFailed = false) {
    this.#call.end(error, hasFailed);
  }

  interrupt() {
    this.end(undefined, true);
  }

  /** @param {object} object the registry must not get a function made where it is known: that would hold it */
  #hold(object) {
    this.#held += 1;
    abandoned?.register(object, this);
  }

  /** One of the objects was collected. */
  letGo() {
    this.#held -= 1;
    if (!this.#held && !this.#isRaw) this.interrupt();
  }

  /** @param {any} result */
  #returned(result) {
    if (this.#hasReturned) return result;
    this.#hasReturned = true;
    try {
      if (typeof result?.iterator === "function" && result[Symbol.asyncIterator]) this.#stream(result);
      else this.#complete(result);
    } catch (error) {
      current().failed("the tracking of a wrapped client", error);
    }
    return result;
  }

  /** @param {unknown} response */
  #complete(response) {
    // a picture's own size comes before the one that was asked for; speech is but bytes
    const { size, quality, ...facts } = this.#facts;
    const told = /** @type {any} */ (response);
    const asked = { ...(size && !told?.size && { size }), ...(quality && !told?.quality && { quality }) };
    if (facts.characters !== undefined) this.#call.recordFacts(facts);
    else this.#call.record(response, "data" in Object(response) ? asked : {});
    this.end();
  }

  /**
   * The SDK makes all that can be had of a stream from its `iterator`.
   * @param {any} stream
   */
  #stream(stream) {
    const iterate = stream.iterator;
    this.#call.begin();
    this.#interruptBy(stream.controller?.signal);
    stream.iterator = () => this.#chunks(iterate.call(stream), stream);
    this.#hold(stream);
  }

  /** @param {AbortSignal | undefined} signal what listens to it must not hold the stream */
  #interruptBy(signal) {
    signal?.addEventListener?.("abort", () => this.interrupt(), { once: true });
  }

  /**
   * @param {AsyncIterable<any>} chunks
   * @param {any} stream is held until the end: it must not be taken for abandoned while its chunks are read
   */
  async *#chunks(chunks, stream) {
    try {
      for await (const chunk of chunks) {
        if (this.take(chunk)) yield chunk;
      }
      // an aborted stream just ends
      if (!stream.controller?.signal?.aborted) this.#call.complete();
      this.end();
    } catch (error) {
      throw this.#failed(error);
    } finally {
      this.interrupt(); // where the caller has left it
    }
  }

  /**
   * An event of a stream has come. Whether it is the caller's, as it would have come without us.
   * @param {any} chunk
   */
  take(chunk) {
    this.#call.take(chunk);
    if (!this.#asks) return true;
    if (chunk?.usage && Array.isArray(chunk.choices) && !chunk.choices.length) return false;
    if (chunk?.usage === null) delete chunk.usage;
    return true;
  }

  /** The stream has come to its end. */
  completed() {
    this.#call.complete();
    this.end();
  }

  /**
   * A response whose body the caller reads.
   * @param {Response} response
   */
  #raw(response) {
    if (this.#isParsed) return response;
    this.#isParsed = true;
    this.#isRaw = true;
    try {
      const kind = response.headers.get("content-type") ?? "";
      if (kind.includes("event-stream")) {
        this.#call.begin();
        rawStream(response, this);
      } else if (kind.includes("json")) {
        const copy = response.clone();
        copy.json().then(
          (told) => this.#complete(told),
          (error) => this.end(error, true),
        );
      } else {
        this.#complete(undefined);
      }
    } catch (error) {
      current().failed("the tracking of a wrapped client", error);
    }
    return response;
  }
}
