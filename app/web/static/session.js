// Who is looking: the cookie session, and the panel that starts one.

import { ask, RequestError } from "./api.js";
import { byId } from "./dom.js";
import { ROOT } from "./root.js";
import { read } from "./state.js";

/** @import { Who } from "./types.js" */

const ROUTE = "/admin/session";
const NOTE = `twinmeter.signed-in${ROOT}`;
const AT_PROVIDER = `twinmeter.at-provider${ROOT}`;

/** Hears of other tabs while the panel is shown. @type {AbortController | undefined} */
let elsewhere;

/** Who has signed in, as the page itself says; undefined where it does not know. @returns {Who | undefined} */
export function toldOnThePage() {
  const told = document.getElementById("who");
  return told ? noted(JSON.parse(told.textContent ?? "")) : undefined;
}

/** Who has signed in; null where nobody has. Rejects with RequestError where that cannot be told. */
export async function whoIsThere() {
  try {
    return noted(await ask(ROUTE, ofClient()));
  } catch (error) {
    if (error instanceof RequestError && error.kind === "signed-out") return noted(null);
    throw error;
  }
}

/** The client that the page is about: of its calls it depends which data is shown. */
const ofClient = () => ({ clientId: read(location).clientId });

/** Call `ended` when another tab of this browser has signed out. */
export function whenSignedOutElsewhere(/** @type {() => void} */ ended) {
  addEventListener("storage", ({ key, newValue }) => {
    if (key === NOTE && newValue === null) ended();
  });
}

/** End the session of this browser, and at the identity provider where it began there. */
export async function signOut() {
  noted(null);
  await ask(ROUTE, {}, { method: "DELETE" });
  if (!kept(AT_PROVIDER)) return;
  keep(AT_PROVIDER, false);
  location.assign(`${ROOT}/admin/sign-in/out`);
}

/**
 * @template {Who | null} W
 * @param {W} who
 */
function noted(who) {
  keep(NOTE, who !== null);
  return who;
}

function kept(/** @type {string} */ name) {
  try {
    return localStorage.getItem(name) !== null;
  } catch {
    return false;
  }
}

function keep(/** @type {string} */ name, /** @type {boolean} */ wanted) {
  try {
    if (wanted) localStorage.setItem(name, "yes");
    else localStorage.removeItem(name);
  } catch {
    // storage is off: other tabs are not told
  }
}

/** Whether these pages are for them. */
export const mayLook = (/** @type {Who} */ who) => who.scopes.includes("admin");

/**
 * Show the panel in place of the figures; the address stays. Whoever had a session signs in at the provider in a tab of
 * its own, so that this page loses nothing that was typed: it goes on as soon as that tab has signed in.
 * @param {string} why
 * @param {(who: Who | null) => void} onSignedIn
 */
export function showSignIn(why, onSignedIn) {
  const { dataset } = document.documentElement;
  prepare(why, onSignedIn, dataset.session === "in" ? "_blank" : "_self");
  dataset.session = "out";
  document.title = "Sign in · twinmeter";
  elsewhere?.abort();
  elsewhere = new AbortController();
  const heard = async (/** @type {StorageEvent} */ { key, newValue }) => {
    if (key === NOTE && newValue !== null) onSignedIn(await whoIsThere());
  };
  addEventListener("storage", heard, { signal: elsewhere.signal });
  byId("sign-in").hidden = false;
  (document.getElementById("sign-in-provider") ?? byId("token")).focus();
}

/** Hide the panel, and what was typed. */
export function hideSignIn() {
  document.documentElement.dataset.session = "in";
  elsewhere?.abort();
  const [input, show] = [byId("token", HTMLInputElement), byId("token-show")];
  [input.value, input.type] = ["", "password"];
  show.setAttribute("aria-pressed", "false");
  byId("sign-in").hidden = true;
}

/**
 * @param {string} why
 * @param {(who: Who | null) => void} onSignedIn
 * @param {string} target where the provider's page opens
 */
function prepare(why, onSignedIn, target) {
  byId("sign-in-why").textContent = why;
  byId("sign-in-error").textContent = "";
  byId("sign-in-form").onsubmit = (event) => {
    event.preventDefault();
    signIn(onSignedIn);
  };
  const [input, show, paste] = [byId("token", HTMLInputElement), byId("token-show"), byId("token-paste")];
  show.onclick = () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    show.setAttribute("aria-pressed", String(shown));
  };
  paste.hidden = !navigator.clipboard?.readText;
  paste.onclick = async () => {
    try {
      input.value = (await navigator.clipboard.readText()).trim();
    } catch {
      byId("sign-in-error").textContent =
        "The browser does not let this page read the clipboard. Paste into the field.";
    }
    input.focus();
  };
  const provider = document.getElementById("sign-in-provider");
  if (!(provider instanceof HTMLAnchorElement)) return;
  const wanted = location.pathname + location.search + location.hash;
  provider.href = `${ROOT}/admin/sign-in?target=${encodeURIComponent(wanted)}`;
  provider.target = target;
  provider.onclick = () => keep(AT_PROVIDER, true);
}

async function signIn(/** @type {(who: Who | null) => void} */ onSignedIn) {
  const [input, fault] = [byId("token", HTMLInputElement), byId("sign-in-error")];
  const button = /** @type {HTMLButtonElement} */ (byId("sign-in-form").querySelector("[type=submit]"));
  button.disabled = true;
  fault.textContent = "";
  try {
    const who = noted(await ask(ROUTE, ofClient(), { method: "POST", body: { token: input.value.trim() } }));
    keep(AT_PROVIDER, false);
    onSignedIn(who);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    fault.textContent =
      error.kind === "signed-out"
        ? `That token or key was not accepted: ${error.detail}.`
        : `${error.title}: ${error.detail}`;
    input.focus();
    input.select();
  } finally {
    button.disabled = false;
  }
}
