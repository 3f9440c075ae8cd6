/** What a program in TypeScript writes. It is compiled, and never run. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import {
  call,
  check,
  configure,
  counts,
  flush,
  QuotaExceededError,
  type Receipt,
  reserve,
  trackAIRequest,
  withContext,
  wrap,
} from "twinmeter";
import { AnalyticsError, useAnalytics, useUsageLimit } from "twinmeter/react";
import type * as published from "../index.d.ts";
import * as made from "../src/api.js";

// what is published is what there is
export const same: typeof published = made;

configure({
  url: "https://twinmeter.example",
  key: "tm_key",
  onRejected: (row, receipt) => [row.userId, receipt.errors],
});
trackAIRequest({ userId: "u1", contentType: "chat", model: "gpt-4o", tokensUsed: 15, metadata: { plan: "pro" } });
// @ts-expect-error a misspelt field
trackAIRequest({ userId: "u1", contentType: "chat", model: "gpt-4o", tokenUsed: 15 });

export async function everything(): Promise<void> {
  const receipt: Receipt = await trackAIRequest({ userId: "u1", contentType: "chat", model: "gpt-4o" });
  const cost: string | null = receipt.cost;
  const openai: OpenAI = wrap(new OpenAI(), { userId: "u1" });
  wrap(new Anthropic());
  const answer = await withContext({ userId: "u1", contentType: "letter" }, () =>
    openai.chat.completions.create({ model: "gpt-4o", messages: [] }),
  );
  const text: string = await call({ userId: "u1", contentType: "chat", provider: "openai" }, async (tracked) => {
    tracked.record(answer, { cached: true });
    for await (const chunk of tracked.stream(
      await openai.responses.create({ model: "gpt-4o", input: "", stream: true }),
    ))
      console.log(chunk.type);
    return answer.choices[0].message.content ?? "";
  });
  const { delivered, rejected, waiting } = await flush({ timeout: 1_000 });
  console.log(cost, text, delivered + rejected + waiting + counts().lost);
}

export async function limits(): Promise<string | null> {
  const openai: OpenAI = wrap(new OpenAI(), { userId: "u1", enforce: true, onRefused: ({ message }) => message });
  const { allowed, resetsAt } = await check({ userId: "u1", contentType: "chat" });
  const length: number = await reserve({ userId: "u1", contentType: "chat", maxOutputTokens: 500 }, async ({ id }) => {
    await openai.embeddings.create({ model: "text-embedding-3-small", input: "" });
    return id?.length ?? 0;
  });
  const reservation = await reserve({ userId: "u1", contentType: "chat" });
  // @ts-expect-error a misspelt field
  await reserve({ userId: "u1", maxTokens: 500 });
  try {
    await call({ userId: "u1", contentType: "chat", enforce: true, bounds: { maxOutputTokens: 5 } }, () => length);
  } catch (error) {
    if (error instanceof QuotaExceededError) return error.decision.used;
    reservation.release();
  }
  return allowed ? null : (resetsAt?.toISOString() ?? null);
}

export function Left() {
  const { limit, reached } = useUsageLimit({ unit: "requests", feature: "chat", token: () => "token" });
  return reached || limit === null ? "" : limit.remaining;
}

export function Figures() {
  const { data, loading, error, refresh } = useAnalytics({ days: 7, type: "daily", refreshInterval: 60_000 });
  if (error instanceof AnalyticsError) return error.status;
  return loading || data === null ? refresh.name : data.summary.cost;
}
