// What `GET /api/me/usage` answers (routes/panel_rows.py), as the panel reads it: every number is a text with its digits.

export type Digits = string;

type AnyLimit = {
  id: string;
  name: string | null;
  unit: "requests" | "tokens" | "usd" | "images" | "seconds" | "concurrent";
  window: "minute" | "hour" | "day" | "week" | "month" | "year" | "period" | "lifetime";
  filter: { serviceType: string | null; model: string | null; feature: string | null };
  kind: "hard" | "soft";
  scope: string;
  reached: boolean;
  resetsAt: string | null;
  percent: Digits | null;
};
export type OwnLimit = AnyLimit & {
  limit: Digits;
  grants: Digits;
  used: Digits;
  held: Digits;
  remaining: Digits;
  overrun: Digits;
  periodStart: string | null;
};
export type SharedLimit = AnyLimit;
export type Plan = {
  name: string;
  version: Digits;
  interval: string;
  limited: boolean;
  upgradeUrl: string | null;
};
export type RecentCall = {
  id: string;
  createdAt: string | null;
  feature: string | null;
  model: string | null;
  status: string | null;
  cached: boolean | null;
  tokensUsed: Digits | null;
  cost: Digits | null;
};
export type Usage = {
  asOf: string;
  user: string | null;
  client: string | null;
  plan: Plan | null;
  limits: OwnLimit[];
  shared: SharedLimit[];
  cost: { month: Digits; lifetime: Digits; currency: string } | null;
  recent: RecentCall[];
  nextReset: string | null;
};

/** Sentences by name, see `words.js`; `{name}` stands for a value. */
export type Strings = { [name: string]: string };
/** How to write for one viewer. */
export type Writing = { strings: Strings; locale: string | undefined };

/** What is known of the figures: `state` is one of loading, live, stale, no-token, expired, refused. */
export type News = {
  state: "loading" | "live" | "stale" | "no-token" | "expired" | "refused";
  usage: Usage | null;
  /** In ms, by the viewer's clock. */
  asOf: number | null;
};
/** Where tokens come from. */
export type TokenSource = () => Promise<string | null>;

declare global {
  interface Window {
    twinmeterUsage?: boolean;
  }
}
