// The markdown of Rocket.Chat as elements: *bold*, _italic_, ~strike~, code, quotes, lists, links, mentions, emoji.

import { h } from "./dom.js";
import { emojiOf } from "./emoji.js";

const NESTING = 8;
/** Of one text so many characters are shown; more are a click away, as they are. */
export const LONGEST = 10_000;

/** Addresses that a click may open. */
export function safeUrl(text, base = location.href) {
  try {
    const url = new URL(text, base);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function link(url, label) {
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, label);
}

// Each rule: where it may begin, and what becomes of a match. The first rule that fits at a place wins. Each spans a
// bounded part of a text: it is tried at every special sign.
const RULES = [
  { at: /`{1,9}([^`\n]{1,2000}?)`{1,9}/y, make: (m) => h("code", {}, m[1]) },
  {
    at: /!?\[([^\]\n]{0,500})\]\((\S{1,2000}?)\)/y,
    make: (m, context, depth) => {
      const url = safeUrl(m[2]);
      // The link at the beginning of a quote has no text.
      if (!m[1].trim()) return [];
      return url ? link(url, inline(m[1], context, depth + 1)) : m[0];
    },
  },
  { at: /<(https?:\/\/[^\s|>]{1,2000})(?:\|([^>\n]{1,500}))?>/y, make: (m) => link(safeUrl(m[1]) ?? "#", m[2] ?? m[1]) },
  { at: /https?:\/\/[^\s<>"']{1,2000}[^\s<>"'.,;:!?)\]}*_~]/y, word: true, make: (m) => link(safeUrl(m[0]) ?? "#", m[0]) },
  { at: /\*\*(?=\S)([^\n]{1,2000}?)(?<=\S)\*\*/y, tag: "strong" },
  { at: /\*(?=\S)([^*\n]{1,2000}?)(?<=\S)\*(?!\w)/y, word: true, tag: "strong" },
  { at: /__(?=\S)([^\n]{1,2000}?)(?<=\S)__/y, word: true, tag: "em" },
  { at: /_(?=\S)([^_\n]{1,2000}?)(?<=\S)_(?!\w)/y, word: true, tag: "em" },
  { at: /~~(?=\S)([^\n]{1,2000}?)(?<=\S)~~/y, tag: "s" },
  { at: /~(?=\S)([^~\n]{1,2000}?)(?<=\S)~(?!\w)/y, word: true, tag: "s" },
  {
    at: /@([\w.-]{0,100}\w)/y,
    word: true,
    make: (m, context) => {
      const everybody = m[1] === "all" || m[1] === "here";
      if (!everybody && !context.isUser?.(m[1])) return m[0];
      const kind = everybody || m[1] === context.me ? "mention mention-me" : "mention";
      return h("span", { class: kind }, m[0]);
    },
  },
  {
    at: /#([\w.-]{0,100}\w)/y,
    word: true,
    make: (m, context) => {
      const open = context.openRoom?.(m[1]);
      if (!open) return m[0];
      return h("button", { class: "mention mention-room", type: "button", onclick: open }, m[0]);
    },
  },
  {
    at: /:([\w+-]{1,40}):/y,
    make: (m) => {
      const sign = emojiOf(m[1]);
      return sign ? h("span", { class: "emoji", title: m[0], role: "img", "aria-label": m[1] }, sign) : m[0];
    },
  },
];

const SPECIAL = /[`![<*_~@#:h]/g;

function inline(text, context, depth = 0) {
  if (depth > NESTING) return [text];
  const nodes = [];
  let done = 0;
  SPECIAL.lastIndex = 0;
  for (let found = SPECIAL.exec(text); found; found = SPECIAL.exec(text)) {
    const at = found.index;
    const inWord = at > 0 && /[\w/]/.test(text[at - 1]);
    for (const rule of RULES) {
      if (rule.word && inWord) continue;
      rule.at.lastIndex = at;
      const match = rule.at.exec(text);
      if (!match) continue;
      if (at > done) nodes.push(text.slice(done, at));
      const made = rule.tag
        ? h(rule.tag, {}, inline(match[1], context, depth + 1))
        : rule.make(match, context, depth);
      nodes.push(made);
      done = at + match[0].length;
      break;
    }
    SPECIAL.lastIndex = Math.max(done, at + 1);
  }
  if (done < text.length) nodes.push(text.slice(done));
  return nodes.flat();
}

function codeBlock(language, lines) {
  const label = language ? `Code, ${language}` : "Code";
  return h("pre", { tabindex: "0", "aria-label": label }, h("code", {}, lines.join("\n")));
}

/** Lines from the front that fit the pattern, without what it matches. */
function take(lines, pattern) {
  const taken = [];
  while (lines.length && pattern.test(lines[0])) taken.push(lines.shift().replace(pattern, ""));
  return taken;
}

/** The elements of a text, of which at most `most` characters are shown. `context`: who reads it, whose names are known,
    how a room is opened. */
export function markdown(text, context = {}, most = LONGEST) {
  const all = String(text);
  if (all.length <= most) return blocksOf(all, context, 0);
  const show = () => rest.replaceWith(h("p", { class: "as-it-is" }, all.slice(most)));
  const rest = h("button", { class: "link", type: "button", onclick: show }, `… and ${(all.length - most).toLocaleString("en")} characters more`);
  return [...blocksOf(all.slice(0, most), context, 0), rest];
}

function blocksOf(text, context, depth) {
  const lines = text.split("\n");
  const blocks = [];
  let paragraph = [];
  const end = () => {
    if (paragraph.length) {
      const parts = paragraph.flatMap((line, at) => [at ? h("br") : null, ...inline(line, context)]);
      blocks.push(h("p", {}, parts));
      paragraph = [];
    }
  };
  while (lines.length) {
    const line = lines[0];
    const fence = line.match(/^```\s*([\w+#.-]*)\s*$/);
    const closing = fence ? lines.findIndex((other, at) => at > 0 && other.trim() === "```") : -1;
    const heading = line.match(/^(#{1,4})\s+(\S.*)$/);
    if (closing > 0) {
      end();
      blocks.push(codeBlock(fence[1], lines.splice(0, closing + 1).slice(1, -1)));
    } else if (/^```.+```$/.test(line)) {
      end();
      blocks.push(codeBlock("", [lines.shift().slice(3, -3)]));
    } else if (/^>\s?/.test(line) && depth < NESTING) {
      end();
      blocks.push(h("blockquote", {}, blocksOf(take(lines, /^>\s?/).join("\n"), context, depth + 1)));
    } else if (/^[-*]\s+\S/.test(line)) {
      end();
      blocks.push(h("ul", {}, take(lines, /^[-*]\s+(?=\S)/).map((item) => h("li", {}, inline(item, context)))));
    } else if (/^\d+\.\s+\S/.test(line)) {
      end();
      const start = parseInt(line, 10);
      const items = take(lines, /^\d+\.\s+(?=\S)/);
      blocks.push(h("ol", { start }, items.map((item) => h("li", {}, inline(item, context)))));
    } else if (heading) {
      end();
      lines.shift();
      blocks.push(h("p", { class: `heading heading-${heading[1].length}` }, inline(heading[2], context)));
    } else {
      paragraph.push(lines.shift());
    }
  }
  end();
  return blocks;
}

/** Whether a text is nothing but one to three emoji, which are shown large. */
export function isBigEmoji(text) {
  const words = String(text).trim().split(/\s+/);
  const sign = (word) => (/^:[\w+-]+:$/.test(word) ? emojiOf(word) : /^\p{Extended_Pictographic}\uFE0F?$/u.test(word));
  return words.length <= 3 && words.every(sign);
}
