// Building elements. Text only ever becomes a text node, so nothing that somebody wrote can become HTML.

/** Makes an element: `h("p", { class: "note", onclick: f }, "text", child)`. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replaces everything inside of an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Says something to who can not see it. */
export function announce(text) {
  const live = byId("live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text));
}

/** A short note at the edge of the page. */
export function toast(text, kind = "info") {
  const note = h("div", { class: `toast toast-${kind}` }, text);
  const shelf = byId("toasts");
  shelf.append(note);
  while (shelf.childElementCount > 4) shelf.firstElementChild.remove();
  setTimeout(() => note.remove(), kind === "error" ? 7000 : 3500);
}

/** Runs once per frame, however often it is asked for. */
export function perFrame(run) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const go = () => {
      if (!waiting) return;
      waiting = false;
      run();
    };
    requestAnimationFrame(go);
    // A page in the background has no frames.
    if (document.hidden) setTimeout(go, 100);
  };
}
