// Where messages are written: several lines, editing, quoting, typing notices, names and emoji completed.

import { fill, h, toast } from "./dom.js";
import { emojiOf, findEmoji } from "./emoji.js";
import { icon } from "./icons.js";
import { pickEmoji } from "./menu.js";
import { avatar } from "./message.js";

/** Typing is told again after so long, and ends after so long without a key. */
const RENEW = 5000;
const ENDS = 6000;
const HIGHEST = 220;
const SUGGESTIONS = 6;
const LONGEST = 5000;

export class Composer {
  #options;
  #input;
  #banner;
  #list;
  #also = null;
  #editing = null;
  #quoting = null;
  #drafts = new Map();
  #place = null;
  #told = 0;
  #timer = 0;
  #choices = [];
  #chosen = 0;

  /**
   * `options`: `id`, `send(text, extra)`, `edit(message, text)`, `last()` the reader's last message, `typing(on)`,
   * `users()`, `also` whether a reply may go to the room too.
   */
  constructor(root, options) {
    this.#options = options;
    this.#banner = h("div", { class: "composer-banner", hidden: true });
    this.#list = h("ul", { class: "suggestions", role: "listbox", id: `${options.id}-list`, hidden: true });
    this.#input = h("textarea", {
      id: options.id,
      rows: 1,
      placeholder: "Message",
      "aria-label": options.label ?? "Message",
      "aria-autocomplete": "list",
      "aria-controls": `${options.id}-list`,
      maxlength: LONGEST,
      spellcheck: "true",
    });
    const smile = h(
      "button",
      { class: "icon-button", type: "button", "aria-label": "Emoji", onclick: () => pickEmoji(smile, (name) => this.#insert(emojiOf(name) ?? `:${name}:`)) },
      icon("smile"),
    );
    this.sendButton = h("button", { class: "icon-button send", "aria-label": "Send", disabled: true }, icon("send"));
    if (options.also) this.#also = h("input", { type: "checkbox", id: `${options.id}-also` });
    const form = h(
      "form",
      { class: "composer-form" },
      this.#list,
      this.#banner,
      h("div", { class: "composer-box" }, this.#input, smile, this.sendButton),
      this.#also ? h("label", { class: "check", for: `${options.id}-also` }, this.#also, "Also send to the room") : null,
    );
    root.replaceChildren(form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.addEventListener("blur", () => setTimeout(() => this.#suggest([]), 150));
  }

  focus() {
    this.#input.focus();
  }

  get element() {
    return this.#input;
  }

  /** Another room or thread: each has its own draft. */
  goTo(place, placeholder) {
    this.#stopTyping();
    if (this.#place && !this.#editing) this.#drafts.set(this.#place, this.#input.value);
    this.#cancel(false);
    this.#place = place;
    this.#input.placeholder = placeholder;
    this.#set(this.#drafts.get(place) ?? "");
  }

  enable(on, why = "") {
    this.#input.disabled = !on;
    if (!on) this.#input.placeholder = why;
  }

  #set(text) {
    this.#input.value = text;
    this.#size();
  }

  #size() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${Math.min(HIGHEST, this.#input.scrollHeight)}px`;
    this.sendButton.disabled = this.#input.value.trim() === "";
  }

  edit(message) {
    this.#quoting = null;
    if (!this.#editing && this.#place) this.#drafts.set(this.#place, this.#input.value);
    this.#editing = message;
    this.#set(message.msg);
    this.#input.parentElement.classList.add("editing");
    this.#showBanner("edit", "Editing your message");
    this.focus();
    this.#input.setSelectionRange(message.msg.length, message.msg.length);
  }

  quote(message) {
    this.#quoting = message;
    const said = message.msg || "an attachment";
    this.#showBanner("quote", `Quoting ${message.alias || message.u?.username}: ${said.slice(0, 120)}`);
    this.focus();
  }

  #showBanner(sign, text) {
    this.#banner.hidden = false;
    const cancel = h("button", { class: "icon-button", type: "button", "aria-label": "Cancel", onclick: () => this.#cancel() }, icon("close"));
    fill(this.#banner, icon(sign), h("span", {}, text), cancel);
  }

  /** Ends editing and quoting. Whether there was anything to end. */
  #cancel(refocus = true) {
    const was = this.#editing ?? this.#quoting;
    if (this.#editing) this.#set(this.#drafts.get(this.#place) ?? "");
    this.#editing = null;
    this.#quoting = null;
    this.#banner.hidden = true;
    this.#input.parentElement.classList.remove("editing");
    if (was && refocus) this.focus();
    return Boolean(was);
  }

  #insert(text) {
    this.#input.focus();
    const { selectionStart, selectionEnd } = this.#input;
    this.#input.setRangeText(text, selectionStart, selectionEnd, "end");
    this.#typed();
  }

  async #submit() {
    const text = this.#input.value.trim();
    if (!text) return;
    this.#stopTyping();
    this.#suggest([]);
    if (this.#editing) {
      const message = this.#editing;
      this.#cancel();
      try {
        await this.#options.edit(message, text);
      } catch (error) {
        toast(`Not changed: ${error.message}`, "error");
      }
      return;
    }
    const extra = { quote: this.#quoting, tshow: this.#also?.checked };
    this.#cancel();
    this.#drafts.delete(this.#place);
    this.#set("");
    this.#options.send(text, extra);
  }

  #typed() {
    this.#size();
    this.#complete();
    if (this.#editing || this.#input.value.trim() === "") {
      this.#stopTyping();
      return;
    }
    const now = Date.now();
    if (now - this.#told > RENEW) {
      this.#told = now;
      this.#options.typing?.(true);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#stopTyping(), ENDS);
  }

  #stopTyping() {
    clearTimeout(this.#timer);
    if (this.#told === 0) return;
    this.#told = 0;
    this.#options.typing?.(false);
  }

  /** The word before the cursor, if it may be completed. */
  #complete() {
    const before = this.#input.value.slice(0, this.#input.selectionStart);
    const word = /(?:^|\s)([@:])([\w.+-]*)$/.exec(before);
    if (!word || this.#input.selectionStart !== this.#input.selectionEnd) return this.#suggest([]);
    const [, sign, text] = word;
    const from = before.length - text.length - 1;
    if (sign === ":") {
      if (text.length < 2) return this.#suggest([]);
      const found = findEmoji(text, SUGGESTIONS);
      return this.#suggest(found.map(([name, emoji]) => ({ text: `${emoji} `, from, shown: [h("span", { class: "emoji" }, emoji), `:${name}:`] })));
    }
    const wanted = text.toLowerCase();
    const users = (this.#options.users?.() ?? []).filter((user) => user.username.toLowerCase().startsWith(wanted));
    // A name that is complete needs nothing more, and Enter sends.
    if (users.length === 1 && users[0].username.toLowerCase() === wanted) return this.#suggest([]);
    return this.#suggest(
      users.slice(0, SUGGESTIONS).map((user) => ({ text: `@${user.username} `, from, shown: [avatar(user.username, true), `@${user.username}`] })),
    );
  }

  #suggest(choices) {
    this.#choices = choices;
    this.#chosen = 0;
    this.#list.hidden = choices.length === 0;
    fill(
      this.#list,
      choices.map((choice, at) =>
        h("li", { role: "option", id: `${this.#options.id}-${at}`, "aria-selected": at === 0 ? "true" : "false", onpointerdown: () => this.#take(choice) }, choice.shown),
      ),
    );
    this.#mark();
  }

  #mark() {
    [...this.#list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === this.#chosen)));
    if (this.#choices.length) this.#input.setAttribute("aria-activedescendant", `${this.#options.id}-${this.#chosen}`);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  #take(choice) {
    this.#input.setRangeText(choice.text, choice.from, this.#input.selectionStart, "end");
    this.#suggest([]);
    this.#size();
    setTimeout(() => this.focus());
  }

  #key(event) {
    if (event.isComposing) return;
    if (this.#choices.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        this.#chosen = (this.#chosen + step + this.#choices.length) % this.#choices.length;
        this.#mark();
        event.preventDefault();
        return;
      }
      if (event.key === "Enter" || event.key === "Tab") {
        this.#take(this.#choices[this.#chosen]);
        event.preventDefault();
        return;
      }
      if (event.key === "Escape") {
        this.#suggest([]);
        event.preventDefault();
        event.stopPropagation();
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && this.#input.value === "" && !event.altKey) {
      const last = this.#options.last?.();
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    } else if (event.key === "Escape" && this.#cancel()) {
      event.preventDefault();
      event.stopPropagation();
    }
  }
}
