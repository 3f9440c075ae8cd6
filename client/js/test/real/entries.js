/**
 * One call for each word of the command line, by a wrapped client, with the word as its user. The stand-ins for the
 * providers are in the environment, by what they do. See client/tests/test_javascript_entries.py.
 */
import Anthropic from "@anthropic-ai/sdk";
import Groq from "groq-sdk";
import OpenAI, { AzureOpenAI, toFile } from "openai";
import { flush, withContext, wrap } from "twinmeter";

const STAND_INS = JSON.parse(process.env.STAND_INS);
const MESSAGES = [{ role: "user", content: "SECRET-QUESTION" }];
const ASKED = { model: "gpt-4o", messages: MESSAGES };
const CLAUDE = { model: "claude-opus-4-6", max_tokens: 99, messages: MESSAGES };
const TOOLS = [{ type: "function", function: { name: "weather", parameters: {} } }];
const settings = { apiKey: "k", maxRetries: 0 };

const CLIENTS = {
  openai: (address) => new OpenAI({ ...settings, baseURL: `${address}/v1` }),
  azure: (address) => new AzureOpenAI({ ...settings, endpoint: address, apiVersion: "2024-10-21" }),
  anthropic: (address) => new Anthropic({ ...settings, baseURL: address }),
  groq: (address) => new Groq({ ...settings, baseURL: address }),
};

const CALLS = {
  chat: (client) => client.chat.completions.create(ASKED),
  "tool call": (client) => client.chat.completions.create({ ...ASKED, tools: TOOLS }),
  stream: (client) => client.chat.completions.create({ ...ASKED, stream: true }),
  responses: (client) => client.responses.create({ model: "gpt-4o", input: "SECRET" }),
  "stream of responses": (client) => client.responses.create({ model: "gpt-4o", input: "x", stream: true }),
  completions: (client) => client.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "x" }),
  embeddings: (client) => client.embeddings.create({ model: "text-embedding-3-small", input: "SECRET" }),
  images: (client) => client.images.generate({ model: "dall-e-3", prompt: "x", n: 2 }),
  transcription: async (client) =>
    client.audio.transcriptions.create({ model: "whisper-1", file: await toFile(Buffer.from("sound"), "a.mp3") }),
  "time-out": (client) => client.chat.completions.create(ASKED, { timeout: 50 }),
  messages: (client) => client.messages.create(CLAUDE),
  "messages streamed": (client) => client.messages.create({ ...CLAUDE, stream: true }),
  "messages by the helper": async (client) => ({ text: await client.messages.stream(CLAUDE).finalText() }),
  "limited messages": (client) => client.messages.create({ ...CLAUDE, model: "limited" }),
  "slow messages": (client) => client.messages.create({ ...CLAUDE, model: "slow" }, { timeout: 50 }),
};

for (const word of process.argv.slice(2)) {
  const [name, kind, does = "answer"] = word.split(", ");
  const client = wrap(CLIENTS[name](STAND_INS[does]));
  await withContext({ userId: word, contentType: "letter" }, async () => {
    try {
      const made = await CALLS[kind](client);
      if (made[Symbol.asyncIterator]) for await (const _ of made);
    } catch {
      // it is reported
    }
  });
}
console.log(JSON.stringify(await flush({ timeout: 60_000 })));
