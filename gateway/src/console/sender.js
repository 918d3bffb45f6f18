// The form that sends an event, and how long it took until it streamed by.

import { ask, byId, say } from "./dom.js";

const form = byId("send");
const note = byId("sent-note");
/** Number -> when and where it was sent, or, while a form is being sent, when that event streamed by. */
const awaited = new Map();

const fields = (name) => form.elements.namedItem(name);

/** The envelope that the form describes; an Error names what is wrong. */
function envelope() {
  const channels = fields("channels").value.split(/[\s,]+/u).filter(Boolean);
  if (channels.length === 0) throw new Error("name at least one channel");
  const made = { channels, data: data(fields("data").value) };
  const type = fields("type").value.trim();
  const key = fields("key").value;
  if (type) made.type = type;
  if (key) made.key = key;
  const attributes = {};
  for (const line of fields("attributes").value.split("\n")) {
    if (!line.trim()) continue;
    const [, name, value] = /^\s*([^:\s]+)\s*:\s*(.*)$/u.exec(line) ?? [];
    if (!name) throw new Error(`attributes: “${line.trim().slice(0, 40)}” is not name: value`);
    attributes[name] = value.trimEnd();
  }
  if (Object.keys(attributes).length > 0) made.attributes = attributes;
  return made;
}

function data(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function tell(text, tone) {
  note.dataset.tone = tone;
  say(note, text);
}

/** `expect` is told the type before the event is sent; `isCut` says whether the stream is cut. */
export function start({ expect, isCut }) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const made = envelope();
      expect(made.type ?? "message");
      const began = performance.now();
      // It may stream by before the answer is here: until then, everything that arrives may be it.
      form.dataset.busy = "yes";
      const { partition, offset, sequence } = await ask("/console/events", made);
      const at = `partition ${partition}, offset ${offset}`;
      const heard = awaited.get(sequence);
      if (heard !== undefined) {
        awaited.delete(sequence);
        tell(`Kafka took it (${at}); here again after ${Math.max(1, Math.round(heard - began))} ms.`, "good");
      } else {
        awaited.set(sequence, { began, at });
        tell(`Kafka took it (${at}).${isCut() ? " It arrives when you resume." : ""}`, "calm");
      }
    } catch (error) {
      tell(`Not sent: ${error.message}`, "bad");
    } finally {
      delete form.dataset.busy;
      for (const [number, sent] of awaited) if (typeof sent === "number") awaited.delete(number);
    }
  });
  // As in other forms where a text of several lines is sent.
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

/** An event with this number streamed by. */
export function arrived(sequence) {
  const sent = awaited.get(sequence);
  if (typeof sent === "object") {
    awaited.delete(sequence);
    tell(`Kafka took it (${sent.at}); here again after ${Math.max(1, Math.round(performance.now() - sent.began))} ms.`, "good");
  } else if (form.dataset.busy) {
    awaited.set(sequence, performance.now());
  }
}
