// The keys of the page as a whole. Those of messages, lists and fields are with them.

const isField = (element) => element?.matches?.("input, textarea, select, [contenteditable]");

/** `actions`: what the keys do. */
export function keys(actions) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const { key, altKey, ctrlKey, metaKey } = event;
    const run = (act) => {
      event.preventDefault();
      act();
    };
    if (altKey && !ctrlKey && !metaKey) {
      const by = { ArrowUp: actions.roomAbove, ArrowDown: actions.roomBelow };
      const letters = { KeyI: actions.inspector, KeyF: actions.faults };
      const act = by[key] ?? letters[event.code];
      if (act) run(act);
      return;
    }
    if ((ctrlKey || metaKey) && key.toLowerCase() === "k") return run(actions.findRoom);
    if (ctrlKey || metaKey) return;
    if (key === "F6") return run(() => nextPart(event.shiftKey ? -1 : 1));
    if (key === "Escape") return run(actions.escape);
    if (isField(document.activeElement)) return;
    if (key === "/") return run(actions.write);
    if (key === "?") return run(actions.help);
  });
}

/** Moves the focus among the parts of the page that are to be seen. */
function nextPart(step) {
  const parts = [...document.querySelectorAll("[data-part]")].filter((part) => part.offsetParent !== null);
  const at = parts.findIndex((part) => part.contains(document.activeElement));
  const next = parts[(at + step + parts.length) % parts.length];
  const target = next?.querySelector("[data-part-focus], .room[aria-current], textarea, button");
  target?.focus();
}
