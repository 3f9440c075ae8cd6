// Under which prefix a proxy serves this deployment: said by where this script came from, whatever page loaded it.

/** The prefix in the address of a script; empty at the top of a host. */
export function rootOf(/** @type {string} */ script) {
  return new URL(script).pathname.match(/^(.*)\/admin\/static\/[^/]+\/[^/]+$/)?.[1] ?? "";
}

export const ROOT = rootOf(import.meta.url);
