// Shapes that several modules share, and what the JSON routes answer (app/reports, routes). It is for `tsc` and editors:
// no page loads it.

import type { Decimal } from "./money.js";
import type { Colours } from "./palette.js";

/** A figure: a number where it is whole and JavaScript keeps it, else a Decimal. Counts are typed as numbers. */
export type Amount = number | Decimal;
export type Known<T> = T | null | undefined;

// what a page shows

export type CallFilter =
  | "status"
  | "costSource"
  | "userId"
  | "conversationId"
  | "serviceType"
  | "reportedProvider"
  | "weekday"
  | "hour"
  | "minDuration"
  | "maxDuration";
export type Filter = "clientId" | "provider" | "model" | "feature";
export type Choice = Filter | CallFilter | "from" | "to" | "compare" | "series" | "sort" | "cursor" | "call";
export type DataName = "real" | "demo" | "all";
/** What an address asks for. */
export type Address = { tab: string; days: number | null; data: DataName | null } & Record<Choice, string | null>;
/** The same once it is known which data it is about; `explicit`: the address says so. */
export type State = Address & { data: DataName; explicit: boolean };
export type Changes = Partial<Record<keyof Address, string | number | null>>;
export type Parameters = Record<string, Known<string | number>>;

/** Who signed in. */
export type Who = {
  subject: string;
  client: string | null;
  scopes: string[];
  timezone: string;
  showSynthetic: boolean;
  version: string;
  features: { live: boolean };
};

/** What tabs are given: the state, and ways to change it. `ui` is what a person chose and no address has. */
export type Context = {
  state: State;
  who: Who;
  ui: Map<string, string | boolean>;
  colours: Colours;
  /** To choose filters from. */
  names: Partial<Record<Filter, string[]>>;
  address(path: string, parameters?: Parameters): string;
  href(changes: Changes): string;
  go(changes: Changes): void;
  parameters(): Parameters;
  today(): string;
  rerender(): void;
  redrawFilters(): void;
};

export type Controls = { period?: boolean; parts?: boolean; compare?: boolean };
export type Requests = Partial<Record<keyof Answers, [path: string, parameters: Parameters]>>;
export type Skeleton = "cards" | "charts" | "chart" | "table" | null;
export type Section = {
  id: string;
  needs: (keyof Answers)[];
  skeleton: Skeleton;
  /** It is called once there are the answers that it needs. */
  render(context: Context, answers: Answers): Child;
  /** For a window without calls, too. */
  always?: boolean;
};
/** What a module of tabs/ declares. */
export type Tab = {
  title: string;
  /** At most four. */
  requests(context: Context): Requests;
  sections(context: Context): Section[];
  /** How many calls the window has, once that is known. */
  calls?(answers: Partial<Answers>): number | undefined;
  /** Instead of the window, under the title. */
  about?(context: Context): string;
  /** Which controls it follows. */
  controls?: Controls;
};

// elements

export type Child = Node | string | number | false | null | undefined | Child[];
/** It keeps what is inside of its element. */
export type Component<P> = {
  mount(node: ComponentElement<P>, props: P): void;
  update(node: ComponentElement<P>, props: P): void;
};
export type ComponentElement<P> = HTMLElement & { component?: Component<P>; props?: P; mounted?: boolean };
type Handlers = Pick<GlobalEventHandlers, Extract<keyof GlobalEventHandlers, `on${string}`>>;
export type Properties = Partial<Handlers> & {
  styles?: Partial<CSSStyleDeclaration>;
  component?: Component<never>;
  props?: unknown;
  [attribute: string]: unknown;
};

/** A chart: `spec` names one of the specs, `values` fills its `$names`, `label` says in words what is drawn. */
export type Chart = {
  spec: string;
  rows: object[];
  label: string;
  height?: number;
  values?: Record<string, unknown>;
  /** The tooltip of a datum, which is one of the rows. */
  lines(datum: never): Tooltip;
};
export type Tooltip = { title: string; pairs: [name: string, figure: string][] };
/** How a figure is written, and its axis. */
export type Measure = "count" | "money" | "duration" | "percent";

export type Row = { [name: string]: unknown };
/** A row that stands for all that are not listed. */
export type OtherRow = Row & { isOther: true; members: number | null };
/** A column. Its key is the `data-figure` of its cells. */
export type FigureColumn = {
  key: string;
  label: string;
  /** Text when left out. */
  as?: Measure | "change";
  /** With a bar of the figure's part of the greatest. */
  share?: boolean;
};
export type Column<T> = FigureColumn & {
  /** Instead of the formatted figure, which is `shown`. */
  content?(row: T, shown: Child): Child;
};
/** A row of figures, without what names it. */
export type Sums<T> = { [K in keyof T as T[K] extends Known<Amount | Tokens> ? K : never]: T[K] };

// what routes answer; money is USD, durations are ms, rates and changes are percent

/** By the names that tabs give them. */
export type Answers = {
  usage: Usage;
  overview: Overview;
  providers: { providers: ProviderPerformance[] };
  models: { models: ModelCosts[] };
  users: { users: ListedUser[]; activeUsers: number | null; nextCursor: string | null };
  analytics: Analytics;
  latency: Latency;
  technical: Technical;
  quality: DataQuality;
  calls: { calls: Call[]; nextCursor: string | null };
  call: CallDetail;
  stats: Stats;
};

export type Days = { from: string; to: string; days: number; timezone: string };
export type Tokens = { input: number; output: number; total: number };
export type Statuses = Record<string, number>;
export type Percentiles = { p50: number | null; p95: number | null; p99: number | null };

/** How many calls a cost is of, and how many of these it leaves out or guesses. */
export type Priced = { requests: number; cost: Amount; unpriced: number; estimated: number };
export type Totals = Priced & {
  savedCost: Amount;
  tokens: Tokens;
  successes: number;
  errors: number;
  cached: number;
  successRate: Amount | null;
  cacheHitRate: Amount | null;
  averageDuration: Amount | null;
};
export type DayTotals = Totals & { day: string };
export type UsageDay = DayTotals & { activeUsers: number; statuses: Statuses; p95: number | null };
export type PeriodTotals = Totals & { activeUsers: number; p95Duration: number | null };
export type FeatureTotals = Totals & { feature: string };
export type ModelTotals = Totals & { provider: string; model: string };
export type ProviderTotals = Totals & { provider: string };
export type HourFigures = { hour: number; requests: number; cost: Amount };
export type WeekdayHour = HourFigures & { weekday: number };
export type UserFigures = {
  userId: string;
  requests: number;
  cost: Amount;
  savedCost: Amount;
  tokens: number;
  successRate: Amount | null;
};
export type ListedUser = UserFigures & { lastActive: string };

export type Usage = {
  window: Days;
  totals: Totals;
  activeUsers: number;
  latency: Percentiles;
  statuses: Statuses;
  daily: UsageDay[];
  byFeature: FeatureTotals[];
  byModel: ModelTotals[];
  byProvider: ProviderTotals[];
  byHour: HourFigures[];
  byWeekdayHour: WeekdayHour[];
  topUsers: UserFigures[];
  /** Where it was asked to compare. */
  previous: {
    compared: string;
    hours: number | null;
    daily: UsageDay[];
    changes: Record<"requests" | "cost" | "savedCost" | "successRate" | "p95" | "activeUsers", Amount | null>;
  } | null;
  series: SeriesPoint[] | null;
};
export type SeriesPoint = { day: string; name: string; requests: number; cost: Amount };

type Trend = { requests: Amount | null; cost: Amount | null; compared: string };
export type Overview = {
  today: PeriodTotals;
  month: PeriodTotals;
  monthEnd: { cost: Amount | null; completeDays: number; daysInMonth: number };
  trends: { today: Trend; month: Trend };
  health: Record<"score" | "success" | "latency" | "costCoverage", number | null>;
};

export type ServiceTotals = Totals & { serviceType: string; latency: Percentiles };
export type ProviderPerformance = ProviderTotals & { latency: Percentiles; services: ServiceTotals[] };
export type ModelCosts = ModelTotals & {
  inputCost: Amount;
  outputCost: Amount;
  generationCost: Amount;
  averageCost: Amount | null;
  images: number;
  uniqueUsers: number;
};

export type WeekTotals = Totals & {
  week: string;
  first: string;
  complete: boolean;
  requestsChange: Amount | null;
  costChange: Amount | null;
};
export type MonthTotals = Totals & { month: string; complete: boolean };
export type Conversation = {
  conversationId: string;
  clientId: string;
  requests: number;
  tokens: number;
  cost: Amount;
  lastActive: string;
};
export type Analytics = {
  window: Days;
  summary: PeriodTotals;
  daily: DayTotals[];
  weekly: WeekTotals[];
  monthly: MonthTotals[];
  byConversation: Conversation[] | null;
};

export type Latency = {
  latency: Percentiles;
  measured: number | null;
  buckets: { from: number; to: number; count: number }[] | null;
  errors: { status: string; provider: string; count: number }[];
};

export type Technical = {
  status: string;
  database: string;
  transactions: boolean;
  queued: number;
  room: number;
  queueWait: Amount;
  overloadRefused: number;
  spool: {
    calls: number;
    bytes: number;
    maxBytes: number;
    refused: number;
    unreadable: number;
    damaged: number;
    error: string | null;
  };
  troubles: { code: string; reason: string; count: number | null; since: string | null; advice: string }[];
  calls: Record<string, number>;
  breaker: { open: boolean; seconds: Amount | null };
  commits: { transactions: number; calls: number; seconds: Amount };
  freshness: {
    lastCommit: string | null;
    viewsLagSeconds: Amount;
    pendingDeltas: number;
    setAsideDeltas: number;
  } | null;
  advice: string | null;
  processes: {
    pid: number;
    since: string;
    calls: number;
    queued: number;
    streams: number;
    away: boolean;
    lagMax: Amount;
  }[];
};

export type DataQuality = {
  totals: Totals;
  unpricedShare: Amount | null;
  estimatedShare: Amount | null;
  unpricedReasons: (ModelTotals & { reason: string })[];
  unpricedModels: ModelTotals[];
  estimatedModels: ModelTotals[];
  impossiblePairs: { reportedProvider: string; provider: string; model: string; requests: number }[];
  unmappedContentTypes: { contentType: string; requests: number }[];
  aggregated: { entries: number; cost: Amount; tokens: number };
  unreadableUsage: number;
  foldedNames: { dimension: string; requests: number }[];
  /** Null where the filters are such that no refused call has them. */
  refusedCalls: { door: string; field: string; reason: string; calls: number }[] | null;
  lateCalls: { door: string; calls: number }[] | null;
};

/** A field of a stored document that cannot be read. */
export type DamagedField = { field: string; stored: string };

/** Null is what was not reported, and what is damaged. */
export type Call = {
  id: string;
  userId: string | null;
  clientId: string | null;
  conversationId: string | null;
  contentType: string | null;
  feature: string | null;
  serviceType: string | null;
  provider: string | null;
  model: string | null;
  status: string | null;
  cached: boolean | null;
  errorMessage: string | null;
  inputTokens: number | null;
  outputTokens: number | null;
  tokensUsed: number | null;
  cost: Amount | null;
  savedCost: Amount | null;
  costSource: string | null;
  priceVersion: string | null;
  requestDuration: number | null;
  synthetic: boolean | null;
  createdAt: string | null;
  recordedAt: string | null;
  damaged: DamagedField[] | null;
};
export type CallDetail = Call & {
  clerkUserId: string | null;
  reportedProvider: string | null;
  endpoint: string | null;
  cacheReadTokens: number | null;
  cacheWriteTokens: number | null;
  cacheWrite1hTokens: number | null;
  reasoningTokens: number | null;
  inputAudioTokens: number | null;
  outputAudioTokens: number | null;
  inputImageTokens: number | null;
  outputImageTokens: number | null;
  inputVideoTokens: number | null;
  webSearches: number | null;
  images: number | null;
  characters: number | null;
  videoSeconds: Amount | null;
  audioSeconds: Amount | null;
  size: string | null;
  quality: string | null;
  unpricedReason: string | null;
  costBasis: string | null;
  aggregated: boolean | null;
  aggregatedRequests: number | null;
  unreadableUsage: boolean | null;
  unmapped: boolean | null;
  serviceTier: string | null;
  batch: boolean | null;
  region: string | null;
  inputCost: Amount | null;
  outputCost: Amount | null;
  generationCost: Amount | null;
  timeToFirstToken: number | null;
  ipAddress: string | null;
  userAgent: string | null;
  campaignId: string | null;
  metadata: Record<string, unknown> | null;
};

export type Activity = Pick<
  Call,
  "id" | "userId" | "feature" | "model" | "provider" | "cached" | "cost" | "createdAt" | "damaged"
> & {
  success: boolean | null;
};
export type Stats = {
  aiRequestsToday: number;
  aiRequestsThisMonth: number;
  aiCostToday: Amount;
  aiCostThisMonth: Amount;
  uniqueUsersToday: number;
  recentActivity: Activity[];
};

declare global {
  interface Window {
    /** Set by vega.js. */
    vegaEmbed: (element: HTMLElement, spec: object, options: object) => Promise<{ view: VegaView }>;
  }
  interface DocumentEventMap {
    "twinmeter:theme": CustomEvent<string>;
    "twinmeter:choose-theme": CustomEvent<string>;
  }
}

export type VegaView = {
  data(name: string, rows: object[]): VegaView;
  width(): number;
  width(pixels: number): VegaView;
  runAsync(): Promise<unknown>;
  finalize(): void;
};
