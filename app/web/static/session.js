// Who is looking: the cookie session, and the panel that starts one.

import { ask, RequestError } from "./api.js";
import { byId } from "./dom.js";
import { ROOT } from "./root.js";
import { read } from "./state.js";

/** @import { Who } from "./types.js" */

const ROUTE = "/admin/session";
const NOTE = `twinmeter.signed-in${ROOT}`;

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

/** End the session of this browser. */
export function signOut() {
  noted(null);
  return ask(ROUTE, {}, { method: "DELETE" });
}

/**
 * @template {Who | null} W
 * @param {W} who
 */
function noted(who) {
  try {
    if (who) localStorage.setItem(NOTE, "yes");
    else localStorage.removeItem(NOTE);
  } catch {
    // storage is off: other tabs are not told
  }
  return who;
}

/** Whether these pages are for them. */
export const mayLook = (/** @type {Who} */ who) => who.scopes.includes("admin");

/**
 * Show the panel in place of the figures; the address stays.
 * @param {string} why
 * @param {(who: Who | null) => void} onSignedIn
 */
export function showSignIn(why, onSignedIn) {
  byId("sign-in-why").textContent = why;
  byId("sign-in-error").textContent = "";
  byId("sign-in").hidden = false;
  byId("sign-in-form").onsubmit = (event) => {
    event.preventDefault();
    signIn(onSignedIn);
  };
  byId("token").focus();
}

/** Hide the panel, and what was typed. */
export function hideSignIn() {
  byId("token", HTMLInputElement).value = "";
  byId("sign-in").hidden = true;
}

async function signIn(/** @type {(who: Who | null) => void} */ onSignedIn) {
  const [input, fault] = [byId("token", HTMLInputElement), byId("sign-in-error")];
  const button = /** @type {HTMLButtonElement} */ (byId("sign-in-form").querySelector("button"));
  button.disabled = true;
  fault.textContent = "";
  try {
    onSignedIn(noted(await ask(ROUTE, ofClient(), { method: "POST", body: { token: input.value.trim() } })));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    fault.textContent =
      error.kind === "signed-out" ? `This does not sign in: ${error.detail}.` : `${error.title}: ${error.detail}`;
    input.focus();
    input.select();
  } finally {
    button.disabled = false;
  }
}
