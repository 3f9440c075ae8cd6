// What an application gets back for a call that it reported.

/** @import { Fault, Receipt } from "../index.d.ts" */

/** The server has the call, durably. */
export const DELIVERED = new Set(["committed", "spooled", "duplicate"]);
export const REJECTED = "rejected";
export const DROPPED = "dropped";

/** Costs in an answer: they are kept as texts, for a number of JavaScript does not hold every digit. */
const COSTS = /("(?:cost|savedCost)":\s*)(-?\d[\d.eE+-]*)/g;

/**
 * The receipts of an answer to a batch; undefined where it has none.
 * @param {string} content
 * @returns {Receipt[] | undefined}
 */
export function receiptsOf(content) {
  try {
    const { receipts } = JSON.parse(content.replace(COSTS, '$1"$2"'));
    const areReceipts = Array.isArray(receipts) && receipts.every((each) => typeof each === "object" && each !== null);
    return areReceipts ? receipts.map(receiptOf) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Record<string, any>} told
 * @returns {Receipt}
 */
function receiptOf(told) {
  return {
    status: told.status,
    id: told.id ?? null,
    feature: told.feature ?? null,
    cost: told.cost ?? null,
    errors: faultsOf(told),
    savedCost: told.savedCost ?? null,
    costSource: told.costSource ?? null,
    unpricedReason: told.unpricedReason ?? null,
    conflicting: told.conflicting === true,
    reservation: told.reservation ?? null,
  };
}

/**
 * The faults of a receipt, or of a problem document.
 * @param {any} told
 * @returns {Fault[]}
 */
export function faultsOf(told) {
  const faults = Array.isArray(told?.errors) ? told.errors : [];
  return faults.map((/** @type {any} */ fault) => ({
    field: String(fault?.field ?? ""),
    message: String(fault?.message ?? ""),
  }));
}

/**
 * A receipt of the client's own: `queued` (it waits here), `dropped` (it is lost) or `rejected`.
 * @param {Receipt["status"]} status
 * @param {Fault[]} [errors]
 * @returns {Receipt}
 */
export const receipt = (status, errors = []) => receiptOf({ status, errors });

/**
 * @param {string} message
 * @returns {Fault[]}
 */
export const because = (message) => (message ? [{ field: "", message }] : []);
