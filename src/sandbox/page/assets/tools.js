// The pane beside the chat: inspector, traffic, faults, and where they hear of what happens.

import { byId, toast } from "./dom.js";
import { Faults } from "./faults.js";
import { Inspector } from "./inspector.js";
import { BASE, TOKEN } from "./session.js";
import { Traffic } from "./traffic.js";

export class Tools {
  #panes;
  #tab = "inspector";
  #source = null;
  #again = 0;
  #ended = false;

  /** `isPerson(username)`: whether it is no bot; `jump(id)`: shows a message in the chat. */
  constructor(isPerson, jump) {
    this.#panes = {
      inspector: new Inspector(byId("tab-inspector"), jump),
      traffic: new Traffic(byId("tab-traffic"), isPerson),
      faults: new Faults(byId("tab-faults"), (texts) => {
        byId("broken").hidden = texts.length === 0;
        byId("broken-text").textContent = texts.length === 1 ? texts[0] : `${texts.length} faults`;
      }),
    };
    for (const name of Object.keys(this.#panes)) byId(`tab-button-${name}`).addEventListener("click", () => this.show(name));
    byId("tool-tabs").addEventListener("keydown", (event) => this.#key(event));
    byId("tools-close").addEventListener("click", () => this.hide());
    byId("tools-button").addEventListener("click", () => this.toggle());
    byId("broken").addEventListener("click", () => this.show("faults"));
    // A browser has six connections for a server, for all its tabs together, and each stream holds one.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.#listen()));
    this.#listen();
  }

  /** There is nothing more to hear. */
  end() {
    this.#ended = true;
    this.#rest();
  }

  show(name) {
    this.#tab = name;
    document.body.classList.add("with-tools", "tools-on-top");
    byId("tools").hidden = false;
    for (const [key, pane] of Object.entries(this.#panes)) {
      const on = key === name;
      byId(`tab-${key}`).hidden = !on;
      byId(`tab-button-${key}`).setAttribute("aria-selected", String(on));
      byId(`tab-button-${key}`).tabIndex = on ? 0 : -1;
      pane.setVisible(on);
    }
  }

  hide() {
    document.body.classList.remove("with-tools");
    const inside = byId("tools").contains(document.activeElement);
    byId("tools").hidden = true;
    for (const pane of Object.values(this.#panes)) pane.setVisible(false);
    if (inside) byId("tools-button").focus();
  }

  toggle(name) {
    const open = !byId("tools").hidden;
    if (open && (this.#tab === name || !name)) {
      this.hide();
      return;
    }
    this.show(name ?? this.#tab);
    byId(`tab-button-${this.#tab}`).focus();
  }

  get hasFocus() {
    return byId("tools").contains(document.activeElement);
  }

  /** What bots did about a message. */
  why(message) {
    this.show("inspector");
    if (!this.#panes.inspector.explain(message._id)) toast("No bot with an inspector has told anything about this message.");
  }

  #key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = Object.keys(this.#panes);
    const next = names[(names.indexOf(this.#tab) + step + names.length) % names.length];
    this.show(next);
    byId(`tab-button-${next}`).focus();
  }

  #rest() {
    clearTimeout(this.#again);
    this.#source?.close();
    this.#source = null;
  }

  #listen() {
    this.#rest();
    if (this.#ended || document.hidden) return;
    const { inspector, traffic, faults } = this.#panes;
    const source = new EventSource(`${BASE}_sandbox/inspector?token=${encodeURIComponent(TOKEN)}`);
    source.addEventListener("begin", () => {
      inspector.begin();
      traffic.begin();
    });
    source.addEventListener("inspection", (event) => inspector.put(JSON.parse(event.data)));
    source.addEventListener("traffic", (event) => traffic.put(JSON.parse(event.data)));
    source.addEventListener("faults", (event) => faults.show(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      // It comes back by itself, unless the browser gave up.
      if (source === this.#source && source.readyState === EventSource.CLOSED) this.#again = setTimeout(() => this.#listen(), 2000);
    });
    this.#source = source;
  }
}
