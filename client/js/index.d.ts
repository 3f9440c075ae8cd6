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
  /** Of the room that was held for it, which it settles. */
  reservationId?: string | null;
  clerkUserId?: string;
  conversationId?: string | number;
  campaignId?: string | number;
  /** With `variant`: which of its ways this call went. Both or none. */
  experiment?: string | number;
  variant?: string | number;
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
  /** What became of the reservation that the call was reported with: `settled`, or why it was not. */
  reservation: string | null;
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
  /** What becomes of calls whose limits cannot be checked; `allow`. TWINMETER_LIMITS_WHEN_AWAY */
  limitsWhenAway?: "allow" | "refuse";
  /** Milliseconds that an answer about limits is waited for at most; 1,000. TWINMETER_LIMITS_TIMEOUT, in seconds */
  limitsTimeout?: number;
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

/** What is said of a call before it is made. Counts and seconds are upper bounds. */
export interface AskFields {
  userId?: string | number;
  /** Or a feature. */
  contentType?: string;
  clientId?: string;
  campaignId?: string | number;
  /** With the provider: what it may cost. */
  model?: string;
  provider?: string;
  serviceType?: string;
  serviceTier?: string;
  inputTokens?: number;
  /** Instead of tokens: of all texts that are sent, in UTF-8. */
  inputBytes?: number;
  /** Reasoning included. */
  maxOutputTokens?: number;
  webSearches?: number;
  images?: number;
  size?: string;
  quality?: string;
  characters?: number;
  audioSeconds?: number | string;
  videoSeconds?: number | string;
  /** After which a reservation ends by itself; 600. */
  ttlSeconds?: number;
}

/** Whether a call may be made. Amounts are texts with all digits, in the unit of the limit that is in the way. */
export interface Decision {
  allowed: boolean;
  feature: string;
  /** The limits that are in the way. */
  violated: string[];
  /** For the user. */
  message: string | null;
  limit: string | null;
  used: string | null;
  /** By calls that are under way. */
  held: string | null;
  asked: string | null;
  unit: string | null;
  window: string | null;
  resetsAt: Date | null;
  /** ms */
  retryAfter: number | null;
  upgradeUrl: string | null;
  /** No limit was looked at: the server could not be asked, and `limitsWhenAway` has decided. */
  unenforced: boolean;
  /** Why it could not be asked, or why it refuses what it was asked. */
  reason: string | null;
}

/** Room that is held for one call until it is reported or released. */
export interface Reservation {
  readonly decision: Decision;
  readonly allowed: boolean;
  /** For `reservationId` of a call that is reported elsewhere; null where nothing is held. */
  readonly id: string | null;
  readonly expiresAt: Date | null;
  /** The call was made, and is reported with this id. With a receipt that is rejected or dropped, all is given back. */
  settle(receipt?: Receipt | null): void;
  /** The call was not made: all is given back. */
  release(): void;
}

/** Whether a call would pass now; nothing is held. Never rejects. */
export function check(fields?: AskFields): Promise<Decision>;

/**
 * Hold room for one call, by the most that it can take. Never rejects by itself. With `fn`: for what is called inside. The
 * first call that begins there takes the reservation, and settles it by being reported; where none has, it is released.
 */
export function reserve(fields: AskFields): Promise<Reservation>;
export function reserve<T>(fields: AskFields, fn: (reservation: Reservation) => T | PromiseLike<T>): Promise<T>;

/** A call was refused before it was made. */
export class QuotaExceededError extends Error {
  constructor(decision: Decision);
  readonly decision: Decision;
  /** 429 */
  readonly status: number;
}

/** Whether the server is asked before a call is made. */
export type Terms = {
  enforce?: boolean;
  /** The most that a call can take, where no request tells it. */
  bounds?: AskFields;
  /** Is handed the decision, and may throw an error of the application's own instead of QuotaExceededError. */
  onRefused?: (decision: Decision) => unknown;
};

/** A model call that is under way. */
export interface TrackedCall {
  /** Take the usage of a complete response. `facts` are further fields, and come first. */
  record(response: unknown, facts?: Partial<CallFields>): void;
  /** Pass the events of a stream through untouched, and record their usage. */
  stream<T>(chunks: AsyncIterable<T>): AsyncGenerator<T, void, undefined>;
}

/**
 * Time what `fn` does, and report it as one call, also where it fails; errors propagate unchanged. What `fn` returns is
 * taken for the provider's response, unless it told another by `record` or `stream`. With `enforce` the server is asked
 * first, by `bounds`; where it refuses, this rejects with QuotaExceededError, and `fn` is not run.
 */
export function call<T>(fields: Partial<CallFields> & Terms, fn: (call: TrackedCall) => T | PromiseLike<T>): Promise<T>;

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
 * did before. `defaults` are fields that no context tells; without any, the user is `anonymous`. With `enforce` the server
 * is asked before each call, by the most that its request can take, and a refused one rejects with QuotaExceededError
 * before the provider is asked. Throws TypeError where it is another kind of client.
 */
export function wrap<T>(client: T, defaults?: Partial<CallFields> & Terms): T;
