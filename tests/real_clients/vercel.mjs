/**
 * An application of the Vercel AI SDK, which makes its own spans, and exports as its environment says. It calls a chat
 * model and an embedding model once each, for the user u7.
 */
import { openai } from "@ai-sdk/openai";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { embed, generateText } from "ai";

// a busy machine may take its time
const PATIENT_MS = 60_000;
const exporter = new OTLPTraceExporter({ timeoutMillis: PATIENT_MS });
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { exportTimeoutMillis: PATIENT_MS })] });
const experimental_telemetry = { isEnabled: true, tracer: provider.getTracer("ai"), metadata: { userId: "u7" } };

await generateText({ model: openai.chat("gpt-4o"), prompt: "SECRET-PROMPT", experimental_telemetry, maxRetries: 0 });
await embed({ model: openai.embedding("text-embedding-3-small"), value: "SECRET-PROMPT", experimental_telemetry });
await provider.shutdown();
