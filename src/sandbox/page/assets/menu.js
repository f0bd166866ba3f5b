// What opens at a place and closes by itself: menus, the picker of emoji.

import { fill, h } from "./dom.js";
import { GROUPS, findEmoji } from "./emoji.js";
import { icon } from "./icons.js";

let open = null;

export function closeMenu() {
  open?.close();
}

/** Puts an element beside its anchor, within the window. */
function place(element, anchor) {
  const margin = 8;
  const at = anchor.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  const wide = at.width > 300;
  const left = Math.min(wide ? at.right - width - 16 : at.left, innerWidth - width - margin);
  const below = at.bottom + 4 + height < innerHeight - margin;
  const top = below ? at.bottom + 4 : Math.max(margin, at.top - height - 4);
  element.style.left = `${Math.max(margin, left)}px`;
  element.style.top = `${Math.min(top, Math.max(margin, innerHeight - height - margin))}px`;
}

function popup(anchor, element, first) {
  closeMenu();
  const back = document.activeElement;
  document.body.append(element);
  place(element, anchor);
  const resized = () => close();
  const outside = (event) => element.contains(event.target) || close();
  const close = (returnFocus = false) => {
    if (open?.element !== element) return;
    open = null;
    element.remove();
    removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", resized);
    if (returnFocus) back?.focus({ preventScroll: true });
  };
  open = { element, close };
  addEventListener("pointerdown", outside, true);
  addEventListener("resize", resized);
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      close(true);
    }
  });
  first()?.focus();
  return close;
}

/** Moves the focus among the items inside with the arrow keys. */
function arrows(element, selector, columns = 1) {
  element.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: columns, ArrowUp: -columns };
    if (columns > 1) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 });
    const items = [...element.querySelectorAll(selector)];
    const at = items.indexOf(document.activeElement);
    const to = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : at + (steps[event.key] ?? NaN);
    if (Number.isNaN(to) || items.length === 0 || (at < 0 && event.key !== "ArrowDown")) return;
    event.preventDefault();
    items[Math.min(items.length - 1, Math.max(0, at < 0 ? 0 : to))].focus();
  });
}

/** `items`: `{ label, icon, act, key, danger, checked }`, or null for a line between. */
export function menu(anchor, items, label = "Menu") {
  const element = h("div", { class: "popup menu", role: "menu", "aria-label": label });
  for (const item of items) {
    if (!item) {
      element.append(h("hr"));
      continue;
    }
    const act = () => {
      close(true);
      item.act();
    };
    const button = h(
      "button",
      { class: item.danger ? "item danger" : "item", role: "menuitem", type: "button", onclick: act },
      item.icon ? icon(item.icon) : null,
      h("span", {}, item.label),
      item.key ? h("kbd", {}, item.key) : null,
    );
    element.append(button);
  }
  arrows(element, ".item");
  const close = popup(anchor, element, () => element.querySelector(".item"));
}

const COLUMNS = 8;

/** Lets the reader choose an emoji; `choose` gets its name. */
export function pickEmoji(anchor, choose) {
  const grid = h("div", { class: "emoji-grid" });
  const search = h("input", { class: "field-input", type: "search", placeholder: "Search emoji", "aria-label": "Search emoji" });
  const element = h("div", { class: "popup picker", role: "dialog", "aria-label": "Emoji" }, search, grid);
  const button = ([name, sign]) =>
    h(
      "button",
      {
        class: "emoji-button",
        type: "button",
        title: `:${name}:`,
        "aria-label": name.replace(/_/g, " "),
        onclick: () => {
          close(true);
          choose(name);
        },
      },
      sign,
    );
  const show = () => {
    const wanted = search.value.trim();
    if (wanted) {
      const found = findEmoji(wanted);
      fill(grid, found.length ? found.map(button) : h("p", { class: "quiet" }, "There is no such emoji."));
      return;
    }
    fill(grid, Object.entries(GROUPS).map(([name, list]) => [h("p", { class: "emoji-group" }, name), list.map(button)]));
  };
  search.addEventListener("input", show);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    grid.querySelector(".emoji-button")?.click();
  });
  show();
  arrows(element, ".emoji-button", COLUMNS);
  const close = popup(anchor, element, () => search);
}
