// Files of this server: fetched as the reader, so that no address on the page has the reader's token in it.

import { h } from "./dom.js";
import { BASE } from "./session.js";

/** Pictures that are kept at the same time. */
const KEPT = 50;
const kept = new Map();

const isOwn = (url) => url.startsWith(`${BASE}file-upload/`);

async function fetched(url, me) {
  const response = await fetch(url, { headers: { "X-User-Id": me.userId, "X-Auth-Token": me.authToken } });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.blob();
}

/** An address of this page for a picture of the server. */
function shown(url, me) {
  const known = kept.get(url);
  if (known) return known;
  const address = fetched(url, me).then((blob) => URL.createObjectURL(blob));
  address.catch(() => kept.delete(url));
  kept.set(url, address);
  if (kept.size > KEPT) {
    const [oldest, ended] = kept.entries().next().value;
    kept.delete(oldest);
    ended.then((address) => URL.revokeObjectURL(address), () => {});
  }
  return address;
}

/** An element for a picture, wherever it is from. */
export function image(url, me, attributes) {
  if (!isOwn(url)) return h("img", { ...attributes, src: url });
  const element = h("img", attributes);
  shown(url, me).then(
    (address) => (element.src = address),
    () => element.dispatchEvent(new Event("error")),
  );
  return element;
}

async function save(url, me, name) {
  const address = URL.createObjectURL(await fetched(url, me));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A link: a file of the server is saved, anything else opens beside the page. */
export function link(url, me, name, content) {
  if (!isOwn(url)) return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, content);
  const element = h("a", { href: url, download: name }, content);
  element.addEventListener("click", (event) => {
    event.preventDefault();
    save(url, me, name).catch((error) => (element.title = `It can not be had: ${error.message}`));
  });
  return element;
}
