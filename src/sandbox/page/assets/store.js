// What the page knows: people, rooms, the messages of each room and thread.

import { Feed } from "./feed.js";
import { ms } from "./time.js";

/** Rooms and threads whose messages are kept. */
const FEEDS_MAX = 40;

export class Store extends EventTarget {
  me = null;
  users = new Map();
  rooms = new Map();
  current = null;
  #feeds = new Map();

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  setMe(me) {
    this.me = me;
    this.#tell("me");
  }

  setUsers(list) {
    for (const user of list) this.users.set(user.username, user);
    this.#tell("users");
  }

  setPresence(username, status) {
    const user = this.users.get(username);
    if (!user || user.status === status) return;
    user.status = status;
    this.#tell("users");
  }

  isBot(message) {
    return this.users.get(message.u?.username)?.type === "bot" || (Boolean(message.bot) && message.bot !== false);
  }

  /** A room or a subscription, in part. */
  #room(rid, part) {
    const room = { id: rid, ...this.rooms.get(rid), ...part };
    this.rooms.set(rid, room);
    return room;
  }

  putSubscription(sub) {
    this.#room(sub.rid, {
      kind: sub.t,
      name: sub.name,
      title: sub.fname || sub.name,
      parent: sub.prid,
      unread: sub.unread ?? 0,
      mentions: (sub.userMentions ?? 0) + (sub.groupMentions ?? 0),
      alert: Boolean(sub.alert),
      seen: ms(sub.ls),
      joined: true,
    });
    this.#tell("rooms");
  }

  putRoom(room) {
    if (!this.rooms.has(room._id)) return;
    const part = { topic: room.topic, people: room.usersCount, last: ms(room.lm ?? room.ts), readOnly: room.ro };
    if (room.t === "d") part.usernames = room.usernames;
    this.#room(room._id, part);
    this.#tell("rooms");
  }

  dropRoom(rid) {
    if (!this.rooms.delete(rid)) return;
    this.#feeds.delete(rid);
    this.#tell("rooms");
    this.#tell("left", rid);
  }

  /** Only these rooms are left. */
  keepRooms(rids) {
    for (const rid of [...this.rooms.keys()]) if (!rids.has(rid)) this.dropRoom(rid);
  }

  setCurrent(rid) {
    this.current = rid;
    this.#tell("current");
    this.#tell("rooms");
  }

  /** The messages of a room, or of a thread by the id of its first message. */
  feed(id) {
    let feed = this.#feeds.get(id);
    if (feed) this.#feeds.delete(id);
    else feed = new Feed();
    this.#feeds.set(id, feed);
    for (const old of this.#feeds.keys()) {
      if (this.#feeds.size <= FEEDS_MAX) break;
      if (old !== this.current) this.#feeds.delete(old);
    }
    return feed;
  }

  knownFeed(id) {
    return this.#feeds.get(id);
  }

  feeds() {
    return [...this.#feeds];
  }

  /** A message of any room, in whatever is kept of it. */
  find(id) {
    for (const feed of this.#feeds.values()) {
      const message = feed.get(id);
      if (message) return message;
    }
    return undefined;
  }

  /** A message that the stream brought, new or changed. */
  receive(message) {
    const room = this.knownFeed(message.rid);
    const thread = message.tmid && this.knownFeed(message.tmid);
    if (room?.loaded && (!message.tmid || message.tshow)) room.put([message]);
    if (thread?.loaded) thread.put([message]);
    // The first message of an open thread.
    const own = this.knownFeed(message._id);
    if (own?.loaded) own.put([message]);
    this.#tell("message", message);
  }

  remove(id) {
    for (const feed of this.#feeds.values()) feed.remove(id);
    this.#tell("removed", id);
  }
}
