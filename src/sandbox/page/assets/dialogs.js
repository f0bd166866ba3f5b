// Dialogs: a question, a new room, a direct conversation, the keys.

import { fill, h, toast } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./message.js";

/** A modal dialog; gives how it is closed. */
export function dialog(title, ...content) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const shut = h("button", { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => box.close() }, icon("close"));
  const box = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, h("header", {}, heading, shut), content);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => event.target === box && box.close());
  document.body.append(box);
  box.showModal();
  return () => box.close();
}

/** Asks before something that can not be undone. */
export function confirm(title, text, action) {
  return new Promise((resolve) => {
    const yes = h("button", { class: "button button-danger", type: "button" }, action);
    const no = h("button", { class: "button", type: "button" }, "Cancel");
    const close = dialog(title, h("p", {}, text), h("div", { class: "buttons" }, no, yes));
    yes.addEventListener("click", () => {
      resolve(true);
      close();
    });
    no.addEventListener("click", close);
    yes.closest("dialog").addEventListener("close", () => resolve(false));
    yes.focus();
  });
}

/** One line of text. */
export function ask(title, label, action, submit, hint = "") {
  const input = h("input", { class: "field-input", id: "ask-input", autocomplete: "off", maxlength: 100, required: true });
  const form = h(
    "form",
    { method: "dialog" },
    h("label", { for: "ask-input" }, label),
    input,
    hint ? h("p", { class: "quiet" }, hint) : null,
    h("div", { class: "buttons" }, h("button", { class: "button button-main" }, action)),
  );
  const close = dialog(title, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(() => submit(input.value.trim()), close);
  });
  input.focus();
}

async function run(act, close) {
  try {
    await act();
    close();
  } catch (error) {
    toast(error.message, "error");
  }
}

/** Gets a room, and opens it when the dialog is out of the way. */
async function enter(get, close, open) {
  let rid;
  await run(async () => (rid = await get()), close);
  if (rid) open(rid);
}

function filterList(placeholder, entries, empty) {
  const search = h("input", { class: "field-input", type: "search", placeholder, "aria-label": placeholder });
  const list = h("ul", { class: "choices" });
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    const found = entries.filter((entry) => entry.label.toLowerCase().includes(wanted));
    fill(list, found.length ? found.map((entry) => h("li", {}, entry.element)) : h("li", { class: "quiet" }, empty));
  };
  search.addEventListener("input", show);
  show();
  return { search, list };
}

function choice(label, ...content) {
  return h("button", { class: "choice", type: "button", "aria-label": label }, content);
}

/** Somebody to talk to alone. */
export function newDirect(store, chat, open) {
  const people = [...store.users.values()].filter((user) => user.username !== store.me.username);
  const entries = people.map((user) => {
    const element = choice(
      user.username,
      avatar(user.username, true),
      h("span", { class: "choice-name" }, user.name || user.username, h("span", { class: "username" }, ` @${user.username}`)),
      user.type === "bot" ? h("span", { class: "badge" }, "Bot") : null,
      h("span", { class: `presence presence-${user.status ?? "offline"}`, title: user.status ?? "offline" }),
    );
    element.addEventListener("click", () => enter(() => chat.direct([user.username]), close, open));
    return { label: `${user.username} ${user.name}`, element };
  });
  const { search, list } = filterList("Search people", entries, "There is nobody of this name.");
  const close = dialog("New direct message", search, list);
  search.focus();
}

/** A channel to join, or a room to make. */
export async function newRoom(store, chat, open) {
  const name = h("input", { class: "field-input", id: "room-name", autocomplete: "off", maxlength: 60, required: true, placeholder: "for-example" });
  const isPrivate = h("input", { type: "checkbox", id: "room-private" });
  const bots = [...store.users.values()].filter((user) => user.type === "bot");
  const withBots = h("input", { type: "checkbox", id: "room-bots", checked: true });
  const form = h(
    "form",
    { method: "dialog" },
    h("h3", {}, "New room"),
    h("label", { for: "room-name" }, "Name"),
    name,
    h("label", { class: "check", for: "room-private" }, isPrivate, "Private: only for who is invited"),
    bots.length ? h("label", { class: "check", for: "room-bots" }, withBots, `Invite ${bots.map((bot) => `@${bot.username}`).join(", ")}`) : null,
    h("div", { class: "buttons" }, h("button", { class: "button button-main" }, "Create")),
  );
  const known = h("div", {}, h("p", { class: "quiet" }, "Fetching the channels…"));
  const close = dialog("Rooms", form, h("h3", {}, "Join a channel"), known);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const members = withBots.checked ? bots.map((bot) => bot.username) : [];
    enter(() => chat.create(isPrivate.checked ? "p" : "c", name.value.trim(), members), close, open);
  });
  name.focus();
  try {
    const channels = (await chat.channels()).filter((room) => !store.rooms.has(room._id));
    const entries = channels.map((room) => {
      const element = choice(room.name, icon("hash"), h("span", { class: "choice-name" }, room.fname ?? room.name), h("span", { class: "quiet" }, `${room.usersCount ?? 0} people`));
      const join = () => chat.join(room._id).then(() => room._id);
      element.addEventListener("click", () => enter(join, close, open));
      return { label: room.name, element };
    });
    const { search, list } = filterList("Search channels", entries, "You are in every channel.");
    fill(known, entries.length > 6 ? search : null, list);
  } catch (error) {
    fill(known, h("p", { class: "quiet" }, `The channels could not be fetched: ${error.message}`));
  }
}

const KEYS = [
  ["Chat", [["/", "Write a message"], ["Enter", "Send"], ["Shift Enter", "New line"], ["↑", "Edit your last message, in an empty field"], ["Esc", "Close, cancel, back to the field"]]],
  ["Messages", [["↑ ↓", "Move from message to message"], ["Enter", "Menu"], ["t", "Thread"], ["r", "React"], ["q", "Quote"], ["e", "Edit"], ["Del", "Delete"], ["w", "Why? What the bot did"]]],
  ["Page", [["Alt ↑ ↓", "Room above, room below"], ["Ctrl K", "Find a room"], ["Alt I", "Inspector"], ["Alt F", "Faults"], ["F6", "Next part of the page"], ["?", "This list"]]],
];

export function showKeys() {
  dialog(
    "Keys",
    KEYS.map(([title, list]) => [
      h("h3", {}, title),
      h("dl", { class: "keys" }, list.map(([key, what]) => [h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, what)])),
    ]),
  );
}
