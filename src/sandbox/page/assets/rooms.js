// The list of rooms: by kind, with what is unread.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./message.js";

const GROUPS = [
  ["Channels", (room) => room.kind === "c" && !room.parent],
  ["Private", (room) => room.kind === "p" && !room.parent],
  ["Discussions", (room) => Boolean(room.parent)],
  ["Direct messages", (room) => room.kind === "d"],
];

/** The sign of a room's kind. */
export function roomIcon(room) {
  if (room.parent) return icon("bubbles");
  if (room.kind === "p") return icon("lock");
  return icon("hash");
}

const KIND = { c: "channel", p: "private", d: "direct" };

export class RoomList {
  #root;
  #store;
  #open;
  #filter = "";

  constructor(root, store, open) {
    this.#root = root;
    this.#store = store;
    this.#open = open;
    store.addEventListener("rooms", () => this.#show());
    store.addEventListener("users", () => this.#show());
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.#show();
  }

  /** Rooms in the order of the list. */
  get order() {
    const rooms = [...this.#store.rooms.values()].filter((room) => room.joined);
    const fits = (room) => `${room.title} ${room.name}`.toLowerCase().includes(this.#filter);
    return GROUPS.flatMap(([title, belongs]) => {
      const list = rooms.filter((room) => belongs(room) && fits(room));
      list.sort((a, b) => a.title.localeCompare(b.title));
      return list.map((room) => ({ ...room, group: title }));
    });
  }

  openFirst() {
    const [first] = this.order;
    if (first) this.#open(first.id);
  }

  /** Opens the room above or below. */
  step(by) {
    const rooms = this.order;
    const at = rooms.findIndex((room) => room.id === this.#store.current);
    const next = rooms[at + by];
    if (next) this.#open(next.id);
  }

  #item(room) {
    const current = room.id === this.#store.current;
    const unread = room.unread > 0;
    const label = [room.title, room.parent ? "discussion" : KIND[room.kind], unread ? `${room.unread} unread` : room.alert && !current ? "new messages" : ""];
    const other = room.kind === "d" ? this.#store.users.get(room.name) : null;
    return h(
      "button",
      {
        class: `room${unread || (room.alert && !current) ? " room-unread" : ""}`,
        type: "button",
        "aria-current": current ? "page" : null,
        "aria-label": label.filter(Boolean).join(", "),
        "data-room": room.id,
        onclick: () => this.#open(room.id),
      },
      room.kind === "d" ? avatar(room.name || "?", true) : roomIcon(room),
      h("span", { class: "room-name" }, room.title),
      other ? h("span", { class: `presence presence-${other.status ?? "offline"}`, title: other.status ?? "offline" }) : null,
      unread ? h("span", { class: room.mentions > 0 ? "count count-me" : "count" }, room.unread > 99 ? "99+" : room.unread) : null,
      !unread && room.alert && !current ? h("span", { class: "dot" }) : null,
    );
  }

  #show() {
    const focused = document.activeElement?.dataset?.room;
    const rooms = this.order;
    const groups = GROUPS.map(([title]) => [title, rooms.filter((room) => room.group === title)]).filter(([, list]) => list.length);
    fill(
      this.#root,
      groups.length
        ? groups.map(([title, list]) => h("section", { "aria-label": title }, h("h2", { class: "group" }, title), list.map((room) => this.#item(room))))
        : h("p", { class: "quiet empty-rooms" }, this.#filter ? "No room has this name." : "You are in no room yet."),
    );
    if (focused) this.#root.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey) return;
    event.preventDefault();
    const items = [...this.#root.querySelectorAll(".room")];
    const at = items.indexOf(document.activeElement);
    items[Math.min(items.length - 1, Math.max(0, at + step))]?.focus();
  }
}
