// A long list of which only what is near the screen is in the document.

import { perFrame } from "./dom.js";

/** Pixels above and below the screen that are there already. */
const AHEAD = 600;
/** What is within this of the end follows the end. */
const AT_END = 48;

export class VirtualList extends EventTarget {
  #scroller;
  #body;
  #make;
  #rows = [];
  #offsets = [0];
  #heights = new Map();
  #shown = new Map();
  #first = 0;
  #last = 0;
  #following = true;
  #width = 0;
  #sizes;
  #later;

  /** `make(row)`: the element of a row. A row has a `key`, a `version` and a guessed height `guess`. */
  constructor(scroller, body, make) {
    super();
    this.#scroller = scroller;
    this.#body = body;
    this.#make = make;
    this.#later = perFrame(() => this.#layout());
    this.#sizes = new ResizeObserver(() => this.#later());
    this.#sizes.observe(scroller);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  get atEnd() {
    return this.#following;
  }

  get count() {
    return this.#shown.size;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    const following = scrollHeight - scrollTop - clientHeight < AT_END;
    if (following !== this.#following) {
      this.#following = following;
      this.dispatchEvent(new Event("following"));
    }
    this.#later();
  }

  #height(row) {
    return this.#heights.get(row.key) ?? row.guess;
  }

  #measure() {
    const offsets = new Array(this.#rows.length + 1);
    offsets[0] = 0;
    this.#rows.forEach((row, at) => (offsets[at + 1] = offsets[at] + this.#height(row)));
    this.#offsets = offsets;
  }

  /** The row at this height. */
  #at(top) {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle + 1] <= top) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What is at the top of the screen, and how far it reaches above it. */
  #anchor() {
    const top = this.#scroller.scrollTop - this.#body.offsetTop;
    const at = this.#at(Math.max(0, top));
    const row = this.#rows[at];
    return row && { key: row.key, above: top - this.#offsets[at] };
  }

  setRows(rows) {
    const anchor = this.#anchor();
    this.#rows = rows;
    if (this.#heights.size > rows.length * 2 + 1000) {
      const keys = new Set(rows.map((row) => row.key));
      for (const key of this.#heights.keys()) if (!keys.has(key)) this.#heights.delete(key);
    }
    this.#measure();
    this.#restore(anchor);
    this.#layout();
  }

  #restore(anchor) {
    if (this.#following || !anchor) return;
    const at = this.#rows.findIndex((row) => row.key === anchor.key);
    if (at >= 0) this.#scroller.scrollTop = this.#offsets[at] + anchor.above + this.#body.offsetTop;
  }

  #layout() {
    const scroller = this.#scroller;
    if (scroller.clientHeight === 0) return;
    if (this.#width !== scroller.clientWidth) {
      // Every height may have changed.
      if (this.#width) this.#heights.clear();
      this.#width = scroller.clientWidth;
      this.#measure();
    }
    // Rows turn out higher or lower than guessed, so what is on the screen changes: twice is nearly always enough.
    for (let round = 0; round < 4; round += 1) {
      this.#place();
      const anchor = this.#anchor();
      if (!this.#remeasure()) break;
      this.#spaces();
      this.#restore(anchor);
    }
    if (this.#following) scroller.scrollTop = scroller.scrollHeight;
    this.dispatchEvent(new Event("layout"));
  }

  /** Puts the rows near the screen into the document. */
  #place() {
    const { scrollTop, clientHeight } = this.#scroller;
    const total = this.#offsets.at(-1);
    const top = this.#following ? total - clientHeight : scrollTop - this.#body.offsetTop;
    this.#first = this.#at(Math.max(0, top - AHEAD));
    this.#last = Math.min(this.#rows.length, this.#at(top + clientHeight + AHEAD) + 1);
    const wanted = new Map();
    for (let at = this.#first; at < this.#last; at += 1) wanted.set(this.#rows[at].key, this.#rows[at]);
    for (const [key, shown] of this.#shown) {
      const row = wanted.get(key);
      if (row && row.version === shown.version) continue;
      // Who has the focus inside keeps it until the new element is there.
      if (row && shown.element.contains(document.activeElement)) shown.refocus = focusPath(shown.element);
      if (!row) {
        this.#sizes.unobserve(shown.element);
        shown.element.remove();
        this.#shown.delete(key);
      }
    }
    let before = this.#body.firstElementChild;
    for (const [key, row] of wanted) {
      let shown = this.#shown.get(key);
      if (!shown || shown.version !== row.version) {
        const element = this.#make(row);
        this.#sizes.observe(element);
        if (shown) {
          this.#sizes.unobserve(shown.element);
          if (before === shown.element) before = element;
          shown.element.replaceWith(element);
          shown.refocus?.(element);
        }
        shown = { element, version: row.version };
        this.#shown.set(key, shown);
      }
      if (shown.element === before) before = before.nextElementSibling;
      else this.#body.insertBefore(shown.element, before);
    }
    this.#spaces();
  }

  #spaces() {
    this.#body.style.paddingTop = `${this.#offsets[this.#first] ?? 0}px`;
    const below = (this.#offsets.at(-1) ?? 0) - (this.#offsets[this.#last] ?? 0);
    this.#body.style.paddingBottom = `${below}px`;
  }

  /** Whether a row in the document has another height than was thought. */
  #remeasure() {
    let changed = false;
    for (const [key, { element }] of this.#shown) {
      const height = element.getBoundingClientRect().height;
      if (Math.abs((this.#heights.get(key) ?? -1) - height) > 0.5) {
        this.#heights.set(key, height);
        changed = true;
      }
    }
    if (changed) this.#measure();
    return changed;
  }

  toEnd() {
    this.#following = true;
    this.#layout();
    this.dispatchEvent(new Event("following"));
  }

  /** Brings a row to the middle of the screen and gives its element. */
  show(key) {
    const at = this.#rows.findIndex((row) => row.key === key);
    if (at < 0) return null;
    const { clientHeight } = this.#scroller;
    for (let round = 0; round < 3; round += 1) {
      const middle = this.#offsets[at] + this.#body.offsetTop - clientHeight / 2;
      this.#following = false;
      this.#scroller.scrollTop = middle;
      this.#layout();
    }
    return this.element(key);
  }

  element(key) {
    return this.#shown.get(key)?.element ?? null;
  }

  row(key) {
    return this.#rows.find((row) => row.key === key);
  }

  get rows() {
    return this.#rows;
  }
}

/** How to give the focus to the same place in another element of the same form. */
function focusPath(element) {
  const active = document.activeElement;
  if (active === element) return (other) => other.focus({ preventScroll: true });
  const name = active.dataset.focus;
  return (other) => {
    const same = name && other.querySelector(`[data-focus="${CSS.escape(name)}"]`);
    (same ?? other).focus({ preventScroll: true });
  };
}
