// Draw Block Kit payloads near Slack's look: reads JSON from stdin, writes an HTML page to stdout.
//
// Input: {"users": {id: name}, "channels": {id: name}, "css": text, "pictures": [
//   {"id", "kind": "message" | "home" | "modal", "author", "time": Unix seconds, "now": Unix seconds,
//    "only_visible_to_you", "is_member", "title", "submit", "close", "errors": {block_id: text}, "blocks"}]}
// Each picture becomes the element <figure id=picture-ID>: the library writes ids, too, which are
// action_ids.
import { readFileSync } from "node:fs";
import { json } from "node:stream/consumers";
import { createElement as h } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { Message } from "slack-blocks-to-jsx/dist/index.mjs";

const LOGO =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"><rect width="36" height="36" rx="8" fill="#2d6a8e"/>' +
      '<circle cx="18" cy="18" r="10" fill="none" stroke="#fff" stroke-width="5"/></svg>',
  );
const memberLogo = (name) =>
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"><rect width="36" height="36" rx="8" fill="#8a6d3b"/>' +
      `<text x="18" y="25" font-family="Lato" font-size="20" fill="#fff" text-anchor="middle">${escaped(name[0] ?? "")}</text></svg>`,
  );
// The library reads plain text, escaped characters and a bare @here as markup. Such a character
// is drawn as one of Unicode's private use area, which the page then replaces.
const PRIVATE = 0xe000;
const hidden = (text) => [...text].map((c) => String.fromCharCode(PRIVATE + c.charCodeAt(0))).join("");
const shown = (html) =>
  html.replace(/[\ue000-\ue07f]/g, (c) => escaped(String.fromCharCode(c.charCodeAt(0) - PRIVATE)));
const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
const escaped = (text) =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function plainText(text) {
  const emoji = text.emoji === false ? /$^/ : /(:[a-z0-9_+-]+:)/;
  const parts = text.text.split(emoji);
  return {
    ...text,
    text: parts.map((p, i) => (i % 2 ? p : p.replace(/[\n!-/:-@[-`{-~]/g, hidden))).join(""),
  };
}

function mrkdwn({ verbatim, ...text }) {
  const parts = text.text.split(/(<[^<>]*>)/);
  const words = (part) =>
    part
      .replace(/&(lt|gt|amp);/g, (entity) => hidden(ENTITIES[entity]))
      .replace(/@/g, hidden)
      .replace(verbatim ? /:(?=\/\/)/g : /$^/, hidden);
  return { ...text, text: parts.map((part, i) => (i % 2 ? part : words(part))).join("") };
}

// The library shows an initial choice only after an effect, which a static page does not run.
function element(given, users) {
  const choice = given.initial_option ?? given.initial_options;
  const names = choice
    ? [choice].flat().map((option) => option.text.text)
    : [given.initial_user, given.initial_users].flat().filter(Boolean).map((id) => users[id] ?? id);
  if (/select$/.test(given.type)) {
    const placeholder = names.length
      ? { type: "plain_text", text: names.join(", "), emoji: (choice?.text ?? {}).emoji }
      : given.placeholder;
    return { ...given, type: "static_select", options: [], option_groups: undefined, placeholder };
  }
  if (given.type !== "plain_text_input" || given.multiline) return given;
  const placeholder = given.placeholder ?? { type: "plain_text", text: "Write something" };
  return { ...given, type: "email_text_input", placeholder };
}

// "today" and "2 hours ago" are relative to the picture's time.
let now = null;
globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length || now === null ? given : [now]));
  }
  static now() {
    return now ?? super.now();
  }
};

function drawable(node, users) {
  if (Array.isArray(node)) return node.map((one) => drawable(one, users));
  if (node === null || typeof node !== "object") return node;
  const given = typeof node.type === "string" ? element(node, users) : node;
  if (typeof given.text === "string") {
    if (given.type === "plain_text") return plainText(given);
    if (given.type === "mrkdwn") return mrkdwn(given);
  }
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, drawable(value, users)]));
}

function draw(picture, data, users) {
  now = picture.now === null ? null : picture.now * 1000;
  const name = picture.author ?? "";
  const props = { name, logo: picture.is_member ? memberLogo(name) : LOGO, theme: "light", data };
  if (picture.time !== null) props.time = new Date(picture.time * 1000);
  const blocks = (some) =>
    renderToStaticMarkup(
      h(Message, { ...props, blocks: drawable(some, users), withoutWrapper: picture.kind !== "message" }),
    );
  if (picture.kind === "message") {
    const notice = picture.only_visible_to_you ? '<p class="notice">👁 Only visible to you</p>' : "";
    return notice + blocks(picture.blocks);
  }
  if (picture.kind === "home") return blocks(picture.blocks);
  const errors = picture.errors ?? {};
  const body = picture.blocks.map((block) => {
    const error = errors[block.block_id];
    return blocks([block]) + (error ? `<p class="error">⚠ ${escaped(error)}</p>` : "");
  });
  const buttons = [picture.close ?? "Close", picture.submit].filter(Boolean);
  return (
    `<header>${escaped(picture.title)}</header>${body.join("")}` +
    `<footer>${buttons.map((label) => `<span>${escaped(label)}</span>`).join("")}</footer>`
  );
}

const input = await json(process.stdin);
const listed = (names) => Object.entries(names).map(([id, name]) => ({ id, name }));
const data = { users: listed(input.users), channels: listed(input.channels), user_groups: [] };
const style = readFileSync(new URL(import.meta.resolve("slack-blocks-to-jsx/dist/style.css")), "utf8");
const figures = input.pictures.map(
  (picture) =>
    `<figure id="picture-${picture.id}" class="${picture.kind}${picture.is_member ? " member" : ""}">${draw(picture, data, input.users)}</figure>`,
);
// Slack writes "today" in the middle of a sentence, too, and breaks lines at each space.
const html = shown(figures.join("\n"))
  .replace(/(class="slack_date">)(Today|Yesterday|Tomorrow)/g, (_, before, day) => before + day.toLowerCase())
  .replaceAll("\u00a0", " ");
process.stdout.write(
  `<!doctype html><meta charset="utf-8"><style>${style}${input.css}</style><body>${html}</body>`,
);
