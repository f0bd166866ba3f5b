// What hangs below a message: quotes, pictures, fields, files, coloured bars.

import { h } from "./dom.js";
import { markdown, safeUrl } from "./markdown.js";
import { BASE } from "./session.js";
import { clockTime, fullTime, ms } from "./time.js";

const COLOURS = /^(#[0-9a-f]{3,8}|[a-z]{3,20}|rgba?\([\d\s.,%/]+\))$/i;
const NAMED = { good: "#2f9e63", warning: "#d08700", danger: "#d6404a" };
const DEPTH = 4;

/** The address of a file. Those of this server are only for who is logged in. */
export function fileUrl(address, me) {
  if (typeof address !== "string" || !address) return null;
  const path = address.startsWith("/file-upload/") ? address.slice(1) : address;
  const url = safeUrl(path, BASE);
  if (!url || !url.startsWith(`${BASE}file-upload/`)) return url;
  const own = new URL(url);
  own.searchParams.set("rc_uid", me.userId);
  own.searchParams.set("rc_token", me.authToken);
  return own.href;
}

function fields(list, context) {
  if (!Array.isArray(list) || list.length === 0) return null;
  return h(
    "dl",
    { class: "fields" },
    list.map((field) =>
      h(
        "div",
        { class: field.short ? "field field-short" : "field" },
        h("dt", {}, field.title ?? ""),
        h("dd", {}, markdown(String(field.value ?? ""), context)),
      ),
    ),
  );
}

function picture(attachment, me) {
  const source = fileUrl(attachment.image_url, me);
  if (!source) return null;
  const { width, height } = attachment.image_dimensions ?? {};
  const alt = attachment.image_alt ?? attachment.title ?? attachment.description ?? "Picture";
  const image = h("img", { class: "picture", src: source, alt, loading: "lazy", width, height });
  image.addEventListener("error", () => image.replaceWith(h("p", { class: "quiet" }, `The picture can not be shown: ${alt}`)));
  return h("a", { href: source, target: "_blank", rel: "noopener noreferrer" }, image);
}

function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function author(attachment) {
  if (!attachment.author_name) return null;
  const url = attachment.author_link && safeUrl(attachment.author_link);
  const name = url ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, attachment.author_name) : attachment.author_name;
  const at = ms(attachment.ts);
  return h(
    "p",
    { class: "attachment-author" },
    h("strong", {}, name),
    at ? h("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, clockTime(at)) : null,
  );
}

function one(attachment, context, depth) {
  if (!attachment || typeof attachment !== "object") return null;
  const quote = Boolean(attachment.message_link);
  const link = fileUrl(attachment.title_link, context.me);
  const isFile = attachment.type === "file" || Boolean(link && attachment.title_link_download);
  const kind = quote ? "quote" : isFile ? "file" : "plain";
  const title = attachment.title
    ? h(
        "p",
        { class: "attachment-title" },
        link ? h("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, attachment.title) : attachment.title,
        attachment.size ? h("span", { class: "quiet" }, ` ${size(attachment.size)}`) : null,
      )
    : null;
  const text = attachment.text || attachment.description;
  const inner = [
    text ? h("div", { class: "text" }, markdown(text, context.text)) : null,
    fields(attachment.fields, context.text),
    picture(attachment, context.me),
    attachment.thumb_url && !attachment.image_url
      ? picture({ image_url: attachment.thumb_url, title: "Thumbnail" }, context.me)
      : null,
    depth < DEPTH ? attachments(attachment.attachments, context, depth + 1) : null,
  ].filter(Boolean);
  const body = attachment.collapsed
    ? h("details", {}, h("summary", {}, attachment.title ?? "Show"), inner)
    : [title, ...inner];
  const element = h(
    "div",
    { class: `attachment attachment-${kind}` },
    attachment.pretext ? h("div", { class: "text" }, markdown(attachment.pretext, context.text)) : null,
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
export function attachments(list, context, depth = 0) {
  if (!Array.isArray(list)) return [];
  return list.slice(0, 50).map((attachment) => one(attachment, context, depth));
}
