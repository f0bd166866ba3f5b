// Calls of the REST API, as the reader.

import { BASE } from "./session.js";

const TRIES = 4;

export class Rest {
  #who;

  constructor(who) {
    this.#who = who;
  }

  async #once(method, endpoint, query, body) {
    const { userId, authToken } = await this.#who();
    const url = new URL(`api/v1/${endpoint}`, BASE);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const headers = { "X-User-Id": userId, "X-Auth-Token": authToken };
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    const kind = response.headers.get("content-type") ?? "";
    if (!kind.includes("json")) throw Object.assign(new Error(`The server answered with a page (${response.status}).`), { again: true });
    const answer = await response.json();
    if (response.ok) return answer;
    const again = response.status === 429 || response.status >= 500;
    throw Object.assign(new Error(answer.error ?? answer.message ?? `HTTP ${response.status}`), { again });
  }

  /** Reading, which is tried again where that may help. */
  async get(endpoint, query) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once("GET", endpoint, query);
      } catch (error) {
        const again = error.again || error instanceof TypeError;
        if (!again || attempt === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, 300 * 2 ** attempt));
      }
    }
  }

  post(endpoint, body) {
    return this.#once("POST", endpoint, null, body);
  }
}
