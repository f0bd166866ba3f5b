// The rows of a timeline: messages, the days between them, where the new ones begin.

import { dayName, dayOf } from "./time.js";

/** Messages of one author within so long stand under one name. */
const TOGETHER = 5 * 60_000;

function belongsTo(message, before) {
  return (
    before &&
    before.u?._id === message.u?._id &&
    (before.alias ?? "") === (message.alias ?? "") &&
    !before.t &&
    !message.t &&
    !message.drid &&
    !before.private === !message.private &&
    message.ts - before.ts < TOGETHER
  );
}

function guess(message, grouped) {
  const lines = Math.min(40, Math.ceil((message.msg?.length ?? 0) / 90) + (message.msg?.match(/\n/g)?.length ?? 0));
  return (grouped ? 6 : 34) + Math.max(1, lines) * 22 + (message.attachments?.length ?? 0) * 90;
}

/** `unreadFrom`: the time after which messages of others are new to the reader. */
export function rowsOf(feed, { unreadFrom = 0, me = "", intro = null, thread = null } = {}) {
  const rows = [];
  if (intro) rows.push({ key: "intro", kind: "intro", version: intro, guess: 96, state: intro });
  let before = null;
  let marked = unreadFrom === 0;
  for (const message of feed.list) {
    const day = dayOf(message.ts);
    if (!before || dayOf(before.ts) !== day) {
      const name = dayName(message.ts);
      rows.push({ key: `day ${day}`, kind: "day", version: name, guess: 40, name });
      before = null;
    }
    if (!marked && message.ts > unreadFrom && message.u?._id !== me) {
      marked = true;
      rows.push({ key: "unread", kind: "unread", version: 1, guess: 24 });
      before = null;
    }
    const grouped = Boolean(belongsTo(message, before));
    const version = `${message.version}${grouped ? "g" : ""}`;
    rows.push({ key: message._id, kind: "message", version, guess: guess(message, grouped), message, grouped });
    if (message._id === thread) {
      const replies = feed.list.length - 1;
      const name = replies === 1 ? "1 reply" : `${replies} replies`;
      rows.push({ key: "replies", kind: "replies", version: name, guess: 32, name });
      before = null;
    } else {
      before = message;
    }
  }
  return rows;
}
