// One message as people see it.

import { attachments, fileUrl } from "./attachments.js";
import { image } from "./files.js";
import { h } from "./dom.js";
import { emojiOf } from "./emoji.js";
import { icon } from "./icons.js";
import { isBigEmoji, markdown } from "./markdown.js";
import { clockTime, fullTime } from "./time.js";

/** A colour of the palette for a name, always the same. */
function hueOf(name) {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return sum % 12;
}

/** The initials of a name in a colour of its own. */
export function avatar(name, small = false) {
  const words = name.replace(/^@/, "").split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? words[0][0] + words[1][0] : (words[0] ?? "?").slice(0, 2);
  const kind = `avatar hue-${hueOf(name)}${small ? " avatar-small" : ""}`;
  return h("span", { class: kind, "aria-hidden": "true" }, letters.toUpperCase());
}

function picture(message, context) {
  const sign = message.emoji && emojiOf(message.emoji);
  if (sign) return h("span", { class: "avatar avatar-emoji", "aria-hidden": "true" }, sign);
  const source = message.avatar && fileUrl(message.avatar);
  if (source) return image(source, context.me, { class: "avatar", alt: "" });
  return avatar(message.alias || message.u?.username || "?");
}

const SYSTEM = {
  uj: () => "joined the channel",
  ul: () => "left the channel",
  ut: () => "joined the conversation",
  au: (message) => `added ${message.msg}`,
  ru: (message) => `removed ${message.msg}`,
  r: (message) => `renamed the room to ${message.msg}`,
  room_changed_topic: (message) => `changed the topic to ${message.msg}`,
  "user-muted": (message) => `muted ${message.msg}`,
  "user-unmuted": (message) => `lets ${message.msg} speak again`,
  "subscription-role-added": (message) => `made ${message.msg} ${message.role}`,
  "subscription-role-removed": (message) => `${message.msg} is no longer ${message.role}`,
  "room-set-read-only": () => "made the room read-only",
  "room-removed-read-only": () => "made the room writable",
  message_pinned: () => "pinned a message",
  "discussion-created": (message) => `started the discussion ${message.msg}`,
  rm: () => "removed this message",
};

const stamp = (message) =>
  h("time", { class: "stamp", datetime: new Date(message.ts).toISOString(), title: fullTime(message.ts) }, clockTime(message.ts));

function reactions(message, context) {
  const all = Object.entries(message.reactions ?? {});
  if (all.length === 0) return null;
  const mine = context.me.username;
  const chips = all.map(([code, { usernames = [] }]) => {
    const on = usernames.includes(mine);
    return h(
      "button",
      {
        class: "reaction",
        type: "button",
        "aria-pressed": on ? "true" : "false",
        "data-focus": code,
        title: `${usernames.join(", ")} ${code}`,
        "aria-label": `${code.replace(/:/g, "")}, ${usernames.length}: ${usernames.join(", ")}`,
        onclick: () => context.act("react", message, code, !on),
      },
      h("span", { class: "emoji" }, emojiOf(code) ?? code),
      h("span", { class: "count" }, usernames.length),
    );
  });
  chips.push(
    h(
      "button",
      {
        class: "reaction reaction-add",
        type: "button",
        "data-focus": "add",
        "aria-label": "Add a reaction",
        onclick: (event) => context.act("pick", message, event.currentTarget),
      },
      icon("smile"),
    ),
  );
  return h("div", { class: "reactions" }, chips);
}

function threadLink(message, context) {
  if (context.inThread) return null;
  if (message.drid) {
    const count = message.dcount ?? 0;
    const label = count ? `Open the discussion (${count})` : "Open the discussion";
    return h("button", { class: "thread-link", type: "button", onclick: () => context.act("discussion", message) }, icon("bubbles"), label);
  }
  if (message.tmid) {
    return h("button", { class: "thread-link", type: "button", onclick: () => context.act("thread", message) }, icon("thread"), "From a thread");
  }
  if (!message.tcount) return null;
  const label = message.tcount === 1 ? "1 reply" : `${message.tcount} replies`;
  return h(
    "button",
    { class: "thread-link", type: "button", "data-focus": "thread", onclick: () => context.act("thread", message) },
    icon("thread"),
    label,
  );
}

function toolbar(message, context) {
  const button = (name, label, act) =>
    h("button", { class: "tool", type: "button", tabindex: "-1", "aria-label": label, title: label, onclick: act }, icon(name));
  return h(
    "div",
    { class: "tools" },
    button("smile", "React", (event) => context.act("pick", message, event.currentTarget)),
    context.inThread ? null : button("thread", "Reply in a thread", () => context.act("thread", message)),
    button("quote", "Quote", () => context.act("quote", message)),
    button("dots", "More", (event) => context.act("menu", message, event.currentTarget)),
  );
}

function body(message, context) {
  if (message.t === "rm") return h("p", { class: "removed" }, "Message removed");
  const parts = [];
  if (message.msg) {
    const kind = isBigEmoji(message.msg) ? "text text-big" : "text";
    parts.push(h("div", { class: kind }, markdown(message.msg, context.text)));
  }
  if (message.edited) {
    parts.push(h("span", { class: "edited", title: fullTime(message.edited) }, "(edited)"));
  }
  return parts;
}

function note(message, context) {
  if (message.failed) {
    return h(
      "p",
      { class: "failed", role: "alert" },
      `Not sent: ${message.failed} `,
      h("button", { class: "link", type: "button", onclick: () => context.act("discard", message) }, "Discard"),
    );
  }
  if (message.private) return h("p", { class: "quiet" }, "Only you see this.");
  return null;
}

/** A line of the server: somebody joined, the topic changed. */
function systemRow(message, context) {
  const say = SYSTEM[message.t] ?? ((other) => `${other.t}: ${other.msg ?? ""}`);
  return h(
    "div",
    { class: "message system", role: "article", tabindex: "-1", "data-id": message._id },
    h("div", { class: "gutter" }, icon(message.drid ? "bubbles" : "chevron")),
    h(
      "div",
      { class: "content" },
      h("p", {}, h("strong", {}, message.u?.username ?? "Somebody"), ` ${say(message)} `, stamp(message)),
      attachments(message.attachments, context),
      threadLink(message, context),
    ),
  );
}

/** The element of a message. `context`: who reads, what acts, whether it is in a thread. */
export function messageElement(message, grouped, context) {
  if (message.t && message.t !== "e2e" && message.t !== "rm") return systemRow(message, context);
  const username = message.u?.username ?? "somebody";
  const name = message.alias || message.u?.name || username;
  const bot = context.isBot(message);
  const states = ["message"];
  if (grouped) states.push("grouped");
  if (message.pending) states.push("pending");
  if (message.private) states.push("private");
  if (message.mentions?.some((mention) => mention.username === context.me.username)) states.push("for-me");
  const said = message.msg || (message.attachments?.length ? "an attachment" : "");
  return h(
    "div",
    {
      class: states.join(" "),
      role: "article",
      tabindex: "-1",
      "data-id": message._id,
      "aria-label": `${name}${bot ? ", bot" : ""}, ${clockTime(message.ts)}: ${said.slice(0, 300)}${message.edited ? " (edited)" : ""}`,
    },
    h("div", { class: "gutter" }, grouped ? stamp(message) : picture(message, context)),
    h(
      "div",
      { class: "content" },
      grouped
        ? null
        : h(
            "div",
            { class: "byline" },
            h("strong", { class: "name" }, name),
            message.alias || name.toLowerCase() !== username ? h("span", { class: "username" }, `@${username}`) : null,
            bot ? h("span", { class: "badge" }, "Bot") : null,
            stamp(message),
            message.pinned ? h("span", { class: "badge badge-quiet" }, "Pinned") : null,
          ),
      body(message, context),
      note(message, context),
      message.t === "rm" ? null : attachments(message.attachments, context),
      message.t === "rm" ? null : reactions(message, context),
      threadLink(message, context),
    ),
    message.pending || message.private || message.t === "rm" ? null : toolbar(message, context),
  );
}
