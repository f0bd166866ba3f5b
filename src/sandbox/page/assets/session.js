// Where the server is, and who the reader is: an account that this browser keeps for as long as the server runs.

/** The address of the server, with a slash at its end. */
export const BASE = new URL("../../", import.meta.url).href;
const query = new URLSearchParams(location.search);
/** The token of the page. */
export const TOKEN = query.get("token") ?? "";
/** Several people may be in one browser: each has a name in the address. */
const PERSON = query.get("person") ?? "";
const KEY = `rocketbotte-sandbox ${BASE} ${PERSON}`;

/** A call of what only the page has. Throws what the server says. */
export async function own(path, method = "GET", body) {
  const headers = { "X-Sandbox-Token": TOKEN };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`${BASE}_sandbox/${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.error ?? `HTTP ${response.status}`), { status: response.status });
  return answer;
}

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return kept && kept.token === TOKEN ? kept : null;
  } catch {
    return null;
  }
}

/** The account of the reader; a new one the first time. */
export async function account() {
  const kept = remembered();
  if (kept) return kept;
  const answer = await own("join", "POST", PERSON ? { name: PERSON } : {});
  const made = { ...answer, token: TOKEN };
  try {
    localStorage.setItem(KEY, JSON.stringify(made));
  } catch {
    // Without storage the next visit is another person.
  }
  return made;
}

/** Forgets the account: the server does not know it any more. */
export function forget() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Without storage nothing was kept.
  }
}

/** The address of the page for somebody else in this browser. */
export function addressFor(person) {
  const url = new URL(BASE);
  url.searchParams.set("token", TOKEN);
  if (person) url.searchParams.set("person", person);
  return url.href;
}
