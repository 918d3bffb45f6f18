// The page of `dev`: joins the stream, the list, the ledger and the server's word.

import { ask, byId, clock, count, element, plural, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Ledger } from "./ledger.js";
import * as list from "./list.js";
import * as sender from "./sender.js";

const MOST_FACETS = 24;
const MOST_CHANNELS = 200;

const ledger = new Ledger();
let info = await ask("/console/info").catch(() => null);
if (info === null) {
  say(byId("state-text"), "The server doesn’t answer: reload when it runs");
  byId("state").dataset.state = "refused";
  throw new Error("no answer from /console/info");
}
const feed = new Feed(info.events, { event: heard, own: told, state: changed });

let status = { run: null, sent: 0, failed: 0, per_second: 0 };
let knownTypes = 0;
let received = 0;
let state = "connecting";
let gaps = 0;
/** The cut that is under way, or being caught up with. */
let cut = null;
const perSecond = [];
let receivedBefore = null;
const types = new Map();
const kinds = new Map();
const channels = new Set();
const pressed = new Set();

// What streams by.

function heard(event) {
  received += 1;
  let envelope;
  try {
    envelope = JSON.parse(event.data);
  } catch {
    return list.add({ note: "An event that isn’t JSON came in the format “envelope”", tone: "bad", time: Date.now() });
  }
  const attributes = envelope.attributes ?? {};
  const named = (attributes.channels ?? envelope.channel).split(",");
  const entry = { type: event.type, channels: named, time: envelope.time, data: envelope.data, attributes,
    id: envelope.id, cursor: event.lastEventId, wire: event.data };
  const number = /^([0-9a-f]{8})\/([0-9]{1,15})$/u.exec(attributes[info.sequence_attribute] ?? "");
  if (number) {
    ledger.arrive(number[1], Number(number[2]), performance.now());
    sender.arrived(Number(number[2]));
  }
  types.set(entry.type, (types.get(entry.type) ?? 0) + 1);
  for (const channel of named) {
    const kind = channel.split(":", 1)[0];
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (channels.size < MOST_CHANNELS) channels.add(channel);
  }
  list.add(entry);
}

function told(event) {
  const data = JSON.parse(event.data);
  const time = Date.now();
  if (event.type === "gateway.open") {
    list.add({ note: `Stream opened · connection ${data.connection} · replica ${data.replica}`, tone: "calm", time });
  } else if (event.type === "gateway.gap") {
    gaps += 1;
    ledger.gap(data.missing, performance.now());
    const missing = data.missing === undefined ? "events are missing" : `${plural(data.missing, "event")} missing`;
    const again = data.may_repeat ? "; events may come again" : "";
    const note = `Gap in ${data.channel}: ${missing}, because ${reasons[data.reason] ?? data.reason}${again}`;
    list.add({ note, tone: "warn", time });
    say(byId("last-gap"), `${clock(time)} ${note}.`);
    byId("last-gap").hidden = false;
  } else {
    list.add({ note: `The server ends the stream (${data.reason}); back in ${(data.reconnect_after_ms / 1000).toFixed(1)} s`, tone: "calm", time });
  }
}

const reasons = {
  trimmed: "the backlog keeps no more",
  epoch: "the backlog began anew",
  source: "Kafka lost records",
  overflow: "this page was too slow",
  "unknown-cursor": "the cursor is of another life of the server",
};

const states = {
  connecting: "Connecting…",
  open: "Streaming",
  reconnecting: "Reconnecting…",
  refused: "Refused; trying again",
  cut: "Cut",
};

function changed(next) {
  state = next;
  byId("state").dataset.state = state;
  say(byId("state-text"), states[state]);
}

// Cut and resume.

byId("cut").addEventListener("click", () => {
  if (feed.isCut) {
    resume();
  } else {
    feed.cut();
    cut = { at: performance.now(), until: null, told: ledger.told, silent: ledger.silent, expected: 0 };
    list.add({ note: "You cut the stream", tone: "warn", time: Date.now() });
  }
  report();
});

async function resume() {
  byId("cut").disabled = true;
  await look();
  byId("cut").disabled = false;
  cut.until = status.sent;
  cut.expected = ledger.outstanding(cut.until);
  list.add({ note: `You resume after the cursor; ${plural(cut.expected, "event")} to catch up with`, tone: "warn", time: Date.now() });
  feed.open();
  report();
}

byId("drop").addEventListener("click", async () => {
  try {
    await ask("/console/disconnect", { channel: feed.channel });
  } catch (error) {
    list.add({ note: `Not ended: ${error.message}`, tone: "bad", time: Date.now() });
  }
});

function report() {
  const isCut = feed.isCut;
  say(byId("cut"), isCut ? "Resume" : "Cut");
  byId("drop").disabled = isCut || !info.can_disconnect;
  const lost = ledger.silent > 0;
  let tone = "good";
  let text;
  let part = null;
  if (isCut) {
    tone = "warn";
    const seconds = Math.floor((performance.now() - cut.at) / 1000);
    text = `Cut for ${plural(seconds, "second")}. ${plural(ledger.outstanding(status.sent), "event")} sent meanwhile.`;
  } else if (cut?.until) {
    const missing = ledger.outstanding(cut.until);
    const toldOf = ledger.told - cut.told;
    const silent = ledger.silent - cut.silent;
    const arrived = Math.max(0, cut.expected - missing - toldOf - silent);
    if (missing > 0) {
      tone = "warn";
      part = arrived / cut.expected;
      text = `Catching up: ${count(arrived)} of ${count(cut.expected)}.`;
    } else if (silent > 0) {
      tone = "bad";
      text = `${plural(silent, "event")} of the cut went missing, and nobody told.`;
    } else if (toldOf > 0) {
      tone = "warn";
      text = `${count(arrived)} of ${plural(cut.expected, "event")} of the cut arrived; the backlog keeps no more, and a gap said so.`;
    } else {
      part = 1;
      text = cut.expected === 0
        ? "Resumed. Nothing was sent during the cut."
        : `Resumed. All ${plural(cut.expected, "event")} sent during the cut arrived, each once.`;
    }
  } else if (state !== "open" && ledger.outstanding(status.sent) > 0) {
    tone = "warn";
    text = `${plural(ledger.outstanding(status.sent), "event")} sent since; the browser is coming back.`;
  } else if (ledger.outstanding(status.sent) > 100 + 2 * (perSecond.at(-1) ?? 0)) {
    tone = "warn";
    text = `Catching up: ${count(ledger.outstanding(status.sent))} to come.`;
  } else if (lost) {
    tone = "bad";
    text = `${plural(ledger.silent, "event")} went missing, and nobody told.`;
  } else if (ledger.arrived === 0) {
    tone = "calm";
    text = "Waiting for the first event.";
  } else {
    text = ledger.told > 0 ? `${plural(ledger.told, "event")} fell out of the backlog, and a gap said so; all else arrived, each once.` : "Everything sent here arrived, each event once.";
  }
  if (ledger.repeats > 0 && tone === "good") {
    tone = "warn";
    text += ` But ${plural(ledger.repeats, "event")} came again.`;
  }
  say(byId("report"), text);
  byId("report").dataset.tone = tone;
  byId("meter").hidden = part === null;
  byId("meter-bar").style.width = `${Math.round((part ?? 0) * 100)}%`;
  say(byId("sent"), count(ledger.sent(status.sent)));
  say(byId("arrived"), count(ledger.arrived));
  say(byId("repeated"), count(ledger.repeats));
  const missing = ledger.told + ledger.silent;
  say(byId("missing"), count(missing));
  byId("missing").dataset.tone = lost ? "bad" : missing > 0 ? "warn" : "calm";
  // What counts up is seen, not read out.
  if (isCut || !/^(Cut for|Catching up|[0-9])/u.test(text)) say(byId("aloud"), isCut ? "The stream is cut." : text);
}

// The server's word, once a second.

async function look() {
  const said = await ask(`/console/status?types_from=${knownTypes}`).catch(() => null);
  if (said === null) return;
  if (status.run !== null && said.run !== status.run) {
    knownTypes = 0;
    // The ledger of the new life begins at nought.
    cut = feed.isCut ? { ...cut, told: 0, silent: 0 } : null;
    list.add({ note: "The server was started anew; its memory with it", tone: "warn", time: Date.now() });
    status = said;
    // Its Kafka has another port now.
    info = await ask("/console/info").catch(() => info);
    introduce();
    return look();
  }
  if (ledger.run !== said.run) ledger.begin(said.run, status.run === null ? null : 1);
  status = said;
  knownTypes += said.types.length;
  const late = feed.learn(said.types);
  if (late.length > 0 && received > 0) {
    list.add({ note: `Listening for ${late.slice(0, 5).join(", ")}${late.length > 5 ? " …" : ""} too`, tone: "calm", time: Date.now() });
  }
  say(byId("sample"), said.per_second > 0 ? "Stop" : "Start");
  say(byId("sample-note"), said.per_second > 0 ? `Running: ${plural(said.per_second, "event")} a second.` : "Stopped.");
}

byId("sample").addEventListener("click", () => pace(status.per_second > 0 ? 0 : Number(byId("pace").value)));
byId("pace").addEventListener("change", () => {
  if (status.per_second > 0) pace(Number(byId("pace").value));
});

async function pace(perSecond) {
  try {
    await ask("/console/sample", { per_second: perSecond });
    await look();
  } catch (error) {
    say(byId("sample-note"), `Not changed: ${error.message}`);
  }
}

// Figures and filters.

function second() {
  if (state === "open") ledger.settle(performance.now());
  // What is retained comes at once when the page opens; that is no rate.
  if (receivedBefore !== null) perSecond.push(received - receivedBefore);
  receivedBefore = received;
  facets();
  if (perSecond.length === 0) return;
  if (perSecond.length > 60) perSecond.shift();
  const recent = perSecond.slice(-3);
  const rate = recent.reduce((sum, one) => sum + one, 0) / recent.length;
  say(byId("rate"), rate > 0 && rate < 9.95 ? rate.toFixed(1) : count(Math.round(rate)));
  const most = Math.max(4, ...perSecond);
  const points = perSecond.map((one, at) => `${((at + 60 - perSecond.length) * 120) / 59},${(26 - (one / most) * 24).toFixed(1)}`);
  byId("spark").setAttribute("points", points.join(" "));
}

function quick() {
  say(byId("received"), count(received));
  say(byId("gaps"), count(gaps));
  byId("gaps").dataset.tone = gaps > 0 ? "warn" : "calm";
  say(byId("cursor"), feed.cursor ?? "none yet");
  report();
}

/** One button of each name, made once and then only counted up, so that the focus stays where it is. */
function buttons(box, counts, isPressed, press) {
  const names = [...counts.keys()].sort().slice(0, MOST_FACETS);
  for (const name of names) {
    let button = [...box.children].find((child) => child.dataset.name === name);
    if (!button) {
      button = element("button", "facet");
      button.type = "button";
      button.dataset.name = name;
      button.append(element("span", "", name.length > 40 ? `${name.slice(0, 40)}…` : name), element("span", "tally"));
      button.addEventListener("click", () => press(name));
      const after = [...box.children].find((child) => child.dataset.name > name);
      box.insertBefore(button, after ?? null);
    }
    say(button.lastElementChild, count(counts.get(name)));
    button.setAttribute("aria-pressed", String(isPressed(name)));
  }
  for (const child of [...box.children]) if (!names.includes(child.dataset.name)) child.remove();
}

const channelFilter = byId("channel-filter");

function facets() {
  buttons(byId("kinds"), kinds, (kind) => channelFilter.value.split(":", 1)[0] === kind, (kind) => {
    const isOn = channelFilter.value.split(":", 1)[0] === kind;
    const hasSegments = [...channels].some((channel) => channel.startsWith(`${kind}:`));
    channelFilter.value = isOn ? "" : hasSegments ? `${kind}:` : kind;
    filtered();
  });
  buttons(byId("types"), types, (type) => pressed.has(type), (type) => {
    if (!pressed.delete(type)) pressed.add(type);
    list.setFilter({ types: new Set(pressed) });
    facets();
  });
  const options = byId("channels");
  if (options.childElementCount !== channels.size) {
    options.replaceChildren(...[...channels].sort().map((channel) => {
      const option = element("option");
      option.value = channel;
      return option;
    }));
  }
}

function filtered() {
  const channel = channelFilter.value.trim();
  list.setFilter({ channel });
  const one = /^[A-Za-z0-9_.:~-]+$/u.test(channel) && !channel.endsWith(":") ? channel : "user:42";
  say(byId("curl"), `curl -N '${location.origin}${info.events}?channels=${one}'`);
  facets();
}

channelFilter.addEventListener("input", filtered);
byId("hold").addEventListener("click", ({ currentTarget }) => {
  const held = currentTarget.getAttribute("aria-pressed") !== "true";
  currentTarget.setAttribute("aria-pressed", String(held));
  list.hold(held);
});
byId("clear").addEventListener("click", () => list.clear());

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(byId(button.dataset.copies).textContent).then(() => true, () => false);
    say(button, copied ? "Copied" : "Select it");
    setTimeout(() => say(button, "Copy"), 1_500);
  });
}

// Begin.

function introduce() {
  say(byId("version"), `dev ${info.version}`);
  say(byId("kafka"), info.kafka);
  say(byId("topic"), info.topic);
  say(byId("metrics"), info.metrics);
  byId("metrics").href = info.metrics;
  say(byId("publish"), info.publish.replace("curl '", `curl '${location.origin}`));
  say(byId("kcat"), info.kcat);
}

introduce();
sender.start({ expect: (type) => feed.expect(type), isCut: () => feed.isCut });
for (const type of info.sample_types) feed.expect(type);
filtered();
await look();
feed.open();
setInterval(look, 1_000);
setInterval(second, 1_000);
setInterval(quick, 250);
