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
  | "upstream"
  | "weekday"
  | "hour"
  | "minCost"
  | "maxCost"
  | "userPrefix"
  | "minDuration"
  | "maxDuration";
export type Filter = "clientId" | "provider" | "model" | "feature";
export type PeriodName =
  | "today"
  | "yesterday"
  | "24h"
  | "this-week"
  | "this-month"
  | "last-month"
  | "this-quarter"
  | "last-quarter";
/** Which span of time, see `period.js`; `step` is how long its parts are. */
export type OfTime = "period" | "from" | "to" | "fromTime" | "toTime" | "step";
export type Choice =
  | Filter
  | CallFilter
  | Page
  | OfFinance
  | OfSettings
  | OfTime
  | "compare"
  | "series"
  | "sort"
  | "call";
/** What views about money are narrowed to. */
export type OfFinance = "by" | "allocation" | "against" | "campaign" | "experiment" | "month";
/** What the audit trail is narrowed to. */
export type OfSettings = "kind" | "subject";
/** Where a page of a list begins. */
export type Page = "cursor" | "deliveriesCursor";
export type DataName = "real" | "demo" | "all";
/** What an address asks for. `tab` is a view: its place, and where it is not the first there its name, as "cost/margins". */
export type Address = { tab: string; days: number | null; data: DataName | null } & Record<Choice, string | null>;
/** The same once it is known which data it is about; `explicit`: the address says so. */
export type State = Address & { data: DataName; explicit: boolean };
/** What a search answers. */
export type Found = {
  users: string[];
  models: { provider: string; model: string }[];
  providers: string[];
  features: string[];
  clients: string[];
  conversations: { clientId: string; conversationId: string }[];
  calls: { id: string; userId: string; model: string; createdAt: string }[];
};
export type Changes = Partial<Record<keyof Address, string | number | null>>;
export type Parameters = Record<string, Known<string | number>>;

/** Who signed in. */
export type Who = {
  subject: string;
  client: string | null;
  scopes: string[];
  timezone: string;
  showSynthetic: boolean;
  /** Of a view whose address does not say which data. */
  shows: DataName;
  /** Whether nothing was ever reported. */
  isNew: boolean;
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
  /** Of reports; where the page is about less than days, `wholeDays` makes them days. */
  parameters(options?: { wholeDays?: boolean }): Parameters;
  today(): string;
  rerender(): void;
  /** Ask again for what is shown, in place. */
  reload(): void;
  redrawFilters(): void;
};

/**
 * `instants`: whether what is asked for can be about the time between two; `calls`: whether it matters which calls count,
 * real ones or demo data.
 */
export type Controls = { period?: boolean; instants?: boolean; parts?: boolean; compare?: boolean; calls?: boolean };
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
/** What a module of places/ declares: a view. */
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

/**
 * A chart: `spec` names one of the specs, `values` fills its `$names`, `label` says in words what is drawn. A point is
 * where rows have the same place (the spec's `usermeta` says by which fields); its datum is the first of its rows.
 */
export type Chart = {
  spec: string;
  rows: object[];
  label: string;
  height?: number;
  values?: Record<string, unknown>;
  /** What is said of a point. */
  lines(datum: never, hidden: ReadonlySet<string>): Tooltip;
  /** Names and colours of the parts: the legend, whose entries isolate and hide them. */
  series?: Series;
  /** Which of the parts are not drawn: the panel keeps that. */
  hidden?: string[];
  /** The address that a point leads to; `part` is the row of the stacked part that is pointed at. */
  onPick?(datum: never, part: never | undefined): string | null;
  /** The address of the period between two points, both inclusive: dragging along the axis leads there. */
  onSpan?(from: never, to: never): string | null;
  /** Write a note at a point. */
  onNote?(datum: never): void;
  /** What happened, at values of the axis of time. */
  marks?: { at: string; label: string }[];
  /** Values to compare the figures with, as a budget. */
  levels?: { value: number; label: string }[];
};
/** What happened at a time. */
export type Note = { id: string; at: string; text: string; clientId: string | null };
export type SavedView = { id: string; name: string; address: string; shared: boolean; own: boolean };
export type Series = [name: string, colour: string][];
/** `total` stands first; a pair may have the colour of its part. */
export type Tooltip = {
  title: string;
  pairs: [name: string, figure: string, colour?: string][];
  total?: [name: string, figure: string];
  notes?: string[];
};
/** How a figure is written, and its axis. */
export type Measure = "count" | "money" | "duration" | "percent";

export type Row = { [name: string]: unknown };
/** A row that stands for all that are not listed. */
export type OtherRow = Row & { isOther: true; members: number | null; called?: string };
/** A column. Its key is the `data-figure` of its cells. */
export type FigureColumn = {
  key: string;
  label: string;
  /** Text when left out. */
  as?: Measure | "rate" | "change" | "moneyChange";
  /** With a bar of the figure's part of the greatest. */
  share?: boolean;
  /** Where the server can put the rows in order of it: how they are, and where that leads. */
  order?: { href: string; is: "ascending" | "descending" | "none" };
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
  who: Who;
  usage: Usage;
  timeline: Timeline;
  overview: Overview;
  summary: Summary;
  forecast: Forecasts;
  providers: { providers: ProviderPerformance[] };
  models: { models: ModelCosts[] };
  users: { users: ListedUser[]; activeUsers: number | null; nextCursor: string | null };
  analytics: Analytics;
  latency: Latency;
  technical: Technical;
  quality: DataQuality;
  calls: { calls: Call[]; firstPlace: number | null; nextCursor: string | null; previousCursor: string | null };
  alerts: { alerts: Alert[]; nextCursor: string | null };
  deliveries: { deliveries: Delivery[]; nextCursor: string | null };
  endpoints: { endpoints: Endpoint[] };
  mutes: { mutes: Mute[] };
  upstreams: Upstreams;
  gateway: { on: boolean; whole: GatewayFigures | null; saved: { calls: number; savedCost: Amount } | null };
  keys: ApiKey[];
  prices: PriceOverride[];
  settings: { settings: { name: string; value: string | null; source: "environment" | "default" }[] };
  repricing: { run: RepricingRun | null };
  audit: { entries: AuditEntry[]; nextCursor: string | null };
  limits: { limits: DefinedLimit[]; nextCursor: string | null };
  call: CallDetail;
  stats: Stats;
  explain: Explain;
  finance: FinanceOverview;
  margins: MarginsReport;
  losses: LossMaking;
  experiments: { experiments: Experiment[]; undefined: SeenExperiment[]; nextCursor: string | null };
  results: ExperimentResults;
  campaigns: { campaigns: Campaign[]; undefined: SeenCampaign[]; nextCursor: string | null };
  campaign: CampaignReport;
  retention: Retention;
  upgrades: Upgrades;
  budgets: { budgets: BudgetRow[]; nextCursor: string | null };
  month: MonthReport;
  invoices: { invoices: Invoice[]; nextCursor: string | null };
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
/** What a row had in the period that it is compared with. */
export type Earlier = { requests: number; cost: Amount; errors: number; successRate: Amount | null };
export type Compared = { earlier: Earlier | null };
export type FeatureTotals = Totals & Compared & { feature: string };
export type ModelTotals = Totals & Compared & { provider: string; model: string };
export type ProviderTotals = Totals & Compared & { provider: string };
export type HourFigures = { hour: number; requests: number; cost: Amount };
export type WeekdayHour = HourFigures & { weekday: number };
export type UserFigures = Compared & {
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
    completeDays: { compared: string } | null;
    daily: UsageDay[];
    changes: Record<"requests" | "cost" | "savedCost" | "successRate" | "p95" | "activeUsers", Amount | null>;
  } | null;
  series: SeriesPoint[] | null;
};
/** Figures of a minute, an hour or a day, which begins at `at`. */
export type TimelinePoint = {
  at: string;
  requests: number;
  successes: number;
  inputTokens: number;
  outputTokens: number;
  cost: Amount;
  unpriced?: number | null;
};
export type Timeline = {
  window: Days & { fromTime: string; toTime: string };
  step: "minute" | "hour" | "day";
  points: TimelinePoint[];
  series: { name: string; points: TimelinePoint[] }[] | null;
  generatedAt: string;
};
export type SeriesPoint = { day: string; name: string; requests: number; cost: Amount };

/** How a figure is computed, in words. */
export type FormulaRow = { name: string; unit: string; formula?: string; words?: string };
export type Margin = {
  recognised: Amount;
  cost: Amount;
  calls: number;
  margin: Amount;
  marginPercent: Amount | null;
  returnOnCost: Amount | null;
};
export type FinanceDay = { day: string; recognised: Amount; cost: Amount; margin: Amount; mrr: Amount };
type FinanceSpan = {
  window: Days;
  until: string;
  totals: Margin & { billed: Amount; unpriced: number };
  recurring: {
    mrr: Amount;
    arr: Amount;
    arpu: Amount | null;
    customers: number;
    trials: number;
    unpriced: number;
    withoutRate: { currency: string; customers: number }[];
  };
  movement: {
    start: Amount;
    new: Amount;
    reactivation: Amount;
    upgrade: Amount;
    downgrade: Amount;
    churn: Amount;
    exchange: Amount;
    end: Amount;
    customersAtStart: number;
    customersLost: number;
    customerChurn: Amount | null;
    grossRevenueChurn: Amount | null;
    netRevenueChurn: Amount | null;
  };
};
export type FinanceOverview = FinanceSpan & { previous: FinanceSpan; daily: FinanceDay[]; formulas: FormulaRow[] };
export type MarginRow = {
  name: string | null;
  recognised: Amount | null;
  cost: Amount;
  calls: number;
  margin: Amount | null;
  marginPercent: Amount | null;
  returnOnCost: Amount | null;
};
export type MarginsReport = {
  window: Days;
  by: string;
  allocation: string | null;
  allocationWords: string | null;
  totals: Margin;
  rows: MarginRow[];
  unallocated: MarginRow;
  count: number;
  nextCursor: string | null;
  formulas: FormulaRow[];
};
export type Losses = { rows: MarginRow[]; count: number; loss: Amount };
export type LossMaking = {
  plans: Losses;
  costWithoutPlan: Amount;
  users: Losses;
  usersWithoutRevenue: number;
  costWithoutRevenue: Amount;
};

export type Campaign = {
  id: string;
  campaignId: string;
  clientId: string | null;
  name: string;
  owner: string | null;
  begins: string;
  ends: string | null;
  budget: Amount | null;
  note: string | null;
  state: "planned" | "running" | "ended";
};
export type SeenCampaign = { campaignId: string; clientId: string; requests: number; cost: Amount; advice: string };
export type CampaignTotals = {
  requests: number;
  successes: number;
  tokensUsed: number;
  unpriced: number;
  cost: Amount;
  savedCost: Amount;
};
export type CampaignReport = {
  campaignId: string;
  campaign: Campaign | null;
  advice: string | null;
  window: Days;
  totals: CampaignTotals;
  costPerDay: Amount | null;
  fullDays: number;
  daily: (CampaignTotals & { day: string })[];
  byModel: (CampaignTotals & { provider: string; model: string })[];
  byFeature: (CampaignTotals & { feature: string })[];
  byClient: (CampaignTotals & { clientId: string })[];
  topUsers: { userId: string; requests: number; tokensUsed: number; cost: Amount }[];
  budget: { amount: Amount; used: Amount; percent: Amount | null; reached: { words: string } } | null;
};
export type FeatureRetention = {
  feature: string;
  users: number;
  usersBefore: number;
  cohorts: {
    week: string;
    users: number;
    small: boolean;
    returned: { week: number; users: number; percent: Amount | null }[];
  }[];
  kept: { week: number; of: number; users: number; percent: Amount | null; small: boolean }[];
};
export type Retention = {
  firstWeek: string;
  lastWeek: string;
  features: FeatureRetention[];
  featuresLeftOut: number;
};
export type FeatureUpgrades = {
  feature: string | null;
  newUsers: number;
  observed: number;
  upgraded: number;
  upgradePercent: Amount | null;
  upgradedSoFar: number;
  cost: Amount;
  costPerUpgrade: Amount | null;
  small: boolean;
};
export type Upgrades = {
  window: Days;
  withinDays: number;
  whole: FeatureUpgrades;
  features: FeatureUpgrades[];
  formulas: FormulaRow[];
  note: string;
};
/** When an amount will be reached. */
export type Reached = {
  prospect: "used-up" | "expected" | "possible" | "unlikely" | null;
  on: string | null;
  earliest: string | null;
  latest: string | null;
  until: string | null;
  refused: { why: string } | null;
};
export type BudgetRow = {
  limitId: string;
  name: string | null;
  scope: Record<"userId" | "clientId" | "keyId" | "feature" | "campaignId", string | null>;
  window: string;
  amount: Amount;
  used: Amount;
  reached: Reached;
};
export type MonthShare = { name: string; requests: number; cost: Amount; change: Amount };
export type ReconciledProvider = {
  provider: string;
  invoices: number;
  invoiced: Amount | null;
  recorded: Amount;
  difference: Amount | null;
  explanations: { cause: string; words: string; calls: number; explained: Amount }[];
  unexplained: Amount | null;
};
export type MonthReport = {
  month: string;
  window: Days;
  status: "preview" | "open" | "closed";
  closedAt: string | null;
  closedBy: string | null;
  totals: Totals;
  changed: { cost: Amount; costPercent: Amount | null };
  byModel: (MonthShare & { provider: string })[];
  byFeature: MonthShare[];
  budgets: {
    limit: string;
    name: string | null;
    scope: string;
    kind: string;
    amount: Amount;
    spent: Amount;
    percent: Amount | null;
  }[];
  revenue: (Omit<Margin, "calls"> & { billed: Amount }) | null;
  reconciliation: ReconciledProvider[] | null;
  drift: {
    cost: Amount;
    lateCalls: number | null;
    lateCost: Amount | null;
    repricedCalls: number | null;
    repricedCost: Amount | null;
    otherCost: Amount | null;
  } | null;
};
export type Invoice = {
  id: string;
  provider: string;
  month: string;
  currency: string;
  total: Amount;
  usd: Amount;
  number: string;
  clientId: string | null;
};
export type Experiment = {
  id: string;
  name: string;
  clientId: string | null;
  variants: { name: string; weight: Amount }[];
  control: string;
  begins: string;
  ends: string | null;
  conversionEvent: string | null;
  note: string | null;
  state: "planned" | "running" | "ended";
};
export type SeenExperiment = { name: string; variants: string[]; advice: string };
/** With a 95 % interval; `few` says why there is none. */
export type Estimate = { value: Amount | null; low: Amount | null; high: Amount | null; few: string | null };
export type Difference = {
  absolute: Amount | null;
  relative: Amount | null;
  relativeLow: Amount | null;
  relativeHigh: Amount | null;
  pValue: Amount | null;
  cuped: boolean;
};
export type VariantResult = {
  name: string;
  weight: Amount;
  control: boolean;
  users: number;
  calls: number;
  cost: Amount;
  unpriced: number;
  converted: number;
  conversions: number;
  value: Amount;
  figures: Record<string, Estimate>;
  differences: Record<string, Difference>;
};
export type ExperimentResults = {
  experiment: Experiment;
  first: string;
  last: string;
  variants: VariantResult[];
  mixedUsers: number;
  unexposedConversions: number;
  sampleRatio: { pValue: Amount | null; trusted: boolean | null };
  notices: { code: string; message: string }[];
  method: { words: string };
  formulas: FormulaRow[];
};

export type Effect = "days" | "volume" | "mix" | "tokens" | "price" | "caching";
export type Side = { requests: number; cost: Amount; tokens: number; cached: number; unpriced: number };
/** A group of calls in two windows. */
export type Explained = {
  name: string;
  status: "both" | "new" | "gone";
  now: Side;
  earlier: Side;
  change: Amount;
  effects: Record<Effect, Amount>;
  largest: Effect | null;
};
export type ExplainedPart = Explained & { provider: string; model: string; serviceType: string; feature: string };
export type ExplainedUser = {
  userId: string;
  status: Explained["status"];
  requests: number;
  earlierRequests: number;
  cost: Amount;
  earlierCost: Amount;
  change: Amount;
  volume: Amount;
  costOfCall: Amount;
};
export type Explain = {
  window: Days;
  earlier: Days;
  compared: string;
  totals: Explained;
  byFeature: Explained[];
  byModel: (Explained & { provider: string; model: string })[];
  byProvider: Explained[];
  top: ExplainedPart[];
  rest: Explained;
  byUser: ExplainedUser[];
  otherUsers: { users: number; change: Amount };
};

type Trend = { requests: Amount | null; cost: Amount | null; compared: string };
export type Overview = {
  today: PeriodTotals;
  month: PeriodTotals;
  trends: { today: Trend; month: Trend };
  health: Record<"score" | "success" | "latency" | "costCoverage", number | null>;
};

export type Forecast = {
  until: string;
  days: number;
  spent: Amount;
  cost: Amount;
  low: Amount;
  high: Amount;
  method: string;
  beatsNaive: boolean | null;
  backtest: {
    days: number;
    origins: number;
    wape: Amount | null;
    wapeNaive: Amount | null;
    wapeSeasonalNaive: Amount | null;
    bands: number;
    coverage: Amount | null;
  };
};
export type SeriesForecast = {
  name: string | null;
  fullDays: number;
  missingDays: string[];
  unpriced: number;
  monthToDate: Amount;
  refused: { why: string; possibleFrom: string | null } | null;
  monthEnd: Forecast | null;
  next30Days: Forecast | null;
  next90Days: Forecast | null;
};
export type Forecasts = { whole: SeriesForecast; parts: SeriesForecast[]; partsLeftOut: number };

export type SpanCost = {
  window: Days;
  totals: Totals;
  earlier: Earlier | null;
  change: Amount | null;
  compared: string;
};
export type MonthBudget = {
  limitId: string;
  name: string | null;
  amount: Amount;
  used: Amount;
  usedPercent: Amount | null;
};
export type Attention = {
  kind: string;
  text: string;
  severity: "bad" | "warn";
  /** The page that says more, and what it is to be narrowed to. */
  view: string;
  filters: Changes;
  at: string | null;
};
export type Failure = {
  id: string;
  createdAt: string;
  userId: string;
  feature: string;
  provider: string;
  model: string;
  status: string;
};
export type Summary = {
  today: SpanCost;
  month: SpanCost;
  window: Days;
  compared: string;
  cost: Amount;
  series: SeriesPoint[];
  changed: { compared: string; change: Amount; earlierCost: Amount; parts: ExplainedPart[]; rest: Amount } | null;
  features: FeatureTotals[];
  models: ModelTotals[];
  users: UserFigures[];
  failures: Failure[];
  forecast: SeriesForecast;
  budgets: MonthBudget[];
  attention: Attention[];
};

/** How long a group of calls took, and how fast its models answered. */
export type Speeds = {
  latency: Percentiles;
  timeToFirstToken: { p50: number | null; p95: number | null };
  tokensPerSecond: { p5: Amount | null; p50: Amount | null; p95: Amount | null };
  exact: boolean;
};
export type Measured = Speeds & { measured: number };
export type ServiceTotals = Totals & Speeds & { serviceType: string };
export type ProviderPerformance = ProviderTotals & Speeds & { services: ServiceTotals[] };
export type ModelCosts = ModelTotals &
  Speeds & {
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

export type Latency = Measured & {
  buckets: { from: number; to: number; count: number }[];
  daily: (Measured & { day: string })[];
  byModel: (Measured & { provider: string; model: string })[];
  byProvider: (Measured & { provider: string })[];
  byFeature: (Measured & { feature: string })[];
  modelDays: {
    day: string;
    provider: string;
    model: string;
    measured: number;
    p50: number | null;
    p95: number | null;
  }[];
  complete: boolean;
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
export type CallAttempt = {
  upstream: string;
  model: string;
  status: number | null;
  reason: string | null;
  milliseconds: number;
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
  experiment: string | null;
  variant: string | null;
  keyId: string | null;
  upstream: string | null;
  attempts: CallAttempt[] | null;
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

export type VegaScale = ((value: unknown) => number) & { bandwidth?(): number; invert?(place: number): number };
export type VegaView = {
  data(name: string, rows: object[]): VegaView;
  width(): number;
  width(pixels: number): VegaView;
  height(): number;
  /** Where the plotted area begins, in px. */
  origin(): [x: number, y: number];
  scale(name: string): VegaScale;
  run(): VegaView;
  runAsync(): Promise<unknown>;
  finalize(): void;
};

export type Alert = {
  id: string;
  kind: string;
  at: string;
  text: string;
  clientId: string | null;
  userId: string | null;
  silenced: boolean;
  toldBy: string | null;
};
export type Attempt = { at: string; duration: number; status: number | null; error: string | null };
export type Delivery = {
  id: string;
  alertId: string;
  kind: string;
  endpointId: string;
  recipient: string | null;
  state: "pending" | "delivered" | "failed" | "stopped";
  nextAttemptAt: string | null;
  createdAt: string;
  deliveredAt: string | null;
  attempts: Attempt[];
};
export type Mute = {
  id: string;
  kind: string;
  clientId: string | null;
  provider: string | null;
  model: string | null;
  until: string;
};
export type Endpoint = {
  id: string;
  kind: "webhook" | "email" | "slack";
  name: string;
  address: string;
  clientId: string | null;
  kinds: string[];
  state: "on" | "off" | "gone" | "ended";
};

export type Upstream = {
  name: string;
  format: string;
  provider: string;
  models: string[];
  health: "ok" | "cooling down" | "open" | "probing";
  againAt: string | null;
  lastModels: string[];
  lastFailure: { outcome: string; at: string } | null;
  latency: { p50: number | null; p95: number | null; answers: number };
  /** By how they ended; null for who does not see the whole deployment. */
  attempts: Record<string, number> | null;
};
export type Upstreams = {
  on: boolean;
  file: string | null;
  loadedAt: string | null;
  fault: string | null;
  process: number;
  upstreams: Upstream[];
  names: { name: string; targets: string[] }[];
};
export type GatewayFigures = {
  calls: Record<string, number>;
  refusals: Record<string, number>;
  fallbacks: number;
  openCalls: number;
  drains: number;
  drained: number;
  hits: number;
  misses: number;
  added: Record<"p50" | "p95" | "p99", Amount | null>;
};
export type ApiKey = {
  id: string;
  name: string;
  clientId: string;
  scopes: string[];
  models: string[] | null;
  cache: boolean | null;
  cacheSeconds: number | null;
  onDisconnect: string | null;
  createdAt: string;
  createdBy: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
};
/** USD by unit, from a moment up to another one. */
export type PriceOverride = {
  id: string;
  model: string;
  provider: string | null;
  clientId: string | null;
  prices: Record<string, Amount>;
  effectiveFrom: string;
  effectiveTo: string | null;
  createdBy: string;
};
export type RepricingPreview = {
  calls: number;
  changed: number;
  /** As text: it is kept in the page. */
  difference: string;
  withoutPrice: number;
  complete: boolean;
};
export type RepricingRun = {
  state: "running" | "done" | "failed" | "interrupted";
  model: string | null;
  firstDay: string;
  total: number;
  done: number;
  changed: number;
  difference: Amount;
};
/** One change by an administrator or a command. */
export type AuditEntry = {
  id: string;
  at: string;
  actor: { subject: string; how: string; clientId: string | null; keyId: string | null };
  action: string;
  target: { kind: string; id: string; clientId: string | null; name: string | null };
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
};
export type DefinedLimit = {
  id: string;
  version: string;
  name: string | null;
  createdBy: string;
  scope: Record<string, string | boolean | null>;
  amount: Amount;
  unit: string;
  window: string;
  kind: string;
};
