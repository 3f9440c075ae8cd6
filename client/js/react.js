"use client";
/** Figures for a page of the application's own, as React hooks: `GET /api/analytics`, and a user's limits, `GET /api/me/usage`. */
import { useCallback, useEffect, useRef, useState } from "react";

/** @import { AnalyticsOptions, AnalyticsState, AnyLimit, Usage } from "./react.d.ts" */
/** @import { UsageLimitOptions, UsageLimitState } from "./react.d.ts" */

/** Why there are no figures, as the server tells it. */
export class AnalyticsError extends Error {
  /**
   * @param {string} message
   * @param {number} [status]
   */
  constructor(message, status = 0) {
    super(message);
    this.name = "AnalyticsError";
    /** Of the answer; 0 where there was none. */
    this.status = status;
  }
}

/**
 * @param {AnalyticsOptions} [options]
 * @returns {AnalyticsState}
 */
export function useAnalytics({ days = 30, type = "all", refreshInterval = 0, url = "", token } = {}) {
  const path = `/api/analytics?${new URLSearchParams({ days: String(days), type })}`;
  return /** @type {AnalyticsState} */ (useAnswer(url, path, refreshInterval, token));
}

/**
 * @param {UsageLimitOptions} [options]
 * @returns {UsageLimitState}
 */
export function useUsageLimit({ unit, feature, serviceType, refreshInterval = 0, url = "", token } = {}) {
  const state = useAnswer(url, "/api/me/usage", refreshInterval, token);
  const data = /** @type {Usage | null} */ (state.data);
  const isAbout = (/** @type {AnyLimit} */ { filter, unit: its }) =>
    (unit === undefined || its === unit) &&
    (feature === undefined || filter.feature === null || filter.feature === feature) &&
    (serviceType === undefined || filter.serviceType === null || filter.serviceType === serviceType);
  const limits = data?.limits.filter(isAbout) ?? [];
  const reached = [...limits, ...(data?.shared.filter(isAbout) ?? [])].some((limit) => limit.reached);
  return { ...state, data, limits, limit: limits[0] ?? null, reached };
}

/**
 * What the server answers, again after an interval, until the component is gone.
 * @param {string} url
 * @param {string} path
 * @param {number} refreshInterval ms; 0: never
 * @param {AnalyticsOptions["token"]} token
 */
function useAnswer(url, path, refreshInterval, token) {
  const [state, setState] = useState(
    /** @returns {{data: unknown, error: Error | null, loading: boolean}} */ () => ({
      data: null,
      error: null,
      loading: true,
    }),
  );
  const tokenNow = useRef(token);
  tokenNow.current = token;
  const load = useRef(/** @type {() => Promise<void>} */ (async () => {}));

  useEffect(() => {
    const address = `${url.replace(/\/+$/, "")}${path}`;
    /** @type {AbortController | undefined} */
    let request;
    let isOver = false;
    const timer = visibleTimer(refreshInterval, () => load.current());

    load.current = async () => {
      if (isOver) return;
      request?.abort();
      request = new AbortController();
      const { signal } = request;
      timer.stop();
      setState((before) => ({ ...before, loading: true }));
      /** @type {Partial<typeof state>} */
      let outcome;
      try {
        outcome = { data: await asked(address, tokenNow.current, signal), error: null };
      } catch (error) {
        outcome = { error: /** @type {Error} */ (error) };
      }
      if (signal.aborted) return;
      setState((before) => ({ ...before, ...outcome, loading: false }));
      timer.start();
    };
    load.current();
    return () => {
      isOver = true;
      request?.abort();
      timer.end();
    };
  }, [path, refreshInterval, url]);

  const refresh = useCallback(() => load.current(), []);
  return { ...state, refresh };
}

/**
 * A timer that runs only while the page is seen. What has become due meanwhile happens when it is seen again.
 * @param {number} interval ms; 0: never
 * @param {() => void} ring
 */
function visibleTimer(interval, ring) {
  const page = typeof document === "undefined" ? undefined : document;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {number | undefined} */
  let due;
  const run = () => {
    clearTimeout(timer);
    if (due !== undefined && !page?.hidden) timer = setTimeout(ring, Math.max(0, due - Date.now()));
  };
  const stop = () => {
    due = undefined;
    run();
  };
  const start = () => {
    due = interval > 0 ? Date.now() + interval : undefined;
    run();
  };
  const end = () => {
    stop();
    page?.removeEventListener("visibilitychange", run);
  };
  page?.addEventListener("visibilitychange", run);
  return { start, stop, end };
}

/**
 * What the route answers. Rejects with AnalyticsError.
 * @param {string} address
 * @param {AnalyticsOptions["token"]} token
 * @param {AbortSignal} signal
 * @returns {Promise<unknown>}
 */
async function asked(address, token, signal) {
  const bearer = typeof token === "function" ? await token() : token;
  /** @type {Response} */
  let response;
  try {
    const headers = { Accept: "application/json", ...(bearer && { Authorization: `Bearer ${bearer}` }) };
    response = await fetch(address, { headers, signal });
    if (response.ok) return await response.json();
  } catch (error) {
    throw new AnalyticsError(`the server cannot be reached: ${/** @type {Error} */ (error).message}`);
  }
  const problem = await response.json().catch(() => ({}));
  throw new AnalyticsError(problem.detail ?? problem.title ?? `the server answers ${response.status}`, response.status);
}
