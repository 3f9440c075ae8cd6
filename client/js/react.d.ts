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
