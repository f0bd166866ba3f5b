// The messages of a room or thread, scrolled: follows the end, fetches what is older, moves by keys.

import { announce, h, perFrame } from "./dom.js";
import { icon } from "./icons.js";
import { messageElement } from "./message.js";
import { rowsOf } from "./rows.js";
import { VirtualList } from "./virtual.js";

/** Nearer than this to the top, older messages are fetched. */
const NEAR_TOP = 800;

export class Timeline extends EventTarget {
  #feed = null;
  #options = {};
  #list;
  #pill;
  #missed = 0;
  #focused = null;
  #update;
  #listener;
  #context;

  /** `context`: what messages need to show themselves; `older()`: fetches older messages. */
  constructor(root, label, context, older) {
    super();
    this.root = root;
    this.#context = context;
    this.body = h("div", { class: "rows", role: "feed", "aria-label": label });
    this.scroller = h("div", { class: "scroller", tabindex: "0", "aria-label": label, role: "region" }, this.body);
    this.#pill = h("button", { class: "pill", type: "button", hidden: true, onclick: () => this.toEnd() });
    root.replaceChildren(this.scroller, this.#pill);
    this.#showMissed();
    this.#list = new VirtualList(this.scroller, this.body, (row) => this.#element(row));
    this.#update = perFrame(() => this.#rows());
    this.#listener = (event) => this.#changed(event.detail);
    this.#list.addEventListener("following", () => this.#followed());
    this.#list.addEventListener("layout", () => {
      if (this.scroller.scrollTop < NEAR_TOP && this.#feed?.loaded && this.#feed.more && !this.#feed.loading) older?.();
    });
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("focusin", (event) => {
      const row = event.target.closest("[data-id]");
      if (row) this.#focused = row.dataset.id;
    });
  }

  get feed() {
    return this.#feed;
  }

  get atEnd() {
    return this.#list.atEnd;
  }

  /** Shows another feed, from its end. */
  show(feed, options = {}) {
    this.#feed?.removeEventListener("change", this.#listener);
    this.#feed = feed;
    this.#options = options;
    this.#focused = null;
    this.#missed = 0;
    feed?.addEventListener("change", this.#listener);
    this.#showPill();
    this.#rows();
    this.#list.toEnd();
  }

  refresh() {
    this.#update();
  }

  #changed({ fresh }) {
    const others = fresh.filter((message) => message.u?._id !== this.#context.me.userId);
    const mine = fresh.some((message) => message.pending);
    if (mine) this.#list.toEnd();
    if (others.length && !this.#list.atEnd) {
      this.#missed += others.length;
      this.#showPill();
    }
    // One at a time is read out; a flood is not.
    if (others.length === 1 && !document.hidden) {
      const [message] = others;
      announce(`${message.alias || message.u?.username}: ${message.msg || "an attachment"}`);
    }
    this.#update();
  }

  #followed() {
    if (this.#list.atEnd) {
      this.#missed = 0;
      this.dispatchEvent(new Event("seen"));
    }
    this.#showPill();
  }

  #showPill() {
    this.#pill.hidden = this.#list.atEnd;
    this.#showMissed();
  }

  #showMissed() {
    const text = this.#missed ? `${this.#missed} new ${this.#missed === 1 ? "message" : "messages"}` : "Latest messages";
    this.#pill.classList.toggle("pill-new", this.#missed > 0);
    this.#pill.replaceChildren(icon("down"), text);
  }

  #rows() {
    if (!this.#feed) return this.#list.setRows([]);
    const { loading, more, loaded } = this.#feed;
    const intro = loading || (loaded && more) ? "loading" : loaded ? "start" : "";
    const rows = rowsOf(this.#feed, { ...this.#options, intro: this.#options.thread ? null : intro });
    return this.#list.setRows(rows);
  }

  #element(row) {
    switch (row.kind) {
      case "message":
        return this.#message(row);
      case "day":
        return h("div", { class: "divider", role: "separator", "aria-label": row.name }, h("span", {}, row.name));
      case "replies":
        return h("div", { class: "divider divider-start" }, h("span", {}, row.name));
      case "unread":
        return h("div", { class: "divider divider-new", role: "separator", "aria-label": "New messages" }, h("span", {}, "New"));
      default:
        return row.state === "loading"
          ? h("div", { class: "intro loading" }, h("span", { class: "spinner" }), "Fetching messages…")
          : (this.#options.start?.() ?? h("div", { class: "intro" }));
    }
  }

  /** A message in a form that nobody thought of must not take the others with it. */
  #message(row) {
    try {
      return messageElement(row.message, row.grouped, this.#context);
    } catch {
      const { _id, ts, updated, edited, version, ...rest } = row.message;
      return h(
        "div",
        { class: "message", role: "article", tabindex: "-1", "data-id": _id },
        h("div", { class: "gutter" }),
        h("div", { class: "content" }, h("p", { class: "quiet" }, "A message of an odd form:"), h("pre", { class: "odd" }, JSON.stringify(rest, null, 1).slice(0, 2000))),
      );
    }
  }

  toEnd() {
    this.#list.toEnd();
  }

  /** The message that has the focus. */
  get focused() {
    return this.#focused && this.#feed?.get(this.#focused);
  }

  /** Brings a message to the screen. */
  jump(id) {
    const element = this.#list.show(id);
    if (!element) return false;
    this.focus(id);
    element.classList.add("flash");
    setTimeout(() => element.classList.remove("flash"), 1600);
    return true;
  }

  /** Gives a message the focus, if it is near the screen. */
  focus(id) {
    const element = this.#list.element(id);
    if (!element) return false;
    this.#focused = id;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** Moves the focus to the message before or after. */
  move(step) {
    const rows = this.#list.rows.filter((row) => row.kind === "message");
    if (rows.length === 0) return;
    const at = rows.findIndex((row) => row.key === this.#focused);
    const next = at < 0 ? rows.length - 1 : Math.min(rows.length - 1, Math.max(0, at + step));
    const { key } = rows[next];
    if (!this.#list.element(key)) this.#list.show(key);
    this.focus(key);
  }

  #key(event) {
    if (event.target !== this.scroller && !event.target.matches("[data-id]")) return;
    const steps = { ArrowUp: -1, ArrowDown: 1, k: -1, j: 1 };
    if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.move(steps[event.key]);
      return;
    }
    const message = this.focused;
    const anchor = event.target.closest("[data-id]");
    if (!message || !anchor || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = { Enter: "menu", ContextMenu: "menu", t: "thread", r: "pick", e: "edit", q: "quote", w: "why", Delete: "remove" };
    const act = acts[event.key];
    if (act) {
      event.preventDefault();
      this.#context.act(act, message, anchor);
    }
  }
}
