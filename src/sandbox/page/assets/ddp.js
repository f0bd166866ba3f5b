// The realtime connection: DDP on a websocket, which comes back by itself.

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5000;
/** Without a frame for so long we ping, and after half of it again the connection is dead. */
const QUIET = 10_000;

export class Ddp extends EventTarget {
  #url;
  #login;
  #socket = null;
  #calls = new Map();
  #subscriptions = new Map();
  #next = 1;
  #pause = FIRST_PAUSE;
  #timer = 0;
  #heart = 0;
  #ready = false;

  /** `login`: gives the parameters of the method `login`, and says whether to try again if they were refused. */
  constructor(base, login) {
    super();
    this.#url = `${base.replace(/^http/, "ws")}websocket`;
    this.#login = login;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  get ready() {
    return this.#ready;
  }

  #say(state, detail = {}) {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, ...detail } }));
  }

  #hurry() {
    if (!this.#socket && this.#timer) this.open();
  }

  open() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#socket) return;
    this.#say("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#beat();
      this.#send({ msg: "connect", version: "1", support: ["1"] });
    };
    socket.onmessage = (event) => socket === this.#socket && this.#receive(event.data);
    socket.onclose = () => socket === this.#socket && this.#lost();
    this.#beat();
  }

  #leave() {
    clearTimeout(this.#heart);
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    socket?.close();
    for (const call of this.#calls.values()) call.reject(Object.assign(new Error("The connection was lost."), { lost: true }));
    this.#calls.clear();
  }

  #lost() {
    this.#leave();
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#timer = setTimeout(() => this.open(), pause);
    this.#say("lost", { pause });
  }

  /** Waits for a sign of life. */
  #beat() {
    clearTimeout(this.#heart);
    this.#heart = setTimeout(() => {
      this.#send({ msg: "ping" });
      this.#heart = setTimeout(() => this.#lost(), QUIET / 2);
    }, QUIET);
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #receive(text) {
    this.#beat();
    const frame = JSON.parse(text);
    switch (frame.msg) {
      case "connected":
        return this.#connected();
      case "ping":
        return this.#send({ msg: "pong", id: frame.id });
      case "result": {
        const call = this.#calls.get(frame.id);
        this.#calls.delete(frame.id);
        if (!frame.error) return call?.resolve(frame.result);
        const error = new Error(frame.error.reason ?? frame.error.message ?? String(frame.error.error));
        return call?.reject(Object.assign(error, { code: frame.error.error }));
      }
      case "nosub": {
        // Refused; a subscription that we ended is not in the list any more.
        if (frame.error) this.#subscriptions.delete(frame.id);
        return undefined;
      }
      case "changed": {
        const { eventName, args } = frame.fields ?? {};
        const fits = (sub) => sub.name === frame.collection && sub.event === eventName;
        for (const sub of [...this.#subscriptions.values()].filter(fits)) sub.handler(...(args ?? []));
        return undefined;
      }
      default:
        return undefined;
    }
  }

  async #connected() {
    const socket = this.#socket;
    try {
      await this.call("login", await this.#login.options());
    } catch (error) {
      if (error.lost || socket !== this.#socket) return;
      const again = await this.#login.refused(error);
      if (socket !== this.#socket) return;
      if (again) {
        this.#lost();
        return;
      }
      this.#leave();
      this.#say("ended");
      return;
    }
    this.#ready = true;
    this.#pause = FIRST_PAUSE;
    for (const [id, sub] of this.#subscriptions) this.#subscribe(id, sub);
    this.#say("ready");
  }

  #subscribe(id, sub) {
    this.#send({ msg: "sub", id, name: sub.name, params: [sub.event, false] });
  }

  /** Calls a method; fails with `lost` if the connection ends before the answer. */
  call(method, ...params) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(Object.assign(new Error("There is no connection."), { lost: true }));
        return;
      }
      const id = String(this.#next++);
      this.#calls.set(id, { resolve, reject });
      this.#send({ msg: "method", method, id, params });
    });
  }

  /** Hears a stream, over reconnects too. Gives what ends it. */
  subscribe(name, event, handler) {
    const id = `s${this.#next++}`;
    const sub = { name, event, handler };
    this.#subscriptions.set(id, sub);
    if (this.#ready) this.#subscribe(id, sub);
    return () => {
      if (this.#subscriptions.delete(id) && this.#ready) this.#send({ msg: "unsub", id });
    };
  }
}
