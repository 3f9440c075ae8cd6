// Find anything by typing: pages, users, models, features, clients, conversations, and a call by its id.

import { ask } from "./api.js";
import { byId, el, settle } from "./dom.js";
import { placesOf } from "./parts/links.js";
import { OF_NO_TAB } from "./state.js";

/** @import { Context, Found } from "./types.js" */
/** What can be chosen. @typedef {{kind: string, label: string, href: string}} Choice */

const PAUSE_MS = 120;
const KEYS = [
  ["Ctrl K or /", "Find anything"],
  ["↑ ↓ and Enter", "Choose, and open"],
  ["Esc", "Close what is open"],
  ["?", "Show these keys"],
];
const TEXT_FIELDS = "input, textarea, select, [contenteditable]";

export class Finder {
  /** @param {() => Context | null} context of the page that is shown; null while nobody is signed in */
  constructor(context) {
    this.context = context;
    /** @type {Choice[]} */
    this.choices = [];
    this.chosen = 0;
    this.said = "";
    this.asked = new AbortController();
    /** @type {number | undefined} */
    this.timer = undefined;
    this.dialog = byId("finder", HTMLDialogElement);
    this.input = byId("finder-input", HTMLInputElement);
    this.list = byId("finder-list");
  }

  wire() {
    byId("find").onclick = () => this.open();
    this.input.oninput = () => this.typed();
    this.input.onkeydown = (event) => this.pressed(event);
    this.dialog.onclick = (event) => {
      if (event.target === this.dialog) this.dialog.close();
    };
    this.list.onclick = (event) => {
      if (event.target instanceof Element && event.target.closest("a")) this.dialog.close();
    };
    document.addEventListener("keydown", (event) => this.anywhere(event));
  }

  anywhere(/** @type {KeyboardEvent} */ event) {
    const opens = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    const writing = event.target instanceof Element && event.target.matches(TEXT_FIELDS);
    const plain = !writing && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!opens && !(plain && (event.key === "/" || event.key === "?"))) return;
    if (!this.context() || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.open(event.key === "?");
  }

  open(keys = false) {
    this.input.value = "";
    settle(
      byId("finder-keys"),
      KEYS.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)]),
    );
    byId("finder-keys").hidden = !keys;
    this.dialog.showModal();
    this.show(this.pages(""), "");
  }

  typed() {
    const text = this.input.value.trim();
    byId("finder-keys").hidden = true;
    clearTimeout(this.timer);
    this.asked.abort();
    const pages = this.pages(text);
    this.show(pages, text ? "Searching…" : "");
    if (text) this.timer = setTimeout(() => this.search(text, pages), PAUSE_MS);
  }

  async search(/** @type {string} */ text, /** @type {Choice[]} */ pages) {
    const context = this.context();
    if (!context) return;
    this.asked = new AbortController();
    const { signal } = this.asked;
    const { synthetic } = context.parameters();
    try {
      /** @type {Found} */
      const found = await ask("/api/admin/ai/search", { q: text, synthetic }, { signal });
      const choices = [...pages, ...choicesOf(context, found)];
      const nothing = `Nothing is called “${text}”. Users and conversations are found by how their ids begin.`;
      this.show(choices, choices.length ? "" : nothing);
    } catch {
      if (!signal.aborted) this.show(pages, "The search did not answer. Type again to repeat it.");
    }
  }

  /** The pages whose title has the text. */
  pages(/** @type {string} */ text) {
    const context = this.context();
    /** @type {Map<string, Choice>} */
    const found = new Map();
    for (const link of document.querySelectorAll("#nav a[data-tab], .views a[data-tab]")) {
      const [tab, label] = [link.getAttribute("data-tab") ?? "", link.textContent?.trim() ?? ""];
      if (!context || !label.toLowerCase().includes(text.toLowerCase())) continue;
      const place = link.closest(".views")?.getAttribute("aria-label");
      const name = place && place !== label ? `${place}: ${label}` : label;
      if (!found.has(tab)) found.set(tab, { kind: "Page", label: name, href: context.href({ ...OF_NO_TAB, tab }) });
    }
    return [...found.values()];
  }

  show(/** @type {Choice[]} */ choices, /** @type {string} */ said) {
    this.choices = choices;
    this.chosen = 0;
    this.said = said;
    this.draw();
  }

  draw() {
    const { chosen, choices } = this;
    settle(
      this.list,
      choices.map(({ kind, label, href }, place) =>
        el(
          "li",
          { id: `found-${place}`, role: "option", "aria-selected": String(place === chosen) },
          el(
            "a",
            { href, "data-link": "", tabindex: "-1" },
            el("span.name", { title: label }, label),
            el("span.tag", {}, kind),
          ),
        ),
      ),
    );
    const said = this.said || `${choices.length} found`;
    if (byId("finder-said").textContent !== said) byId("finder-said").textContent = said;
    this.input.setAttribute("aria-activedescendant", choices.length ? `found-${chosen}` : "");
    document.getElementById(`found-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }

  pressed(/** @type {KeyboardEvent} */ event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const { length } = this.choices;
    if (step && length) {
      this.chosen = (this.chosen + step + length) % length;
      this.draw();
    } else if (event.key === "Enter") {
      /** @type {HTMLElement | null} */ (this.list.querySelector("[aria-selected=true] a"))?.click();
    } else return;
    event.preventDefault();
  }
}

/** @returns {Choice[]} */
function choicesOf(/** @type {Context} */ context, /** @type {Found} */ found) {
  const to = placesOf(context);
  return [
    ...found.calls.map((call) => ({ kind: "Call", label: call.id, href: to.call(call) })),
    ...found.users.map((userId) => ({ kind: "User", label: userId, href: to.user({ userId }) })),
    ...found.models.map((row) => ({ kind: "Model", label: `${row.provider} · ${row.model}`, href: to.model(row) })),
    ...found.features.map((feature) => ({ kind: "Feature", label: feature, href: to.feature({ feature }) })),
    ...found.providers.map((provider) => ({ kind: "Provider", label: provider, href: to.provider({ provider }) })),
    ...found.clients.map((clientId) => ({ kind: "Client", label: clientId, href: to.client({ clientId }) })),
    ...found.conversations.map((row) => ({
      kind: "Conversation",
      label: row.conversationId,
      href: to.conversation(row),
    })),
  ];
}
