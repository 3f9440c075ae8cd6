/** The outcome of a call, as the model's provider gave it. */
export type CallStatus = "success" | "error" | "timeout" | "rate_limited";

/**
 * One AI call. Durations are ms, lengths of media seconds, money USD; a total of tokens includes its parts. What is
 * null or undefined is not known, and left out.
 */
export interface CallFields {
  userId: string | number;
  /** What the application did, such as `cover-letter`: it is mapped to a feature. */
  contentType: string;
  model?: string;
  provider?: string;
  clientId?: string;
  /** Reported twice, counted once. */
  requestId?: string;
  clerkUserId?: string;
  conversationId?: string | number;
  campaignId?: string | number;
  endpoint?: string;
  serviceType?: string;
  /** Answered from the application's own cache. */
  cached?: boolean;
  success?: boolean;
  status?: CallStatus;
  errorMessage?: string;
  /** For callers who know no more than the total. */
  tokensUsed?: number;
  /** With what was read from, and written to, caches. */
  inputTokens?: number;
  /** With reasoning. */
  outputTokens?: number;
  cacheReadTokens?: number;
  cacheWriteTokens?: number;
  cacheWrite1hTokens?: number;
  reasoningTokens?: number;
  inputAudioTokens?: number;
  outputAudioTokens?: number;
  cacheAudioReadTokens?: number;
  inputImageTokens?: number;
  outputImageTokens?: number;
  cacheImageReadTokens?: number;
  inputVideoTokens?: number;
  webSearches?: number;
  images?: number;
  characters?: number;
  videoSeconds?: number | string;
  audioSeconds?: number | string;
  size?: string;
  quality?: string;
  /** The prompt, for callers who know no counts: it is sent for its length, and not stored. */
  inputText?: string;
  outputText?: string;
  unreadableUsage?: boolean;
  unreadableReason?: string;
  /** What the provider billed, where that is known; a text keeps every digit. */
  cost?: number | string;
  costBasis?: string;
  serviceTier?: string;
  batch?: boolean;
  region?: string;
  requestDuration?: number;
  timeToFirstToken?: number;
  ipAddress?: string;
  userAgent?: string;
  /** Flat: 32 keys and 4,096 bytes at most. What is not, is made so. */
  metadata?: Record<string, unknown>;
  synthetic?: boolean;
  aggregated?: boolean;
  aggregatedRequests?: number;
  /** When it happened; now, when left out. */
  createdAt?: Date | string;
  /** Instead of counts: the provider's usage object as it is; of a stream, those of its events in order. */
  usage?: object;
  /** What the response says beside its texts: model, service_tier, ... */
  response?: object;
}

/** One thing wrong with a report. `field` is empty where it is about the whole call. */
export interface Fault {
  field: string;
  message: string;
}

/** The outcome of a reported call. */
export interface Receipt {
  /**
   * The server's: committed, spooled (on its disk), duplicate (the first report stands), rejected (`errors` says why).
   * The client's: queued (it waits here, and is sent as soon as that can be), dropped (it is lost).
   */
  status: "committed" | "spooled" | "duplicate" | "rejected" | "queued" | "dropped" | "unknown";
  id: string | null;
  feature: string | null;
  /** USD, every digit as a text; null where no price is known. */
  cost: string | null;
  errors: Fault[];
  savedCost: string | null;
  costSource: string | null;
  unpricedReason: string | null;
  /** Only with `duplicate`: this report differs from the one that stands. */
  conflicting: boolean;
}

/**
 * A reported call. `await` gives the server's receipt, after 5 s at the latest, or at once one that is `queued` where the
 * server is away. It never rejects, and nobody has to await it.
 */
export interface Report extends Promise<Receipt> {
  /** What is known by now. */
  readonly receipt: Receipt;
}

/** What became of all calls so far. */
export interface Flushed {
  delivered: number;
  rejected: number;
  /** Calls that are still here, and will be sent. */
  waiting: number;
}

export interface Counts extends Flushed {
  /** Not kept: memory was full, nothing was configured, or the process ended. */
  lost: number;
  /** Sent without something that JSON or the server cannot hold. */
  mended: number;
}

export interface Settings {
  /** The server's address. TWINMETER_URL */
  url?: string;
  /** An API key, or a token, with the scope `ingest`. TWINMETER_KEY */
  key?: string;
  /** Is handed each row that the server refuses, as it was sent, and the receipt. */
  onRejected?: (row: Record<string, unknown>, receipt: Receipt) => unknown;
  /** Keeps an edge runtime at work until what was reported is sent. Vercel's is found by itself. */
  waitUntil?: (promise: Promise<unknown>) => void;
}

/** Set in code what the environment does not. Throws TypeError. */
export function configure(settings: Settings): void;

/** Report one AI call. Takes microseconds: it is sent in the background. Never throws. */
export function trackAIRequest(fields: Partial<CallFields>): Report;

/** Send what was reported until now, for `timeout` ms at most (5,000). Never rejects. */
export function flush(options?: { timeout?: number }): Promise<Flushed>;

/** What became of the calls of this process so far. */
export function counts(): Counts;

/** A model call that is under way. */
export interface TrackedCall {
  /** Take the usage of a complete response. `facts` are further fields, and come first. */
  record(response: unknown, facts?: Partial<CallFields>): void;
  /** Pass the events of a stream through untouched, and record their usage. */
  stream<T>(chunks: AsyncIterable<T>): AsyncGenerator<T, void, undefined>;
}

/**
 * Time what `fn` does, and report it as one call, also where it fails; errors propagate unchanged. What `fn` returns is
 * taken for the provider's response, unless it told another by `record` or `stream`.
 */
export function call<T>(fields: Partial<CallFields>, fn: (call: TrackedCall) => T | PromiseLike<T>): Promise<T>;

/**
 * Run `fn`, and give every call that is reported inside, also after an `await`, these fields where it has none of its
 * own. `waitUntil` is that of the request, on edge runtimes.
 */
export function withContext<T>(
  fields: Partial<CallFields> & { waitUntil?: (promise: Promise<unknown>) => void },
  fn: () => T,
): T;

/**
 * Report every call of a client of `openai`, `groq-sdk` or `@anthropic-ai/sdk`, and return that client: it does what it
 * did before. `defaults` are fields that no context tells; without any, the user is `anonymous`. Throws TypeError where
 * it is another kind of client.
 */
export function wrap<T>(client: T, defaults?: Partial<CallFields>): T;
