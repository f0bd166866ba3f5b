// Who is typing, as long as they say so.

import { fill, h } from "./dom.js";

/** Clients renew it every few seconds; without that it ends. */
const LASTS = 15_000;

export class TypingLine {
  #element;
  #people = new Map();

  constructor(element) {
    this.#element = element;
  }

  note(username, activities) {
    clearTimeout(this.#people.get(username));
    if (activities.length) this.#people.set(username, setTimeout(() => this.note(username, []), LASTS));
    else this.#people.delete(username);
    this.#show();
  }

  clear() {
    for (const timer of this.#people.values()) clearTimeout(timer);
    this.#people.clear();
    this.#show();
  }

  #show() {
    const names = [...this.#people.keys()];
    if (names.length === 0) return fill(this.#element);
    const who = names.length > 3 ? `${names.length} people are` : `${names.join(", ")} ${names.length === 1 ? "is" : "are"}`;
    const dots = h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    return fill(this.#element, dots, `${who} typing…`);
  }
}
