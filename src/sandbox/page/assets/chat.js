// The reader as a client of the server: what is fetched, heard, and said.

import { toast } from "./dom.js";
import { ms } from "./time.js";

const PAGE = 100;
const HISTORY = { c: "channels.history", p: "groups.history", d: "im.history" };
/** Messages that wait for the connection. */
const OUTBOX_MAX = 200;
const LETTERS = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";

const iso = (at) => new Date(at).toISOString();
const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(17)), (byte) => LETTERS[byte % LETTERS.length]).join("");

export class Chat extends EventTarget {
  #outbox = new Map();
  #heard = new Map();
  #usersAsked = 0;
  /** What the server last told only us, by room. */
  #told = new Map();
  #base;

  constructor(store, ddp, rest, base) {
    super();
    this.store = store;
    this.ddp = ddp;
    this.rest = rest;
    this.#base = base;
    ddp.addEventListener("state", (event) => event.detail.state === "ready" && this.#arrived());
    store.addEventListener("left", (event) => this.#unhear(event.detail));
  }

  /** Hears what concerns the reader in all rooms. */
  start() {
    const { store, ddp } = this;
    const uid = store.me.userId;
    ddp.subscribe("stream-room-messages", "__my_messages__", (message) => this.#received(message));
    ddp.subscribe("stream-notify-user", `${uid}/subscriptions-changed`, (action, sub) => {
      if (action === "removed") store.dropRoom(sub.rid);
      else store.putSubscription(sub);
      if (action === "inserted") this.#refreshRooms();
    });
    ddp.subscribe("stream-notify-user", `${uid}/rooms-changed`, (action, room) => {
      if (action !== "removed") store.putRoom(room);
    });
    // What only the reader sees: why the server refused something.
    ddp.subscribe("stream-notify-user", `${uid}/message`, (message) => {
      this.#told.set(message.rid, message.msg);
      store.receive({ ...message, private: true });
      if (message.rid !== store.current) toast(message.msg, "error");
    });
    const states = ["offline", "online", "away", "busy"];
    ddp.subscribe("stream-notify-logged", "user-status", ([, username, status]) => {
      if (store.users.has(username)) store.setPresence(username, states[status]);
      else this.refreshUsers();
    });
  }

  async #arrived() {
    try {
      await Promise.all([this.#refreshRooms(), this.refreshUsers()]);
      for (const [rid, feed] of this.store.feeds()) {
        if (feed.loaded && this.store.rooms.has(rid)) await this.#catchUp(rid, feed);
      }
      await this.#flush();
      this.dispatchEvent(new Event("arrived"));
    } catch (error) {
      if (!error.lost) toast(`What is new could not be fetched: ${error.message}`, "error");
    }
  }

  async #refreshRooms() {
    const [subs, rooms] = await Promise.all([this.ddp.call("subscriptions/get"), this.ddp.call("rooms/get")]);
    this.store.keepRooms(new Set(subs.map((sub) => sub.rid)));
    subs.forEach((sub) => this.store.putSubscription(sub));
    rooms.forEach((room) => this.store.putRoom(room));
  }

  async refreshUsers() {
    // At most once a second: a crowd arrives one by one.
    const now = Date.now();
    if (now - this.#usersAsked < 1000) return;
    this.#usersAsked = now;
    const { users } = await this.rest.get("users.list", { count: 100 });
    this.store.setUsers(users);
  }

  #received(message) {
    this.store.receive(message);
    if (message.u?.username && !this.store.users.has(message.u.username)) this.refreshUsers().catch(() => {});
  }

  /** What happened in a room while there was no connection. */
  async #catchUp(rid, feed) {
    try {
      const { result } = await this.rest.get("chat.syncMessages", { roomId: rid, lastUpdate: iso(feed.latest) });
      for (const message of [...result.updated].reverse()) this.store.receive(message);
      for (const { _id } of result.deleted) this.store.remove(_id);
    } catch {
      feed.clear();
      if (rid === this.store.current) await this.load(rid);
    }
  }

  // Rooms

  async open(rid) {
    this.store.setCurrent(rid);
    this.#hear(rid);
    const feed = this.store.feed(rid);
    if (!feed.loaded) await this.load(rid);
    this.read(rid);
  }

  #hear(rid) {
    if (this.#heard.has(rid)) return;
    const { ddp, store } = this;
    const typing = (username, activities, options) =>
      this.dispatchEvent(new CustomEvent("typing", { detail: { rid, username, activities, tmid: options?.tmid } }));
    this.#heard.set(rid, [
      ddp.subscribe("stream-notify-room", `${rid}/deleteMessage`, ({ _id }) => store.remove(_id)),
      ddp.subscribe("stream-notify-room", `${rid}/user-activity`, typing),
    ]);
  }

  #unhear(rid) {
    this.#heard.get(rid)?.forEach((end) => end());
    this.#heard.delete(rid);
  }

  /** Fetches the latest messages, or those before the oldest one that is known. */
  async load(rid) {
    const feed = this.store.feed(rid);
    const room = this.store.rooms.get(rid);
    if (!room || feed.loading || (feed.loaded && !feed.more)) return;
    feed.loading = true;
    feed.touch();
    try {
      const query = { roomId: rid, count: PAGE, showThreadMessages: false };
      const oldest = feed.list.find((message) => !message.private);
      if (oldest) {
        // Several messages may have the time of the oldest one.
        Object.assign(query, { latest: iso(oldest.ts), inclusive: true });
        query.offset = feed.list.filter((message) => message.ts === oldest.ts && !message.private).length;
      }
      const { messages } = await this.rest.get(HISTORY[room.kind] ?? HISTORY.c, query);
      feed.more = messages.length === PAGE;
      feed.loaded = true;
      feed.loading = false;
      const shown = messages.filter((message) => !message.tmid || message.tshow);
      feed.put(shown.reverse(), { old: true });
    } catch (error) {
      toast(`The history could not be fetched: ${error.message}`, "error");
    } finally {
      feed.loading = false;
      feed.touch();
    }
  }

  async loadThread(tmid) {
    const feed = this.store.feed(tmid);
    if (feed.loaded || feed.loading) return;
    feed.loading = true;
    try {
      const root = this.store.find(tmid) ?? (await this.rest.get("chat.getMessage", { msgId: tmid })).message;
      const replies = [];
      for (let total = 1; replies.length < total; ) {
        const page = await this.rest.get("chat.getThreadMessages", { tmid, count: PAGE, offset: replies.length });
        if (page.messages.length === 0) break;
        total = page.total;
        replies.push(...page.messages);
      }
      feed.more = false;
      feed.loaded = true;
      feed.put([{ ...root, ts: ms(root.ts) }, ...replies], { old: true });
    } catch (error) {
      toast(`The thread could not be fetched: ${error.message}`, "error");
    } finally {
      feed.loading = false;
      feed.touch();
    }
  }

  read(rid) {
    const room = this.store.rooms.get(rid);
    if (!room?.joined || document.hidden || !(room.unread || room.alert)) return;
    this.ddp.call("readMessages", rid).catch(() => {});
  }

  channels() {
    return this.rest.get("channels.list", { count: 100 }).then((answer) => answer.channels);
  }

  async join(rid) {
    await this.ddp.call("joinRoom", rid);
    await this.#refreshRooms();
  }

  async create(kind, name, members) {
    const endpoint = kind === "p" ? "groups.create" : "channels.create";
    const answer = await this.rest.post(endpoint, { name, members });
    await this.#refreshRooms();
    return (answer.channel ?? answer.group)._id;
  }

  async direct(usernames) {
    const { rid } = await this.ddp.call("createDirectMessage", ...usernames);
    await this.#refreshRooms();
    return rid;
  }

  async discussion(parent, title, users) {
    const answer = await this.rest.post("rooms.createDiscussion", { prid: parent, t_name: title, users });
    await this.#refreshRooms();
    return answer.discussion.rid;
  }

  // Messages

  /** The address of a message, as the server makes it: who sends it first in a message quotes it. */
  permalink(message) {
    const room = this.store.rooms.get(message.rid);
    const kind = { c: "channel", p: "group", d: "direct" }[room?.kind] ?? "channel";
    const name = room?.kind === "d" ? message.rid : (room?.name ?? message.rid);
    return `${this.#base}${kind}/${encodeURIComponent(name)}?msg=${encodeURIComponent(message._id)}`;
  }

  send(rid, text, options = {}) {
    if (this.#outbox.size >= OUTBOX_MAX) {
      toast("Too many messages wait for the connection.", "error");
      return;
    }
    const draft = { _id: randomId(), rid, msg: text };
    if (options.quote) draft.msg = `[ ](${this.permalink(options.quote)}) ${text}`;
    if (options.tmid) Object.assign(draft, { tmid: options.tmid }, options.tshow && { tshow: true });
    const { userId, username, name } = this.store.me;
    const echo = { ...draft, msg: text, u: { _id: userId, username, name }, ts: this.#clock(rid), pending: true };
    this.#outbox.set(draft._id, draft);
    this.store.receive(echo);
    this.#deliver(draft);
  }

  /** A time after everything in the room, by the server's clock as far as it is known. */
  #clock(rid) {
    return Math.max(Date.now(), (this.store.knownFeed(rid)?.list.at(-1)?.ts ?? 0) + 1);
  }

  async #deliver(draft) {
    try {
      // A message that was sent before the connection broke has the same id, so it does not come twice.
      this.#told.delete(draft.rid);
      const sent = await this.ddp.call("sendMessage", draft);
      // The method does not fail: what was wrong came before its result, on the stream of the user.
      const refusal = this.#told.get(draft.rid);
      if (!sent && refusal) throw new Error(refusal);
      const message = sent ?? (await this.rest.get("chat.getMessage", { msgId: draft._id })).message;
      this.#outbox.delete(draft._id);
      this.store.receive(message);
    } catch (error) {
      if (error.lost) return;
      this.#outbox.delete(draft._id);
      this.#failed(draft, error);
    }
  }

  #failed(draft, error) {
    for (const feed of [this.store.knownFeed(draft.rid), this.store.knownFeed(draft.tmid)]) {
      const message = feed?.get(draft._id);
      if (!message) continue;
      message.failed = error.message;
      message.version += 1;
      feed.touch();
    }
    toast(`Not sent: ${error.message}`, "error");
  }

  async #flush() {
    for (const draft of [...this.#outbox.values()]) await this.#deliver(draft);
  }

  edit(message, text) {
    return this.ddp.call("updateMessage", { _id: message._id, rid: message.rid, msg: text });
  }

  remove(message) {
    return this.ddp.call("deleteMessage", { _id: message._id });
  }

  react(message, emoji, on) {
    return this.ddp.call("setReaction", emoji, message._id, on);
  }

  typing(rid, on, tmid) {
    const options = tmid ? { tmid } : {};
    this.ddp
      .call("stream-notify-room", `${rid}/user-activity`, this.store.me.username, on ? ["user-typing"] : [], options)
      .catch(() => {});
  }
}
