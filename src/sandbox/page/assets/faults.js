// Buttons that break things, and what is broken right now.

import { fill, h, toast } from "./dom.js";
import { icon } from "./icons.js";
import { own } from "./session.js";

const ENDPOINTS = ["chat.sendMessage", "chat.postMessage", "chat.update", "chat.react", "*"];

export class Faults {
  #root;
  #active;
  #met;
  #seconds;
  #endpoint;
  #calls;
  #toggles = new Map();
  #timer = 0;
  #badge;

  /** `badge(texts)`: is told what is broken. */
  constructor(root, badge) {
    this.#root = root;
    this.#badge = badge;
    this.#build();
  }

  #build() {
    const button = (label, hint, order) =>
      h("button", { class: "button fault", type: "button", title: hint, "data-fault": label, onclick: () => this.#switch(order()) }, label);
    const toggle = (label, hint, name, order) => {
      const element = h(
        "button",
        {
          class: "button fault",
          type: "button",
          title: hint,
          "aria-pressed": "false",
          "data-fault": label,
          onclick: () => this.#switch(order(element.getAttribute("aria-pressed") !== "true")),
        },
        label,
      );
      this.#toggles.set(name, element);
      return element;
    };
    const number = (id, label, value, max) => {
      const input = h("input", { class: "field-input number", id, type: "number", min: 1, max, value });
      return [input, h("label", { class: "inline-field", for: id }, label.map((part) => part ?? input))];
    };
    let secondsField, callsField;
    [this.#seconds, secondsField] = number("fault-seconds", ["for", null, "seconds"], 5, 600);
    [this.#calls, callsField] = number("fault-calls", [null, "calls"], 3, 1000);
    const options = ENDPOINTS.map((name) => h("option", { value: name }, name === "*" ? "any endpoint" : name));
    this.#endpoint = h("select", { class: "field-input", id: "fault-endpoint", "aria-label": "Endpoint" }, options);
    const seconds = () => Number(this.#seconds.value) || 5;
    const rest = (kind, extra) => () => ({
      fault: "rest",
      kind,
      endpoint: this.#endpoint.value,
      calls: Number(this.#calls.value) || 1,
      ...extra,
    });
    const group = (title, text, ...content) =>
      h("section", { class: "fault-group" }, h("h3", {}, title), h("p", { class: "quiet" }, text), content);
    const on = (fault) => (value) => ({ fault, on: value });
    this.#active = h("div", { class: "active-faults", role: "status" });
    this.#met = h("div", { class: "met" });
    fill(
      this.#root,
      this.#active,
      group(
        "Sockets",
        "All realtime connections, of this page too.",
        h(
          "div",
          { class: "buttons" },
          button("Drop", "An end of stream without a close frame", () => ({ fault: "drop" })),
          button("Reset", "A TCP reset", () => ({ fault: "reset" })),
          button("Half a frame", "The connection breaks within a frame", () => ({ fault: "half_frame" })),
          button("Close", "A proper close with code 1000", () => ({ fault: "close" })),
        ),
      ),
      group(
        "Server",
        "Silence: connections stay open and are dead. Gone: nothing listens, nothing is forgotten.",
        h(
          "div",
          { class: "buttons" },
          button("Silence", "Connections stay open but are dead", () => ({ fault: "silence", seconds: seconds() })),
          button("Gone", "As if its process had ended", () => ({ fault: "gone", seconds: seconds() })),
          button("Refuse", "New connections are reset", () => ({ fault: "refuse", seconds: seconds() })),
          secondsField,
        ),
      ),
      group(
        "REST answers",
        "What the next calls meet, one after another.",
        h("div", { class: "buttons" }, this.#endpoint, callsField),
        h(
          "div",
          { class: "buttons" },
          button("429", "Too many requests: come back in two seconds", rest("too_many_requests", { milliseconds: 2000 })),
          button("503", "The server can not do it now", rest("status", { status: 503 })),
          button("500", "The server stumbles", rest("status", { status: 500 })),
          button("502 page", "A proxy's page of HTML", rest("proxy", { status: 502 })),
          button("200 page", "A page of HTML with status 200", rest("html")),
          button("Lose answer", "It is done, but nobody is told", rest("lose_reply")),
          button("Half an answer", "It is done, and the answer breaks off", rest("half_reply")),
          button("Lose call", "It is not done, and nobody is told", rest("lose_call")),
          button("Late answer", "It comes after three seconds", rest("slow", { milliseconds: 3000 })),
        ),
      ),
      group(
        "Until it is cleared",
        "Stays on for everybody.",
        h(
          "div",
          { class: "buttons" },
          toggle("Slow REST", "Every call takes a second", "slow", (value) => ({ fault: "slow", milliseconds: value ? 1000 : 0 })),
          toggle("Duplicate", "Stream frames come twice", "duplicate", on("duplicate")),
          toggle("Reorder", "Stream frames come in swapped pairs", "pairs", (value) => ({ fault: "reorder", how: value ? "pairs" : "off" })),
          toggle("Reorder rooms", "Messages of different rooms overtake each other", "rooms", (value) => ({ fault: "reorder", how: value ? "rooms" : "off" })),
          toggle("Lose frames", "Nobody hears what happens", "lose", on("lose")),
        ),
      ),
      h("button", { class: "button button-main clear-faults", type: "button", onclick: () => this.clear() }, icon("refresh"), "Clear all faults"),
      h("section", { class: "fault-group" }, h("h3", {}, "Met so far"), this.#met),
    );
  }

  async #switch(order) {
    try {
      const { faults } = await own("faults", "POST", order);
      this.show(faults);
    } catch (error) {
      toast(`The fault was not switched: ${error.message}`, "error");
    }
  }

  async clear() {
    try {
      const { faults } = await own("faults", "DELETE");
      this.show(faults);
      toast("All faults are cleared.");
    } catch (error) {
      toast(`Not cleared: ${error.message}`, "error");
    }
  }

  setVisible(on) {
    clearInterval(this.#timer);
    if (on) {
      this.#refresh();
      this.#timer = setInterval(() => this.#refresh(), 2000);
    }
  }

  async #refresh() {
    if (document.hidden) return;
    const answer = await own("faults").catch(() => null);
    if (answer) this.show(answer.faults);
  }

  /** The state of the server. */
  show({ active, waiting, met }) {
    const set = (name, value) => this.#toggles.get(name).setAttribute("aria-pressed", String(value));
    set("slow", active.slow_ms > 0);
    set("duplicate", active.duplicate);
    set("lose", active.lose);
    set("pairs", active.reorder === "pairs");
    set("rooms", active.reorder === "rooms");
    const texts = [
      active.silence && "silence",
      active.refuse && "connections refused",
      active.slow_ms > 0 && `REST slow by ${active.slow_ms} ms`,
      active.duplicate && "frames twice",
      active.lose && "frames lost",
      active.reorder !== "off" && `order of ${active.reorder} changed`,
      ...waiting.rest.map((queue) => `${queue.endpoint === "*" ? "any call" : queue.endpoint}: ${queue.next} × ${queue.calls}`),
      ...waiting.steps,
    ].filter(Boolean);
    this.#badge(texts);
    fill(
      this.#active,
      texts.length
        ? [h("strong", {}, "Broken now"), h("ul", {}, texts.map((text) => h("li", {}, text)))]
        : h("p", { class: "all-well" }, icon("check"), "Nothing is broken."),
    );
    const list = Object.entries(met);
    fill(
      this.#met,
      list.length
        ? h("dl", {}, list.map(([name, count]) => h("div", {}, h("dt", {}, name), h("dd", {}, count))))
        : h("p", { class: "quiet" }, "No fault was met yet."),
    );
  }
}
