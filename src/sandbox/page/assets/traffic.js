// What the server sees of its clients: calls and frames. All there is to know of bots in other languages.

import { fill, h, perFrame } from "./dom.js";
import { clockSeconds, span } from "./time.js";

const KEPT = 500;
const SHOWN = 200;
const SIGN = { rest: "REST", in: "in", out: "out" };

export class Traffic {
  #root;
  #entries = [];
  #people = new Map();
  #rows = new WeakMap();
  #isPerson;
  #all = false;
  #kind = "";
  #update;
  #list;
  #visible = false;

  /** `isPerson(username)`: whether it is somebody who is no bot. */
  constructor(root, isPerson) {
    this.#root = root;
    this.#isPerson = isPerson;
    this.#update = perFrame(() => this.#show());
    const all = h("input", { type: "checkbox", id: "traffic-all" });
    all.addEventListener("change", () => {
      this.#all = all.checked;
      this.#update();
    });
    const kind = h("select", { class: "field-input", "aria-label": "Kind" }, h("option", { value: "" }, "Calls and frames"), h("option", { value: "rest" }, "REST calls"), h("option", { value: "frame" }, "Frames"));
    kind.addEventListener("change", () => {
      this.#kind = kind.value;
      this.#update();
    });
    this.#list = h("div", { class: "traffic", role: "log", "aria-label": "Calls and frames", tabindex: "0" });
    fill(root, h("div", { class: "pane-bar" }, kind, h("label", { class: "check", for: "traffic-all" }, all, "People too")), this.#list);
  }

  begin() {
    this.#entries = [];
    this.#people.clear();
    this.#update();
  }

  put(entry) {
    // A connection belongs to nobody until it has logged in.
    if (entry.connection && entry.user) this.#people.set(entry.connection, entry.user);
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
    this.#update();
  }

  setVisible(on) {
    this.#visible = on;
    this.#update();
  }

  #show() {
    if (!this.#visible) return;
    const who = (entry) => entry.user || this.#people.get(entry.connection) || "";
    const fits = (entry) =>
      (this.#all || !this.#isPerson(who(entry))) &&
      (!this.#kind || (entry.kind === "rest") === (this.#kind === "rest"));
    const entries = this.#entries.filter(fits).slice(-SHOWN).reverse();
    if (entries.length === 0) {
      fill(this.#list, h("p", { class: "empty" }, "No bot has called yet. What bots in any language send and hear appears here."));
      return;
    }
    this.#list.replaceChildren(...entries.map((entry) => this.#row(entry, who(entry))));
  }

  /** The row of an entry, which is made once unless it becomes known whose it is. */
  #row(entry, who) {
    const made = this.#rows.get(entry);
    if (made?.who === who) return made.element;
    const element = this.#make(entry, who);
    this.#rows.set(entry, { who, element });
    return element;
  }

  #make(entry, who) {
    const failed = entry.kind === "rest" && !(entry.status < 400);
    const status = entry.kind !== "rest" ? "" : (entry.status ?? "no answer");
    return h(
      "div",
      { class: `entry entry-${entry.kind}${failed ? " entry-failed" : ""}` },
      h("time", { class: "stamp" }, clockSeconds(entry.at)),
      h("span", { class: "entry-kind" }, SIGN[entry.kind] ?? entry.kind),
      h("span", { class: "entry-who" }, who || (entry.connection ? `#${entry.connection}` : "nobody")),
      h("span", { class: "entry-what" }, entry.what),
      h("span", { class: "entry-end" }, status, entry.took_us === undefined ? null : h("span", { class: "quiet" }, ` ${span(entry.took_us)}`)),
    );
  }
}
