// Every call of a provider's client is reported. The client stays what it is: one method of the instance is replaced,
// through which all requests of the SDKs of OpenAI, Groq and Anthropic go.

import { current } from "../client.js";
import { Observation } from "./observation.js";
import { operationOf, providerOf } from "./operations.js";

/** @import { CallFields, Terms } from "../../index.d.ts" */

/** @typedef {Partial<CallFields> & Record<string, unknown>} Fields */
/** Whether an API takes the question for the usage of a stream, once that is known. @typedef {{isTaken?: boolean}} Question */
/** @typedef {{body?: any, stream?: boolean} & Record<string, unknown>} Options */

const QUESTION = Symbol.for("twinmeter.question");

/**
 * Have the calls of `client` reported, and return it. `defaults` are fields of calls that no context tells. With
 * `enforce` the server is asked before each, and a refused one rejects before the provider is asked.
 * Throws TypeError where this is no client that it knows.
 * @template T
 * @param {T} client
 * @param {Fields & Terms} [defaults]
 * @returns {T}
 */
export function wrap(client, defaults = {}) {
  const inner = /** @type {any} */ (client);
  if (typeof inner?.post !== "function" || typeof inner.baseURL !== "string") {
    throw new TypeError("wrap takes a client of openai, groq-sdk or @anthropic-ai/sdk");
  }
  if (Object.hasOwn(inner, QUESTION)) return client;
  return wrapped(inner, defaults, {});
}

/**
 * @param {any} inner
 * @param {Fields & Terms} defaults
 * @param {Question} question
 */
function wrapped(inner, defaults, question) {
  hidden(inner, QUESTION, question);
  const post = inner.post;
  hidden(inner, "post", (/** @type {string} */ path, /** @type {any} */ options) => {
    const observed = observedRequest(inner, path, options, defaults);
    if (!observed) return post.call(inner, path, options);
    const { observation, sent } = observed;
    const again = () => post.call(inner, path, options).responsePromise;
    try {
      return observation.watch(post.call(inner, path, sent), again);
    } catch (error) {
      observation.end(error, true);
      throw error;
    }
  });
  if (typeof inner.withOptions === "function") {
    const withOptions = inner.withOptions;
    hidden(inner, "withOptions", (/** @type {unknown[]} */ ...args) => {
      const copy = withOptions.apply(inner, args);
      return wrapped(copy, defaults, copy.baseURL === inner.baseURL ? question : {});
    });
  }
  return inner;
}

/**
 * What is needed to observe a request; undefined where it is none of a model, or cannot be observed.
 * @param {any} client
 * @param {string} path
 * @param {Options | Promise<Options> | undefined} options
 * @param {Fields & Terms} terms
 */
function observedRequest(client, path, options, { enforce, onRefused, bounds: _, ...defaults }) {
  try {
    const operation = operationOf(path);
    if (!operation) return undefined;
    const provider = String(defaults.provider ?? providerOf(client, path));
    /** @type {Question} */
    const question = client[QUESTION];
    const observation = new Observation({ ...operation, ...defaults, provider }, question);
    const prepared = (/** @type {any} */ made) => {
      const { asks, sent } = question.isTaken === false ? { asks: false, sent: made } : asking(path, made, provider);
      observation.requested(made, asks);
      return enforce ? observation.permitted(made, onRefused).then(() => sent) : sent;
    };
    // what the SDK puts together by itself, such as a form with files; a fault of that is the request's
    return { observation, sent: options instanceof Promise ? options.then(prepared) : prepared(options) };
  } catch (error) {
    current().failed("the tracking of a wrapped client", error);
    return undefined;
  }
}

/** These tell the usage of a stream unasked. */
const TELLING = new Set(["groq", "mistral"]);

/**
 * The request, with the usage of a stream asked for where the provider tells it only then, and whether it was.
 * @param {string} path
 * @param {any} options
 * @param {string} provider
 */
function asking(path, options, provider) {
  const body = options?.body;
  const tells = !/\/completions$/.test(path) || TELLING.has(provider);
  if (tells || !body?.stream || body.stream_options?.include_usage) return { asks: false, sent: options };
  const streamOptions = { ...body.stream_options, include_usage: true };
  return { asks: true, sent: { ...options, body: { ...body, stream_options: streamOptions } } };
}

/**
 * @param {any} object
 * @param {PropertyKey} name
 * @param {unknown} value
 */
function hidden(object, name, value) {
  Object.defineProperty(object, name, { value, configurable: true, writable: true, enumerable: false });
}
