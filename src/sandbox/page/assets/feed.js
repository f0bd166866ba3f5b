// The messages of one room or one thread, in order.

import { ms } from "./time.js";

/** A message as the page keeps it: dates are numbers, and `version` grows with every change. */
function kept(message, before) {
  const edited = message.editedAt ? ms(message.editedAt) : 0;
  return {
    ...message,
    msg: typeof message.msg === "string" ? message.msg : "",
    ts: ms(message.ts),
    updated: ms(message._updatedAt),
    edited,
    version: (before?.version ?? 0) + 1,
  };
}

export class Feed extends EventTarget {
  #byId = new Map();
  #list = [];
  /** Whether there may be older ones on the server. */
  more = true;
  loading = false;
  loaded = false;

  get list() {
    return this.#list;
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** When something was last written, by the server's clock. */
  get latest() {
    return this.#list.reduce((latest, message) => Math.max(latest, message.updated), 0);
  }

  /** Takes messages, new or changed, in any order. Tells with `change` which of them are new. */
  put(messages, options = {}) {
    const fresh = [];
    let disorder = false;
    for (const message of messages) {
      const before = this.#byId.get(message._id);
      const now = kept(message, before);
      // What is on its way to the server is not newer than what came back from it.
      if (before && !before.pending && now.updated < before.updated) continue;
      if (before) {
        disorder ||= before.ts !== now.ts;
        Object.assign(before, now);
        for (const key of Object.keys(before)) if (!(key in now)) delete before[key];
        continue;
      }
      this.#byId.set(now._id, now);
      fresh.push(now);
    }
    // Those of one millisecond stay as they came, and older pages come before what is there.
    const [first, second] = options.old ? [fresh, this.#list] : [this.#list, fresh];
    disorder ||= fresh.some((message, at) => at > 0 && fresh[at - 1].ts > message.ts);
    disorder ||= first.length > 0 && second.length > 0 && first.at(-1).ts > second[0].ts;
    if (options.old) this.#list = first.concat(second);
    else for (const message of fresh) this.#list.push(message);
    if (disorder) this.#list.sort((a, b) => a.ts - b.ts);
    this.#tell({ fresh: options.old ? [] : fresh });
  }

  remove(id) {
    if (!this.#byId.delete(id)) return;
    this.#list = this.#list.filter((message) => message._id !== id);
    this.#tell({ removed: id });
  }

  /** Forgets everything. */
  clear() {
    this.#byId.clear();
    this.#list = [];
    this.more = true;
    this.loaded = false;
    this.#tell({});
  }

  touch() {
    this.#tell({});
  }

  #tell(detail) {
    this.dispatchEvent(new CustomEvent("change", { detail: { fresh: [], ...detail } }));
  }
}
