// @ts-check
// Who is looking: the cookie session, and the panel that starts one.

import { ask } from "./api.js";

const ROUTE = "/admin/session";
const NOTE = "twinmeter.signed-in";
const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** Who is signed in; null where nobody is. Rejects with RequestError where that cannot be told. */
export async function whoIsThere() {
  try {
    return noted(await ask(ROUTE));
  } catch (error) {
    if (/** @type {any} */ (error).kind === "signed-out") return noted(null);
    throw error;
  }
}

/** Whether somebody had signed in when this browser was last here: no script can see the session itself. */
export function wasSignedIn() {
  try {
    return localStorage.getItem(NOTE) !== null;
  } catch {
    return false; // storage is off: it only saves some time
  }
}

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

function noted(who) {
  try {
    if (who) localStorage.setItem(NOTE, "yes");
    else localStorage.removeItem(NOTE);
  } catch {
    // as above
  }
  return who;
}

/** Whether these pages are for them. */
export const mayLook = (/** @type {any} */ who) => who.scopes.includes("admin");

/**
 * Show the panel in place of the figures; the address stays.
 * @param {string} why
 * @param {(who: any) => void} onSignedIn
 */
export function showSignIn(why, onSignedIn) {
  const [panel, form, input, fault] = ["sign-in", "sign-in-form", "token", "sign-in-error"].map(byId);
  byId("sign-in-why").textContent = why;
  fault.textContent = "";
  panel.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    signIn(form, input, fault, onSignedIn);
  };
  input.focus();
}

/** Hide the panel, and what was typed. */
export function hideSignIn() {
  byId("token").value = "";
  byId("sign-in").hidden = true;
}

async function signIn(form, input, fault, onSignedIn) {
  const button = form.querySelector("button");
  button.disabled = true;
  fault.textContent = "";
  try {
    onSignedIn(noted(await ask(ROUTE, {}, { method: "POST", body: { token: input.value.trim() } })));
  } catch (error) {
    fault.textContent =
      error.kind === "signed-out" ? `This does not sign in: ${error.detail}.` : `${error.title}: ${error.detail}`;
    input.focus();
    input.select();
  } finally {
    button.disabled = false;
  }
}
