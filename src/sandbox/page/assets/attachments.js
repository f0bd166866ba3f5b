// What hangs below a message: quotes, pictures, fields, files, coloured bars.

import { h } from "./dom.js";
import { image, link } from "./files.js";
import { LONGEST, markdown, safeUrl } from "./markdown.js";
import { BASE } from "./session.js";
import { clockTime, fullTime, ms } from "./time.js";

const COLOURS = /^(#[0-9a-f]{3,8}|[a-z]{3,20}|rgba?\([\d\s.,%/]+\))$/i;
const NAMED = { good: "#2f9e63", warning: "#d08700", danger: "#d6404a" };
const DEPTH = 4;
/** Attachments and fields of one message, and characters of all their texts. */
const PARTS = 100;
const TEXTS = 3 * LONGEST;
/** Characters of what is no text of its own: titles, names. */
const TITLE = 500;

const short = (text) => {
  const all = String(text);
  return all.length > TITLE ? `${all.slice(0, TITLE)}…` : all;
};

/** The elements of a text, as far as the message has not used up what it may show. */
function textOf(text, context, left) {
  const most = Math.min(LONGEST, left.texts);
  left.texts -= Math.min(most, String(text).length);
  return markdown(text, context.text, most);
}

/** The address of a file. */
export function fileUrl(address) {
  if (typeof address !== "string" || !address) return null;
  const path = address.startsWith("/file-upload/") ? address.slice(1) : address;
  return safeUrl(path, BASE);
}

function fields(list, context, left) {
  if (!Array.isArray(list) || list.length === 0) return null;
  const shown = list.slice(0, left.parts);
  left.parts -= shown.length;
  return h(
    "dl",
    { class: "fields" },
    shown.map((field) =>
      h(
        "div",
        { class: field?.short ? "field field-short" : "field" },
        h("dt", {}, short(field?.title ?? "")),
        h("dd", {}, textOf(field?.value ?? "", context, left)),
      ),
    ),
  );
}

function picture(attachment, me) {
  const source = fileUrl(attachment.image_url);
  if (!source) return null;
  const { width, height } = attachment.image_dimensions ?? {};
  const alt = short(attachment.image_alt ?? attachment.title ?? attachment.description ?? "Picture");
  const shown = image(source, me, { class: "picture", alt, loading: "lazy", width, height });
  shown.addEventListener("error", () => shown.replaceWith(h("p", { class: "quiet" }, `The picture can not be shown: ${alt}`)));
  return link(source, me, short(attachment.title ?? "picture"), shown);
}

function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function author(attachment) {
  if (!attachment.author_name) return null;
  const url = attachment.author_link && safeUrl(attachment.author_link);
  const said = short(attachment.author_name);
  const name = url ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, said) : said;
  const at = ms(attachment.ts);
  return h(
    "p",
    { class: "attachment-author" },
    h("strong", {}, name),
    at ? h("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, clockTime(at)) : null,
  );
}

function one(attachment, context, depth, left) {
  if (!attachment || typeof attachment !== "object") return null;
  const quote = Boolean(attachment.message_link);
  const address = fileUrl(attachment.title_link);
  const isFile = attachment.type === "file" || Boolean(address && attachment.title_link_download);
  const kind = quote ? "quote" : isFile ? "file" : "plain";
  const title = attachment.title
    ? h(
        "p",
        { class: "attachment-title" },
        address ? link(address, context.me, short(attachment.title), short(attachment.title)) : short(attachment.title),
        attachment.size ? h("span", { class: "quiet" }, ` ${size(attachment.size)}`) : null,
      )
    : null;
  const before = attachment.pretext ? h("div", { class: "text" }, textOf(attachment.pretext, context, left)) : null;
  const text = attachment.text || attachment.description;
  const inner = [
    text ? h("div", { class: "text" }, textOf(text, context, left)) : null,
    fields(attachment.fields, context, left),
    picture(attachment, context.me),
    attachment.thumb_url && !attachment.image_url
      ? picture({ image_url: attachment.thumb_url, title: "Thumbnail" }, context.me)
      : null,
    depth < DEPTH ? attachments(attachment.attachments, context, depth + 1, left) : null,
  ].filter(Boolean);
  const body = attachment.collapsed
    ? h("details", {}, h("summary", {}, short(attachment.title ?? "Show")), inner)
    : [title, ...inner];
  const element = h(
    "div",
    { class: `attachment attachment-${kind}` },
    before,
    author(attachment),
    body,
  );
  const colour = NAMED[attachment.color] ?? attachment.color;
  if (typeof colour === "string" && COLOURS.test(colour)) element.style.borderLeftColor = colour;
  if (!quote) return element;
  const id = /[?&]msg=([^&]+)/.exec(attachment.message_link)?.[1];
  if (id && context.jump) {
    element.append(h("button", { class: "link", type: "button", onclick: () => context.jump(decodeURIComponent(id)) }, "Go to the message"));
  }
  return element;
}

/** The elements of the attachments of a message. */
export function attachments(list, context, depth = 0, left = { parts: PARTS, texts: TEXTS }) {
  if (!Array.isArray(list)) return [];
  const shown = [];
  for (const attachment of list) {
    if (left.parts < 1) break;
    left.parts -= 1;
    shown.push(one(attachment, context, depth, left));
  }
  return shown;
}
