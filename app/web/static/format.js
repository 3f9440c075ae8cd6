// Figures as a person reads them. Every function takes null for what is not known and answers a dash.

/** @import { Amount, Known } from "./types.js" */

export const DASH = "–";
const LOCALE = "en-US";

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const one = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
/** @type {Intl.DateTimeFormatOptions} */
const UNITS = { day: "numeric", month: "short", year: "numeric" };

/**
 * `make` with its results kept: a formatter takes longer to make than to format with.
 * @template K, F
 * @param {(key: K) => F} make
 */
const kept = (make) => {
  /** @type {Map<K, F>} */
  const known = new Map();
  return (/** @type {K} */ key) => {
    const found = known.get(key) ?? make(key);
    known.set(key, found);
    return found;
  };
};
const dollarsOf = kept((/** @type {number} */ digits) => {
  const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(LOCALE, { style: "currency", currency: "USD", ...fraction });
});
const dayOf = kept((/** @type {boolean} */ year) => {
  const parts = year ? UNITS : { day: UNITS.day, month: UNITS.month };
  return new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: "UTC" });
});
const clockOf = kept(
  (/** @type {string} */ timeZone) => new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone }),
);
const minuteOf = kept(
  (/** @type {string} */ timeZone) =>
    new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone }),
);
const localOf = kept((/** @type {string} */ timeZone) => {
  /** @type {Intl.DateTimeFormatOptions} */
  const day = { year: "numeric", month: "2-digit", day: "2-digit" };
  /** @type {Intl.DateTimeFormatOptions} */
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "longOffset" };
  return new Intl.DateTimeFormat("en-GB", { ...day, ...time, timeZone });
});
const instantOf = kept((/** @type {string} */ timeZone) => {
  /** @type {Intl.DateTimeFormatOptions} */
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return new Intl.DateTimeFormat("en-GB", { ...UNITS, ...time, timeZone });
});
const isoDayOf = kept((/** @type {string} */ timeZone) => {
  /** @type {Intl.DateTimeFormatOptions} */
  const parts = { year: "numeric", month: "2-digit", day: "2-digit" };
  return new Intl.DateTimeFormat("en-CA", { ...parts, timeZone });
});

/** What may be a figure: an amount, or what an address says. @typedef {Known<Amount | string>} Figure */

/** What a formatter writes without rounding it first. */
const exactly = (/** @type {Figure} */ value) => /** @type {`${number}`} */ (String(value));
const known = (/** @type {Figure} */ value) =>
  value !== null && value !== undefined && value !== "" && Number.isFinite(Number(value));

/** 12,345 */
export const count = (/** @type {Figure} */ value) => (known(value) ? whole.format(exactly(value)) : DASH);

/** 12,345 up to a hundred thousand; 1.2M above. */
export const short = (/** @type {Figure} */ value) => {
  if (!known(value)) return DASH;
  return Math.abs(Number(value)) < 100_000 ? count(value) : compact.format(Number(value));
};

/** $12.35; as many decimals as a small amount needs: $0.0006. Never $0.00 for what costs something. */
export const money = (/** @type {Figure} */ value) => {
  if (!known(value)) return DASH;
  const size = Math.abs(Number(value));
  if (size >= 1e6) return `${Number(value) < 0 ? "-" : ""}$${compact.format(size)}`;
  return dollars(value, moneyDecimals(size));
};

/** The same in a narrow place: $12.3K from ten thousand on. */
export const shortMoney = (/** @type {Figure} */ value) =>
  known(value) && Math.abs(Number(value)) >= 10_000
    ? `${Number(value) < 0 ? "-" : ""}$${compact.format(Math.abs(Number(value)))}`
    : money(value);

/** +$12.30, −$3.10: how far an amount changed. */
export const moneyChange = (/** @type {Figure} */ value) => signed(value, money);

/** The sign of a figure, before what `write` makes of its size. */
export const signed = (/** @type {Figure} */ value, /** @type {(value: Figure) => string} */ write) => {
  if (!known(value)) return DASH;
  const digits = String(value).replace(/^-/, "");
  return `${Number(value) > 0 ? "+" : Number(value) < 0 ? "−" : ""}${write(digits)}`;
};

/** How many decimals an amount needs for two digits that say something. */
export const moneyDecimals = (/** @type {number} */ size) =>
  size === 0 || size >= 0.1 ? 2 : Math.min(15, 1 - Math.floor(Math.log10(size)));

/** An amount with so many decimals, so that a column lines up. */
export const dollars = (/** @type {Figure} */ value, decimals = 2) =>
  known(value) ? dollarsOf(decimals).format(exactly(value)) : DASH;

/** 96.5% of a figure in percent. */
/** 41.3, of a second or the like. */
export const rate = (/** @type {Figure} */ value) => (known(value) ? one.format(Number(value)) : DASH);

export const percent = (/** @type {Figure} */ value) => (known(value) ? `${one.format(Number(value))}%` : DASH);

/** +12.3% */
export const change = (/** @type {Figure} */ value) => {
  if (!known(value)) return DASH;
  const size = Math.abs(Number(value));
  const text = size >= 1000 ? compact.format(size) : one.format(size);
  return `${Number(value) > 0 ? "+" : Number(value) < 0 ? "−" : ""}${text}%`;
};

/** +0.4 points: between two figures in percent. */
export const points = (/** @type {Figure} */ value) => change(value).replace("%", " pts");

/** 820 ms, 1.3 s, 2 min 05 s, of milliseconds. */
export const duration = (/** @type {Figure} */ value) => {
  if (!known(value)) return DASH;
  const ms = Number(value);
  if (ms < 1000) return `${whole.format(ms)} ms`;
  if (ms < 59_950) return `${one.format(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  return `${whole.format(Math.floor(seconds / 60))} min ${String(seconds % 60).padStart(2, "0")} s`;
};

/** 820 ms – 1.3 s, of bounds in ms of which one may be missing. */
export const durations = (/** @type {Figure} */ least, /** @type {Figure} */ most) => {
  if (!known(most)) return `from ${duration(least)}`;
  return known(least) ? `${duration(least)} – ${duration(most)}` : `up to ${duration(most)}`;
};

/** 12.3 s of seconds. */
export const seconds = (/** @type {Figure} */ value) => (known(value) ? duration(Number(value) * 1000) : DASH);

/** 1.5 MB */
export const bytes = (/** @type {Figure} */ value) => {
  if (!known(value)) return DASH;
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, Number(value))) / 3)));
  const amount = Number(value) / 1000 ** power;
  return `${power ? one.format(amount) : whole.format(amount)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
};

/** 21 Nov 2026, of `2026-11-21`: a day of the reporting time zone, which no zone of a browser may shift. */
export const day = (/** @type {Known<string>} */ value, { year = true } = {}) => {
  if (!value) return DASH;
  const at = new Date(`${value}T00:00:00Z`);
  if (Number.isNaN(at.getTime())) return String(value); // an address may say anything
  return dayOf(year).format(at).replace("Sept", "Sep");
};

/** `2026-11` as November 2026. */
export const month = (/** @type {string} */ value) =>
  new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" }).format(
    new Date(`${value}-01T00:00:00Z`),
  );

/** 23 Oct – 21 Nov 2026 */
export const span = (/** @type {string} */ first, /** @type {string} */ last) => {
  if (first === last) return day(first);
  return `${day(first, { year: first.slice(0, 4) !== last.slice(0, 4) })} – ${day(last)}`;
};

/** 21 Nov 2026, 09:30 – 12:00, or with both days, of instants in a time zone; the end of a day is 24:00. */
export const times = (/** @type {string} */ begin, /** @type {string} */ end, /** @type {string} */ timeZone) => {
  const [first, after] = [new Date(begin), new Date(end)];
  const [day1, day2] = [dayIn(first, timeZone), dayIn(new Date(after.getTime() - 1), timeZone)];
  const [from, until] = [first, after].map((moment) => minuteOf(timeZone).format(moment));
  const to = until === "00:00" ? "24:00" : until;
  return day1 === day2 ? `${day(day1)}, ${from} – ${to}` : `${day(day1)}, ${from} – ${day(day2)}, ${to}`;
};

/** 23 Sep–21 Oct, 1–20 Oct, 20 Nov */
export const shortSpan = (/** @type {string} */ first, /** @type {string} */ last) => {
  const end = day(last, { year: false });
  if (first === last) return end;
  const start = first.slice(0, 7) === last.slice(0, 7) ? String(Number(first.slice(8))) : day(first, { year: false });
  return `${start}–${end}`;
};

/** A sentence of the server with its days written as everywhere here. */
export const sentence = (/** @type {string} */ text) =>
  String(text).replace(/\b\d{4}-\d{2}-\d{2}\b/g, (found) => day(found));

/** Marks of a logarithmic axis of durations, in ms: 1, 3, 10, 30 and so on, within what is drawn. */
export const logTicks = (/** @type {number} */ least, /** @type {number} */ greatest) =>
  [1, 3, 10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6].filter((tick) => tick >= least && tick <= greatest);

/** 12:03:04 in the reporting time zone. */
export const clock = (/** @type {string} */ moment, /** @type {string} */ timeZone) =>
  clockOf(timeZone).format(new Date(moment));

/** 21 Nov 2026, 12:03:04 in the reporting time zone. */
export const instant = (/** @type {Known<string>} */ moment, /** @type {string} */ timeZone) =>
  moment ? instantOf(timeZone).format(new Date(moment)) : DASH;

/** The day at `moment` in a time zone, as `2026-11-21`. */
export const dayIn = (/** @type {Date} */ moment, /** @type {string} */ timeZone) => isoDayOf(timeZone).format(moment);

/** Moments as clocks in a time zone show them, to the minute and with the offset: `2026-11-28T13:00+01:00`. */
export const localIn = (/** @type {string} */ timeZone) => {
  const format = localOf(timeZone);
  return (/** @type {string} */ moment) => {
    const parts = Object.fromEntries(format.formatToParts(new Date(moment)).map(({ type, value }) => [type, value]));
    const { year, month: of, day: on, hour: at, minute, timeZoneName } = parts;
    return `${year}-${of}-${on}T${at}:${minute}${timeZoneName.replace("GMT", "") || "+00:00"}`;
  };
};

/** 09:00 */
export const hour = (/** @type {number | string} */ value) => `${String(value).padStart(2, "0")}:00`;

export const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const INITIALS = /\b(?:api|json|html|tls|dns|http)\b/g;

/** `rate_limited` as Rate limited, `invalid_api_key` as Invalid API key. */
export const words = (/** @type {Known<string>} */ value) => {
  if (!value) return DASH;
  const text = value.replaceAll("_", " ").replace(INITIALS, (each) => each.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** 1 call, 2 calls */
export const plural = (/** @type {number} */ number, /** @type {string} */ singular, several = `${singular}s`) =>
  `${count(number)} ${number === 1 ? singular : several}`;
