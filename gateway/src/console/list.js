// The list of what streamed by: newest first, bounded, and drawn a few times a second however fast events come.

import { byId, clock, count, element, hue, say, size } from "./dom.js";

const ROWS = 300;
const KEPT = 600;
const KEPT_CHARACTERS = 16_000_000;
/** Rows drawn at once; of a faster stream the rest is told as a number. */
const BURST = 40;
const CALM_MS = 160;
const SHOWN_CHARACTERS = 20_000;
const PREVIEW_CHARACTERS = 240;

const rows = byId("events");

let kept = [];
let keptCharacters = 0;
let pending = [];
let skipped = 0;
let scheduled = false;
let drawn = 0;
let isHeld = false;
let filter = { channel: "", types: new Set() };

/** Whether the filters let an entry pass; notes always do. */
function passes(entry) {
  if (entry.note) return true;
  if (filter.types.size > 0 && !filter.types.has(entry.type)) return false;
  return filter.channel === "" || entry.channels.some((channel) => channel.startsWith(filter.channel));
}

/** Adds {note, tone, time} or {type, channels, time, data, attributes, id, cursor, wire}. */
export function add(entry) {
  kept.push(entry);
  keptCharacters += entry.wire?.length ?? 0;
  while (kept.length > KEPT || (keptCharacters > KEPT_CHARACTERS && kept.length > 1)) {
    keptCharacters -= kept.shift().wire?.length ?? 0;
  }
  if (!passes(entry)) return;
  pending.push(entry);
  if (pending.length > 2 * ROWS) {
    thin(ROWS);
  }
  schedule();
}

export function setFilter(next) {
  filter = { ...filter, ...next };
  redraw();
}

export function hold(held) {
  isHeld = held;
  schedule();
}

export function clear() {
  kept = [];
  keptCharacters = 0;
  redraw();
}

/** Leaves only the newest, and what the gateway itself told. */
function thin(most) {
  const all = pending.length;
  pending = pending.filter((entry, at) => entry.note || at >= all - most);
  skipped += all - pending.length;
}

function redraw() {
  pending = kept.filter(passes).slice(-ROWS);
  skipped = 0;
  rows.replaceChildren();
  drawn = 0;
  schedule();
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

function draw(now) {
  scheduled = false;
  const held = byId("held");
  held.hidden = !isHeld || pending.length + skipped === 0;
  if (isHeld) {
    say(held, `${count(pending.length + skipped)} more since you hold the list`);
    return;
  }
  if (pending.length === 0) {
    byId("empty").hidden = rows.childElementCount > 0;
    return;
  }
  if (now - drawn < CALM_MS) return schedule();
  const isFirst = drawn === 0;
  drawn = now;
  const most = isFirst ? ROWS : BURST;
  thin(most);
  const fragment = document.createDocumentFragment();
  for (const entry of pending.reverse()) fragment.append(row(entry));
  if (skipped > 0 && !isFirst) fragment.append(element("li", "more-of-them", `and ${count(skipped)} more`));
  pending = [];
  skipped = 0;
  rows.prepend(fragment);
  while (rows.childElementCount > ROWS) rows.lastElementChild.remove();
  byId("empty").hidden = true;
}

function row(entry) {
  if (entry.note) {
    const item = element("li", "note-row");
    item.dataset.tone = entry.tone;
    item.append(element("time", "", clock(entry.time)), element("span", "", entry.note));
    return item;
  }
  const item = element("li", "row");
  const details = element("details");
  const summary = element("summary");
  const channels = element("span", "channels");
  for (const channel of entry.channels.slice(0, 3)) channels.append(element("span", "chip", channel));
  if (entry.channels.length > 3) channels.append(element("span", "chip", `+${entry.channels.length - 3}`));
  summary.append(
    element("time", "", clock(entry.time)),
    element("span", `type ${hue(entry.type)}`, entry.type),
    channels,
    element("span", "preview", preview(entry)),
  );
  details.append(summary);
  // What is inside is made when it is looked at.
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(inside(entry));
  });
  item.append(details);
  return item;
}

function preview({ data, wire }) {
  if (typeof data === "string") return data.slice(0, PREVIEW_CHARACTERS);
  if (wire.length > SHOWN_CHARACTERS) {
    const names = data && typeof data === "object" ? Object.keys(data).slice(0, 6).join(", ").slice(0, 80) : "";
    return `${Array.isArray(data) ? `[… ${count(data.length)} elements]` : `{ ${names} … }`} ${size(wire.length)}`;
  }
  return JSON.stringify(data)?.slice(0, PREVIEW_CHARACTERS) ?? "";
}

const cut = (text) =>
  text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}\n… the first ${count(SHOWN_CHARACTERS)} of ${count(text.length)} characters` : text;

function inside(entry) {
  const box = element("div", "inside");
  const list = element("dl");
  const say = (name, value) => {
    const pair = element("div");
    pair.append(element("dt", "", name), element("dd", "", value));
    list.append(pair);
  };
  say("Channels", entry.channels.join(", "));
  if (entry.id) say("Id", entry.id);
  for (const [name, value] of Object.entries(entry.attributes)) if (name !== "channels") say(name, value);
  say("Cursor", entry.cursor);
  const text = typeof entry.data === "string" ? entry.data : JSON.stringify(entry.data, null, 2) ?? "";
  const shown = element("pre", "data", cut(text));
  shown.tabIndex = 0;
  const wire = element("details", "wire");
  wire.append(element("summary", "", "On the wire"));
  wire.addEventListener("toggle", () => {
    if (!wire.open || wire.childElementCount > 1) return;
    const written = element("pre", "data", cut(`id: ${entry.cursor}\nevent: ${entry.type}\ndata: ${entry.wire}`));
    written.tabIndex = 0;
    wire.append(written);
  });
  box.append(list, shown, wire);
  return box;
}
