// The page put together.

import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { Ddp } from "./ddp.js";
import { ask, confirm, newDirect, newRoom, showKeys } from "./dialogs.js";
import { byId, fill, h, toast } from "./dom.js";
import { icon } from "./icons.js";
import { keys } from "./keyboard.js";
import { closeMenu, menu, pickEmoji } from "./menu.js";
import { avatar } from "./message.js";
import { Rest } from "./rest.js";
import { RoomList, roomIcon } from "./rooms.js";
import { BASE, account, addressFor, forget } from "./session.js";
import { Store } from "./store.js";
import { ThreadPane } from "./thread.js";
import { isDark, toggleTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { Tools } from "./tools.js";
import { TypingLine } from "./typing.js";

const store = new Store();
let who = await account().catch((error) => {
  fill(byId("boot"), h("p", { role: "alert" }, `The page can not come in: ${error.message}`));
  throw error;
});
store.setMe(who);
const ddp = new Ddp(BASE, {
  options: () => ({ resume: who.authToken }),
  refused: async (error) => {
    // A limiter or a fault: the account is still good.
    if (error.code !== 403) return true;
    forget();
    try {
      who = await account();
      location.reload();
      return true;
    } catch (failure) {
      // Without the right token nothing ever comes of another try.
      return failure.status !== 401;
    }
  },
});
const rest = new Rest(() => who);
const chat = new Chat(store, ddp, rest, BASE);

// What messages need, here and in the thread

const me = store.me;
const text = {
  me: me.username,
  isUser: (name) => store.users.has(name),
  openRoom: (name) => {
    const room = [...store.rooms.values()].find((one) => one.name === name && one.kind !== "d");
    return room && (() => open(room.id));
  },
};
const context = { me, text, isBot: (message) => store.isBot(message), act, jump };

const timeline = new Timeline(byId("timeline"), "Messages", context, () => chat.load(store.current));
const thread = new ThreadPane(byId("thread"), chat, context, (tmid) => timeline.focus(tmid) || composer.focus());
const typing = new TypingLine(byId("typing"));
const composer = new Composer(byId("composer-root"), {
  id: "composer",
  send: (said, extra) => chat.send(store.current, said, extra),
  edit: (message, said) => chat.edit(message, said),
  last: () => lastOwn(),
  typing: (on) => chat.typing(store.current, on),
  users: () => [...store.users.values()],
});

const isOwn = (message) => message.u?._id === me.userId && !message.t;
const lastOwn = () => timeline.feed?.list.findLast((message) => isOwn(message) && !message.pending && !message.private);

const tried = (what, promise) => promise.catch((error) => toast(`${what}: ${error.message}`, "error"));

/** Does something with a message. */
function act(name, message, argument, on) {
  const inThread = thread.tmid && !byId("thread").hidden && (byId("thread").contains(document.activeElement) || (argument instanceof Node && byId("thread").contains(argument)));
  const field = inThread ? thread.composer : composer;
  switch (name) {
    case "react":
      return tried("No reaction", chat.react(message, argument, on));
    case "pick":
      return pickEmoji(argument, (emoji) => tried("No reaction", chat.react(message, `:${emoji}:`, true)));
    case "thread":
      return thread.open(message);
    case "discussion":
      return store.rooms.has(message.drid) ? open(message.drid) : tried("Not joined", chat.join(message.drid).then(() => open(message.drid)));
    case "quote":
      return field.quote(message);
    case "edit":
      return isOwn(message) ? field.edit(message) : toast("Only your own messages can be edited.");
    case "remove":
      return isOwn(message) ? remove(message) : toast("Only your own messages can be deleted.");
    case "discard":
      return store.remove(message._id);
    case "why":
      return tools.why(message);
    case "menu":
      return messageMenu(message, argument, inThread);
    default:
      return undefined;
  }
}

async function remove(message) {
  const sure = await confirm("Delete the message?", message.msg ? `“${message.msg.slice(0, 200)}”` : "It can not be brought back.", "Delete");
  if (sure) tried("Not deleted", chat.remove(message));
}

const copy = (what, said) =>
  navigator.clipboard.writeText(said).then(
    () => toast(`${what} copied.`),
    () => toast(said),
  );

function messageMenu(message, anchor, inThread) {
  const own = isOwn(message);
  const items = [
    { label: "React", icon: "smile", key: "r", act: () => act("pick", message, anchor) },
    inThread ? undefined : { label: "Reply in thread", icon: "thread", key: "t", act: () => act("thread", message) },
    { label: "Quote", icon: "quote", key: "q", act: () => act("quote", message, anchor) },
    own ? { label: "Edit", icon: "edit", key: "e", act: () => act("edit", message, anchor) } : undefined,
    null,
    { label: "Why? What bots did", icon: "question", key: "w", act: () => tools.why(message) },
    inThread ? undefined : { label: "Start a discussion", icon: "bubbles", act: () => discuss(message) },
    { label: "Copy text", icon: "copy", act: () => copy("Text", message.msg ?? "") },
    { label: "Copy link", icon: "link", act: () => copy("Link", chat.permalink(message)) },
    { label: "Copy id", icon: "hash", act: () => copy("Id", message._id) },
    own ? null : undefined,
    own ? { label: "Delete", icon: "trash", key: "Del", danger: true, act: () => act("remove", message) } : undefined,
  ];
  menu(anchor, items.filter((item) => item !== undefined), "Message");
}

function discuss(message) {
  const bots = [...store.users.values()].filter((user) => user.type === "bot").map((user) => user.username);
  ask("Start a discussion", "What is it about?", "Start", (title) => chat.discussion(message.rid, title, bots).then(open), "Bots are invited to it.");
}

/** Shows a message of the current room. */
async function jump(id) {
  if (thread.timeline.feed?.get(id) && thread.timeline.jump(id)) return;
  for (let pages = 0; pages < 100; pages += 1) {
    if (timeline.jump(id)) return;
    if (!timeline.feed?.more) break;
    await chat.load(store.current);
    await new Promise(requestAnimationFrame);
  }
  const message = store.find(id);
  if (message && message.rid !== store.current) {
    await open(message.rid);
    timeline.jump(id);
    return;
  }
  if (message?.tmid) thread.open(message);
  else toast("The message is not here.");
}

// Rooms

const rooms = new RoomList(byId("rooms"), store, open);

async function open(rid) {
  const room = store.rooms.get(rid);
  if (!room) return;
  document.body.classList.remove("with-rooms");
  if (thread.rid && thread.rid !== rid) thread.close();
  typing.clear();
  const unreadFrom = room.unread || room.alert ? room.seen || 1 : 0;
  const opened = chat.open(rid);
  timeline.show(store.feed(rid), { unreadFrom, me: me.userId, start: () => startOf(rid) });
  composer.goTo(rid, `Message ${room.kind === "d" ? "" : "#"}${room.title}`);
  history.replaceState(null, "", `#${encodeURIComponent(rid)}`);
  showHead();
  if (matchMedia("(min-width: 720px)").matches) composer.focus();
  await opened;
}

/** What stands above the first message of a room. */
function startOf(rid) {
  const room = store.rooms.get(rid);
  if (!room) return h("div", { class: "intro" });
  const bots = [...store.users.values()].filter((user) => user.type === "bot").map((user) => `@${user.username}`);
  const name = room.kind === "d" ? room.title : `#${room.title}`;
  return h(
    "div",
    { class: "intro" },
    h("div", { class: "intro-sign" }, room.kind === "d" ? avatar(room.name || "?") : roomIcon(room)),
    h("h2", {}, name),
    h("p", { class: "quiet" }, room.kind === "d" ? `Here you talk with ${room.title} alone.` : `This is the beginning of ${name}.`),
    bots.length && room.kind !== "d" ? h("p", { class: "quiet" }, `Bots here listen: ${bots.join(", ")}. Say something.`) : null,
  );
}

function showHead() {
  const room = store.rooms.get(store.current);
  if (!room) return;
  const count = room.people ? `${room.people} ${room.people === 1 ? "person" : "people"}` : "";
  const other = room.kind === "d" ? store.users.get(room.name) : null;
  fill(
    byId("room-title"),
    room.kind === "d" ? avatar(room.name || "?", true) : roomIcon(room),
    h("span", { class: "title-text" }, room.title),
    other?.type === "bot" ? h("span", { class: "badge" }, "Bot") : null,
  );
  byId("room-about").textContent = [room.topic, room.kind === "d" ? other?.status : count].filter(Boolean).join(" · ");
  document.title = `${room.kind === "d" ? "" : "#"}${room.title} – Sandbox`;
  if (room.readOnly) composer.enable(false, "Only owners write here.");
  else composer.enable(true);
  const unread = [...store.rooms.values()].reduce((sum, one) => sum + (one.unread ?? 0), 0);
  byId("rooms-count").textContent = unread ? (unread > 99 ? "99+" : unread) : "";
}

store.addEventListener("rooms", showHead);
store.addEventListener("users", () => timeline.refresh());
store.addEventListener("left", ({ detail }) => {
  if (detail === store.current) rooms.openFirst();
});
store.addEventListener("message", ({ detail }) => {
  if (detail.rid === store.current && timeline.atEnd && !document.hidden) readSoon();
});
timeline.addEventListener("seen", () => chat.read(store.current));
let reading = 0;
function readSoon() {
  clearTimeout(reading);
  reading = setTimeout(() => chat.read(store.current), 300);
}
document.addEventListener("visibilitychange", () => document.hidden || chat.read(store.current));
chat.addEventListener("typing", ({ detail }) => {
  if (detail.rid === store.current && !detail.tmid) typing.note(detail.username, detail.activities);
});
store.addEventListener("message", ({ detail }) => {
  if (detail.rid === store.current && detail.u) typing.note(detail.u.username, []);
});
chat.addEventListener("arrived", () => {
  document.body.classList.remove("booting");
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (store.current && store.rooms.has(store.current)) return;
  if (store.rooms.has(wanted)) open(wanted);
  else if (store.rooms.has("GENERAL")) open("GENERAL");
  else rooms.openFirst();
});

// The pane beside the chat

const tools = new Tools((name) => store.users.get(name)?.type === "user", jump);

// The connection

const STATES = { connecting: "Connecting…", ready: "Connected", lost: "Reconnecting…", ended: "Started anew" };
let offline = 0;
ddp.addEventListener("state", ({ detail }) => {
  byId("status").dataset.state = detail.state;
  byId("status-text").textContent = STATES[detail.state];
  clearTimeout(offline);
  if (detail.state === "ended") {
    tools.end();
    composer.enable(false, "This page has ended.");
    fill(byId("offline"), "The sandbox was started anew: open the address that it prints now.").hidden = false;
  } else if (detail.state === "ready") byId("offline").hidden = true;
  else offline = setTimeout(() => (byId("offline").hidden = false), 400);
});

// The bar at the top, and the reader's own menu

fill(byId("me"), avatar(me.username, true), h("span", { class: "me-name" }, me.name, h("span", { class: "username" }, `@${me.username}`)), icon("chevron"));
byId("me").addEventListener("click", (event) =>
  menu(
    event.currentTarget,
    [
      {
        label: "Somebody else in a new tab…",
        icon: "users",
        act: () => ask("Somebody else", "Name", "Open", async (name) => void window.open(addressFor(name), "_blank", "noopener"), "A second person in this browser, to talk with yourself."),
      },
      { label: isDark() ? "Light" : "Dark", icon: isDark() ? "sun" : "moon", act: toggleTheme },
      { label: "Keys", icon: "keyboard", key: "?", act: showKeys },
    ],
    "You",
  ),
);
byId("theme").addEventListener("click", () => {
  toggleTheme();
  showTheme();
});
function showTheme() {
  fill(byId("theme"), icon(isDark() ? "sun" : "moon"));
  byId("theme").setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
}
showTheme();
new MutationObserver(showTheme).observe(document.documentElement, { attributeFilter: ["data-theme"] });
byId("new-room").addEventListener("click", () => newRoom(store, chat, open));
byId("new-direct").addEventListener("click", () => newDirect(store, chat, open));
byId("keys-button").addEventListener("click", showKeys);
byId("room-filter").addEventListener("input", (event) => rooms.filter(event.target.value));
byId("room-filter").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    rooms.openFirst();
    event.target.value = "";
    rooms.filter("");
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    byId("rooms").querySelector(".room")?.focus();
  }
});
byId("rooms-button").addEventListener("click", () => {
  document.body.classList.toggle("with-rooms");
  byId("rooms").querySelector(".room[aria-current], .room")?.focus();
});
byId("scrim").addEventListener("click", escape);

function escape() {
  closeMenu();
  if (document.body.classList.contains("with-rooms")) {
    document.body.classList.remove("with-rooms");
    byId("rooms-button").focus();
  } else if (tools.hasFocus) tools.hide();
  else composer.focus();
}

keys({
  roomAbove: () => rooms.step(-1),
  roomBelow: () => rooms.step(1),
  inspector: () => tools.toggle("inspector"),
  faults: () => tools.toggle("faults"),
  findRoom: () => {
    if (byId("sidebar").offsetParent === null || getComputedStyle(byId("rooms-button")).display !== "none") document.body.classList.add("with-rooms");
    byId("room-filter").focus();
  },
  write: () => composer.focus(),
  help: showKeys,
  escape,
});

chat.start();
ddp.open();
if (matchMedia("(min-width: 1200px)").matches) tools.show("inspector");
