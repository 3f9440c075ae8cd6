/**
 * An application of the Vercel AI SDK, and of the clients of OpenAI and Anthropic for Node.js: `node gateway.mjs KEY BASE`
 * does each of its calls and writes what they gave, a line of JSON for each.
 */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  embedMany,
  experimental_generateImage as generateImage,
  experimental_generateSpeech as generateSpeech,
  experimental_transcribe as transcribe,
  generateObject,
  generateText,
  jsonSchema,
  streamText,
  tool,
} from "ai";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [apiKey, base] = process.argv.slice(2);
const baseURL = `${base}/v1`;
const openai = createOpenAI({ apiKey, baseURL });
const compatible = createOpenAICompatible({ name: "any", apiKey, baseURL });
const anthropic = createAnthropic({ apiKey, baseURL });
const google = createGoogleGenerativeAI({ apiKey, baseURL });
const messages = [{ role: "user", content: "one two three" }];
const options = { apiKey, maxRetries: 0 };
const clients = {
  openai: new OpenAI({ ...options, baseURL }),
  anthropic: new Anthropic({ ...options, baseURL: base }),
};
const schema = jsonSchema({
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
});
const tools = { weather: tool({ description: "weather", inputSchema: schema }) };
const asked = { prompt: "one two three", maxRetries: 0 };

/** Text, parts and usage of a stream. */
async function streamed(model, more = {}) {
  const answer = streamText({ model, ...asked, ...more });
  const parts = [];
  for await (const part of answer.fullStream) parts.push(part.type);
  return [parts, await answer.text, await answer.toolCalls, await answer.usage];
}

/** Text, calls and usage of a whole answer. */
async function whole(model, more = {}) {
  const { text, toolCalls, usage, finishReason } = await generateText({ model, ...asked, ...more });
  return [text, toolCalls, usage, finishReason];
}

const calls = {
  chat: () => whole(openai.chat("gpt-4o")),
  stream: () => streamed(openai.chat("gpt-4o")),
  tools: () => whole(openai.chat("gpt-4o"), { tools }),
  "tools in a stream": () => streamed(openai.chat("gpt-4o"), { tools }),
  "structured output": async () => (await generateObject({ model: openai.chat("gpt-4o"), schema, ...asked })).object,
  responses: () => whole(openai.responses("gpt-4o")),
  "responses in a stream": () => streamed(openai.responses("gpt-4o")),
  "any server like OpenAI's": () => whole(compatible("gpt-4o")),
  "any server like OpenAI's, in a stream": () => streamed(compatible("gpt-4o")),
  embeddings: async () => {
    const values = ["one two", "three"];
    const { embeddings, usage } = await embedMany({ model: openai.embedding("text-embedding-3-small"), values, maxRetries: 0 });
    return [embeddings, usage];
  },
  image: async () => (await generateImage({ model: openai.image("gpt-image-1"), prompt: "a red cat", maxRetries: 0 })).image.base64,
  speech: async () => (await generateSpeech({ model: openai.speech("tts-1"), text: "one two", maxRetries: 0 })).audio.base64,
  transcription: async () => {
    const audio = Buffer.concat([Buffer.from("RIFF"), Buffer.alloc(8_000)]);
    return (await transcribe({ model: openai.transcription("whisper-1"), audio, maxRetries: 0 })).text;
  },
  message: () => whole(anthropic("claude-opus-4-6")),
  "message in a stream": () => streamed(anthropic("claude-opus-4-6")),
  "content of Gemini": () => whole(google("gemini-2.5-flash")),
  "content of Gemini in a stream": () => streamed(google("gemini-2.5-flash")),
};

/** All that a stream of a client for Node.js gives. */
async function all(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

const gpt = { model: "gpt-4o", messages };
const claude = { model: "claude-opus-4-6", max_tokens: 100, messages };
Object.assign(calls, {
  "openai: chat": () => clients.openai.chat.completions.create(gpt),
  "openai: stream": () => all(clients.openai.chat.completions.create({ ...gpt, stream: true })),
  "openai: responses in a stream": () => all(clients.openai.responses.create({ model: "gpt-4o", input: "one two three", stream: true })),
  "anthropic: message": () => clients.anthropic.messages.create(claude),
  "anthropic: stream": () => clients.anthropic.messages.stream(claude).finalMessage(),
  "anthropic: count": () => clients.anthropic.messages.countTokens({ model: claude.model, messages }),
});

for (const [name, call] of Object.entries(calls)) {
  console.log(JSON.stringify([name, await call()]));
}
