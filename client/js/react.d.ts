/** Which figures: all, or one part of them. */
export type AnalyticsType = "all" | "daily" | "weekly" | "monthly" | "conversation";

/** Additive figures of a group of calls, and what follows from them. Money is USD, durations ms, rates percent. */
export interface Totals {
  requests: number;
  cost: number;
  savedCost: number;
  tokens: { input: number; output: number; total: number };
  successes: number;
  errors: number;
  cached: number;
  /** Calls without a known price, which are not in `cost`. */
  unpriced: number;
  estimated: number;
  successRate: number | null;
  cacheHitRate: number | null;
  averageDuration: number | null;
}

/** The answer of `GET /api/analytics`. Parts that were not asked for are null. */
export interface Analytics {
  window: { from: string; to: string; days: number; timezone: string };
  clientId: string | null;
  userId: string | null;
  synthetic: string;
  summary: Totals & { activeUsers: number; p95Duration: number | null };
  daily: (Totals & { day: string })[] | null;
  weekly:
    | (Totals & {
        week: string;
        first: string;
        complete: boolean;
        requestsChange: number | null;
        costChange: number | null;
      })[]
    | null;
  monthly: (Totals & { month: string; complete: boolean })[] | null;
  byConversation:
    | {
        conversationId: string;
        clientId: string;
        requests: number;
        tokens: number;
        cost: number;
        lastActive: string;
      }[]
    | null;
  providers: (Totals & { provider: string })[];
  generatedAt: string;
}

export interface AnalyticsOptions {
  /** Up to today; 30. */
  days?: number;
  type?: AnalyticsType;
  /** Milliseconds after an answer until the next request, while the page is seen; 0: none. */
  refreshInterval?: number;
  /** The server's address, where the page does not come from there. */
  url?: string;
  /** With the scope `read`, or what gets one. A key of the application's has no place in a browser. */
  token?: string | (() => string | Promise<string>);
}

/** Why there are no figures. */
export class AnalyticsError extends Error {
  constructor(message: string, status?: number);
  /** Of the answer; 0 where there was none. */
  readonly status: number;
}

export interface AnalyticsState {
  /** The last answer; null until there is one. It stays while the next is loaded, and where that fails. */
  data: Analytics | null;
  error: Error | null;
  loading: boolean;
  refresh: () => Promise<void>;
}

/**
 * The figures of the caller's own calls, for a React component. Requests end with the component, and rest while the page
 * is hidden.
 */
export function useAnalytics(options?: AnalyticsOptions): AnalyticsState;

/** What every limit says of itself. */
export interface AnyLimit {
  id: string;
  name: string | null;
  unit: "requests" | "tokens" | "usd" | "images" | "seconds" | "concurrent";
  window: "minute" | "hour" | "day" | "week" | "month" | "year" | "period" | "lifetime";
  /** The calls that count; null is any. */
  filter: { serviceType: string | null; model: string | null; feature: string | null };
  kind: "hard" | "soft";
  /** Whose calls count together: user, client, key, feature, campaign or everyone. */
  scope: string;
  /** Whether calls are refused now. */
  reached: boolean;
  /** Null for a lifetime. */
  resetsAt: string | null;
}

/** A limit with its figures, in its unit; money is USD. */
export interface UsageLimit extends AnyLimit {
  /** With grants: what may be used in this period. */
  limit: number;
  amount: number;
  grants: number;
  used: number;
  /** By calls that are under way. */
  held: number;
  remaining: number;
  /** Of `limit`, used; above 100 where it was exceeded; null of 0. */
  percent: number | null;
  overrun: number;
  overageCap: number | null;
  periodStart: string | null;
}

/** A limit that this user shares with others: without amounts. */
export interface SharedLimit extends AnyLimit {
  percent: number | null;
}

/** What is read of the answer of `GET /api/me/usage`. */
export interface Usage {
  asOf: string;
  user: string | null;
  plan: {
    id: string;
    name: string;
    version: number;
    interval: string;
    limited: boolean;
    upgradeUrl: string | null;
    next: { plan: string; version: number; at: string } | null;
  } | null;
  limits: UsageLimit[];
  shared: SharedLimit[];
  nextReset: string | null;
}

export interface UsageLimitOptions {
  /** Limits in this unit alone. */
  unit?: AnyLimit["unit"];
  /** Limits that count calls of this feature, and of this kind of service. */
  feature?: string;
  serviceType?: string;
  /** Milliseconds after an answer until the next request, while the page is seen; 0: none. */
  refreshInterval?: number;
  url?: string;
  /** The user's own, or one that the application's backend got for him by `POST /api/panel-tokens`; or what gets one. */
  token?: string | (() => string | Promise<string>);
}

export interface UsageLimitState {
  /** The last answer; null until there is one. */
  data: Usage | null;
  /** Those that were asked for. None: nothing is limited. */
  limits: UsageLimit[];
  /** The first of them; null where nothing is limited, or nothing known yet. */
  limit: UsageLimit | null;
  /** Whether one of them, or one that is shared with others, refuses calls now. */
  reached: boolean;
  error: Error | null;
  loading: boolean;
  refresh: () => Promise<void>;
}

/** A user's limits and what is used of them, for a React component. Reading counts against no limit. */
export function useUsageLimit(options?: UsageLimitOptions): UsageLimitState;
