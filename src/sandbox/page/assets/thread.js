// The pane of a thread, beside the room.

import { Composer } from "./composer.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { Timeline } from "./timeline.js";
import { TypingLine } from "./typing.js";

export class ThreadPane {
  #root;
  #chat;
  #timeline;
  #composer;
  #typing;
  #room;
  tmid = null;
  rid = null;

  #closed;

  /** `closed(tmid)`: gives the focus back to the room. */
  constructor(root, chat, context, closed) {
    this.#root = root;
    this.#closed = closed;
    this.#chat = chat;
    const close = h("button", { class: "icon-button", type: "button", "aria-label": "Close the thread", onclick: () => this.close() }, icon("close"));
    this.#room = h("p", { class: "quiet" });
    const rows = h("div", { class: "timeline" });
    const typing = h("div", { class: "typing", role: "status" });
    const composer = h("div", { class: "composer" });
    fill(root, h("header", { class: "pane-head" }, h("div", {}, h("h2", {}, "Thread"), this.#room), close), rows, composer, typing);
    this.#timeline = new Timeline(rows, "Thread", { ...context, inThread: true });
    this.#typing = new TypingLine(typing);
    this.#composer = new Composer(composer, {
      id: "thread-composer",
      label: "Reply in the thread",
      also: true,
      send: (text, extra) => chat.send(this.rid, text, { ...extra, tmid: this.tmid }),
      edit: (message, text) => chat.edit(message, text),
      last: () => this.last(),
      typing: (on) => chat.typing(this.rid, on, this.tmid),
      users: () => [...chat.store.users.values()],
    });
    chat.addEventListener("typing", ({ detail }) => {
      if (detail.tmid === this.tmid && detail.rid === this.rid) this.#typing.note(detail.username, detail.activities);
    });
    chat.store.addEventListener("removed", ({ detail }) => detail === this.tmid && this.close());
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      event.stopPropagation();
      this.close();
    });
  }

  /** The reader's last message in here. */
  last() {
    const mine = (message) => message.u?._id === this.#chat.store.me.userId && !message.t && !message.pending;
    return this.#timeline.feed?.list.findLast(mine);
  }

  get timeline() {
    return this.#timeline;
  }

  get composer() {
    return this.#composer;
  }

  open(message) {
    const tmid = message.tmid ?? message._id;
    this.tmid = tmid;
    this.rid = message.rid;
    this.#root.hidden = false;
    document.body.classList.add("with-thread");
    // Where there is room for one pane, the last one that was opened is to be seen.
    document.body.classList.remove("tools-on-top");
    const room = this.#chat.store.rooms.get(message.rid);
    this.#room.textContent = room ? `in ${room.kind === "d" ? "" : "#"}${room.title}` : "";
    this.#typing.clear();
    this.#timeline.show(this.#chat.store.feed(tmid), { thread: tmid });
    this.#composer.goTo(tmid, "Reply…");
    this.#composer.focus();
    this.#chat.loadThread(tmid);
  }

  close() {
    if (this.#root.hidden) return;
    const { tmid } = this;
    this.tmid = null;
    this.#root.hidden = true;
    document.body.classList.remove("with-thread");
    this.#timeline.show(null);
    this.#closed(tmid);
  }
}
