// What bots did with each event: the way through the layers, the command, the routes, the actions.

import { fill, h, perFrame } from "./dom.js";
import { icon } from "./icons.js";
import { clockSeconds, span } from "./time.js";

const KEPT = 500;

const VERDICTS = {
  runs: "runs",
  entered: "the command is in this group",
  unknown_subcommand: "this group has no such sub-command",
  refused: "a layer refused the command",
  no_command: "the event is no command",
  other_command: "another command was asked for",
  other_case: "the case of its name differs",
  known_command: "the command is known",
  other_kind: "it hears another kind of event",
  other_name: "it hears custom events of another name",
  not_picked: "its predicate does not pick the event",
  predicate_panicked: "its predicate panicked",
  from_bot: "the event is from a bot",
  caught_up: "it hears nothing of an outage",
  too_old: "the event is too old",
  not_needed: "another route took the event",
  fallback_of_group: "the fallback of a group is not used",
};

/** What was said, without the links of quotations before it. */
const said = (event) => event.text?.replace(/^(\[ \]\([^)]*\)\s*)+/, "") || event.text;
const words = (text) => String(text).replace(/_/g, " ");

export const chip = (text, kind = text) => h("span", { class: `chip chip-${kind}` }, words(text));

function section(title, ...content) {
  return h("section", { class: "detail-part" }, h("h4", {}, title), content);
}

/** The layers as bars over one axis of time. */
function waterfall(record) {
  const layers = record.layers ?? [];
  if (layers.length === 0) return section("Layers", h("p", { class: "quiet" }, "It has not reached any layer."));
  // From the first layer on: the wait before it is told above.
  const begin = layers[0].entered_us;
  const end = Math.max(begin + 1, ...layers.map((layer) => layer.left_us ?? layer.entered_us));
  const share = (us) => `${(us / (end - begin)) * 100}%`;
  const rows = layers.map((layer) => {
    const left = layer.left_us ?? end;
    const bar = h("span", { class: layer.left_us === null ? "bar bar-open" : "bar" });
    bar.style.left = share(layer.entered_us - begin);
    bar.style.width = share(left - layer.entered_us);
    const name = h("span", { class: "layer-name", title: layer.name }, layer.name);
    name.style.paddingLeft = `${Math.min(12, layer.depth) * 10}px`;
    const row = h(
      "li",
      { class: "layer" },
      name,
      h("span", { class: "track", "aria-hidden": "true" }, bar),
      h("span", { class: "layer-time" }, layer.left_us === null ? "…" : span(left - layer.entered_us)),
    );
    if (layer.note) row.append(h("span", { class: "layer-note" }, layer.note));
    return row;
  });
  const axis = h("p", { class: "axis", "aria-hidden": "true" }, h("span", {}, "0"), h("span", {}, span(end - begin)));
  return section("Way through the layers", h("ul", { class: "waterfall" }, rows), axis);
}

function command(record) {
  const why = record.explanation?.no_command;
  if (!record.command) return section("Command", h("p", { class: "quiet" }, why ? `None: ${words(why)}.` : "None."));
  const { prefix, name, text } = record.command;
  return section(
    "Command",
    h("p", { class: "command" }, h("span", { class: "command-prefix" }, prefix), h("strong", {}, name), text ? h("span", { class: "command-text" }, ` ${text}`) : null),
  );
}

function routes(record) {
  const list = record.explanation?.routes ?? [];
  if (list.length === 0) {
    const text = record.explanation_text;
    const none = record.explanation ? "The router has none." : "Nothing is known of the routes.";
    return section("Routes", text ? h("pre", { tabindex: "0" }, text) : h("p", { class: "quiet" }, none));
  }
  const sorted = [...list].sort((a, b) => Number(b.runs) - Number(a.runs));
  const rows = sorted.map((route) =>
    h(
      "tr",
      { class: route.runs ? "runs" : null },
      h("td", {}, icon(route.runs ? "check" : "close")),
      h("th", { scope: "row" }, route.name, h("span", { class: "quiet" }, ` ${words(route.role)}`)),
      h("td", {}, VERDICTS[route.verdict] ?? words(route.verdict)),
    ),
  );
  const answer = record.explanation.answer;
  const reply = answer && (typeof answer === "string" ? answer : answer.text);
  return section(
    "Routes",
    h("table", { class: "routes" }, h("tbody", {}, rows)),
    reply ? h("p", { class: "quiet" }, `The router answers by itself: ${reply}`) : null,
  );
}

function actions(record, jump) {
  const list = record.actions ?? [];
  if (list.length === 0) return section("Actions", h("p", { class: "quiet" }, "None."));
  return section(
    "Actions",
    h(
      "ol",
      { class: "actions" },
      list.map((action) => {
        const facts = [
          action.attempts === 1 ? "1 attempt" : `${action.attempts} attempts`,
          action.waited_ms ? `waited ${span(action.waited_ms * 1000)}` : null,
          action.took_ms === null || action.took_ms === undefined ? null : `took ${span(action.took_ms * 1000)}`,
          action.thread_id ? "in a thread" : null,
        ];
        return h(
          "li",
          { class: "action" },
          h("p", { class: "action-head" }, h("strong", {}, words(action.kind)), chip(action.state)),
          action.text ? h("p", { class: "action-text" }, action.text) : null,
          h("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
          action.error ? h("p", { class: "problem" }, action.error) : null,
          action.id && action.state === "done" && action.kind !== "delete"
            ? h("button", { class: "link", type: "button", onclick: () => jump(action.id) }, "Show the message")
            : null,
        );
      }),
    ),
  );
}

export class Inspector {
  #root;
  #list;
  #detail;
  #records = new Map();
  #selected = null;
  #jump;
  #quiet = true;
  #update;
  #seen = new Map();
  #visible = false;
  #version = 0;
  /** What the detail shows: it is only made anew when that changed, for the reader may be in the midst of it. */
  #detailed = { version: 0, content: "" };

  /** `jump(id)`: shows a message in the chat. */
  constructor(root, jump) {
    this.#root = root;
    this.#jump = jump;
    this.#update = perFrame(() => this.#show());
    const hide = h("input", { type: "checkbox", id: "inspector-silent" });
    hide.addEventListener("change", () => {
      this.#quiet = !hide.checked;
      this.#seen.clear();
      this.#update();
    });
    this.#list = h("div", { class: "events", role: "listbox", "aria-label": "Events", tabindex: "0", "data-part-focus": "" });
    this.#detail = h("div", { class: "detail", "aria-live": "off" });
    const clear = h("button", { class: "button button-small", type: "button", onclick: () => this.#clear() }, "Clear");
    fill(root, h("div", { class: "pane-bar" }, h("label", { class: "check", for: "inspector-silent" }, hide, "Only what was answered"), clear), this.#list, this.#detail);
    this.#list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** All that is remembered follows. */
  begin() {
    const read = this.#records.get(this.#selected);
    this.#records.clear();
    // What is being read stays until it is told again.
    if (read) this.#records.set(read.key, { ...read, old: true });
    this.#seen.clear();
    this.#update();
  }

  #clear() {
    this.#selected = null;
    this.begin();
  }

  put({ source, record }) {
    const key = `${source} ${record.id}`;
    const known = this.#records.get(key);
    // To its place among the others.
    if (known?.old) this.#records.delete(key);
    // Of those behind the last hundred the bot does not know any more why each route ran.
    const explanation = record.explanation ?? known?.explanation;
    this.#version += 1;
    this.#records.set(key, { ...record, explanation, key, source, version: this.#version });
    for (const old of this.#records.keys()) {
      if (this.#records.size <= KEPT) break;
      if (old !== this.#selected) this.#records.delete(old);
    }
    this.#update();
  }

  setVisible(on) {
    this.#visible = on;
    this.#update();
  }

  /** Selects what is known of a message. Whether anything is. */
  explain(id) {
    const about = [...this.#records.values()].filter((record) => record.event.message_id === id || record.actions?.some((action) => action.id === id));
    const record = about.findLast((one) => one.event.kind === "message" && one.event.message_id === id) ?? about.at(-1);
    if (!record) return false;
    this.#select(record.key);
    return true;
  }

  #select(key) {
    this.#selected = key;
    this.#show();
    this.#list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  get #shown() {
    const all = [...this.#records.values()];
    return (this.#quiet ? all : all.filter((record) => record.outcome && record.outcome !== "silent" && record.outcome !== "ignored")).reverse();
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const shown = this.#shown;
    const at = shown.findIndex((record) => record.key === this.#selected);
    const next = shown[Math.min(shown.length - 1, Math.max(0, at + step))];
    if (next) this.#select(next.key);
  }

  #event(record) {
    const { event } = record;
    const outcome = record.outcome ?? "running";
    const what = said(event) || words(event.kind);
    return h(
      "div",
      {
        class: "event",
        role: "option",
        "aria-selected": record.key === this.#selected ? "true" : "false",
        "data-key": record.key,
        onclick: () => this.#select(record.key),
      },
      h("time", { class: "stamp" }, clockSeconds(record.at)),
      h(
        "span",
        { class: "event-text" },
        event.user ? h("strong", {}, `${event.user} `) : null,
        event.text && event.kind !== "message" ? h("span", { class: "quiet" }, `${words(event.kind)} `) : null,
        what,
      ),
      h("span", { class: "event-took" }, span(record.took_us)),
      chip(outcome),
    );
  }

  #show() {
    if (!this.#visible) return;
    const shown = this.#shown;
    if (shown.length === 0) {
      this.#seen.clear();
      fill(
        this.#list,
        h(
          "div",
          { class: "empty" },
          icon("pulse"),
          h("p", {}, "What a bot does with each event appears here."),
          h("p", { class: "quiet" }, "Give it an inspector: ", h("code", {}, "Bot::builder(…).inspector(inspector)"), " and ", h("code", {}, "sandbox.inspect(&inspector)"), ". Of other bots see the traffic."),
        ),
      );
      this.#detailed = { version: 0, content: "" };
      return fill(this.#detail);
    }
    // Only what changed is made again.
    const elements = shown.map((record) => {
      const version = `${record.version} ${record.key === this.#selected}`;
      const known = this.#seen.get(record.key);
      if (known?.version === version) return known.element;
      const element = this.#event(record);
      this.#seen.set(record.key, { version, element });
      return element;
    });
    for (const key of this.#seen.keys()) if (!this.#records.has(key)) this.#seen.delete(key);
    reorder(this.#list, elements);
    return this.#showDetail(this.#records.get(this.#selected));
  }

  #showDetail(record) {
    const version = record?.version ?? -1;
    if (version === this.#detailed.version) return undefined;
    const content = record ? JSON.stringify({ ...record, version: 0, old: false }) : "";
    const same = record && content === this.#detailed.content;
    this.#detailed = { version, content };
    if (same) return undefined;
    if (!record) {
      return fill(this.#detail, h("p", { class: "empty" }, "Choose an event to see its way."));
    }
    const { event } = record;
    const place = [event.room ? `#${event.room}` : event.room_id, event.thread_id ? "in a thread" : null].filter(Boolean).join(" ");
    return fill(
      this.#detail,
      h(
        "header",
        { class: "detail-head" },
        h("p", { class: "detail-text" }, event.user ? h("strong", {}, `${event.user}: `) : null, said(event) || words(event.kind)),
        h(
          "p",
          { class: "quiet" },
          [words(event.kind), place, record.waited_us ? `waited ${span(record.waited_us)} for its turn` : null, `took ${span(record.took_us)}`].filter(Boolean).join(" · "),
        ),
        chip(record.outcome ?? "running"),
      ),
      record.error ? h("p", { class: "problem", role: "alert" }, record.error) : null,
      waterfall(record),
      command(record),
      routes(record),
      actions(record, this.#jump),
    );
  }
}

/** Makes the children of an element these, and moves only what is not in its place. */
function reorder(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const element of elements) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
}
