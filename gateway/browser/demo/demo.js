// The browser client at work: what it tells a page, and which of the page's tabs has the connection.

import { ask, byId, clock, count, element, hue, plural, say } from "/console/dom.js";
import { EventsGateway } from "/demo/events-gateway.js";
import { Presence } from "/demo/presence.js";

const MOST_ROWS = 300;
const FORM = "demo:form";
const NAMES = { connecting: "Connecting", open: "Open", waiting: "Waiting", closed: "Closed" };
const ROLES = { leader: "Leads", follower: "Follows", alone: "Alone" };
const HOLDS = {
  leader: "This tab has the connection and passes its events on to the others.",
  follower: "Another tab has the connection; its events come here too.",
  alone: "This tab has a connection of its own.",
};

const form = byId("subscribe");
const list = byId("list");
const counts = { events: 0, gaps: 0, connections: 0 };
let gateway;
let subscription;
let prefix = "/api/v1";
let waits;
let lastConnection;

// --- What is told ------------------------------------------------------------------------------------------------------

function add(row) {
  byId("empty").hidden = true;
  list.prepend(row);
  while (list.childElementCount > MOST_ROWS) list.lastElementChild.remove();
}

function showEvent({ time, type, channel, data, cursor }) {
  const row = element("li", "row");
  const text = typeof data === "string" ? data : JSON.stringify(data);
  const preview = element("span", "data", text.slice(0, 400));
  preview.title = text.slice(0, 2_000);
  row.append(element("time", "", clock(time)), element("span", `type ${hue(type)}`, type), element("span", "channel", channel), preview);
  add(row);
  tally("events");
  say(byId("cursor"), cursor);
}

function mark(tone, what, detail) {
  const row = element("li", "row mark");
  row.dataset.tone = tone;
  const text = element("span");
  text.append(element("strong", "", what), detail);
  row.append(element("time", "", clock(Date.now())), text);
  add(row);
}

function tally(name, by = 1) {
  counts[name] += by;
  say(byId(`${name}-count`), count(counts[name]));
  presence.tell({ events: counts.events });
}

function showGap({ channel, reason, missing, may_repeat: mayRepeat }) {
  tally("gaps");
  const repeats = mayRepeat ? "; some may come again" : "";
  mark("warn", "Gap", `${missing === undefined ? "events" : plural(missing, "event")} of ${channel} can’t be delivered: ${reason}${repeats}`);
}

function showClosing({ reason, retryable, reconnectAfterMs }) {
  const detail = retryable ? `${reason}, back in ${(reconnectAfterMs / 1_000).toFixed(1)} s` : `${reason}, for good`;
  mark(retryable ? "warn" : "bad", "Closing", detail);
}

function showState(told) {
  const { state, role, reason, problem, connection, replica } = told;
  const isRefused = state === "closed" && reason !== "closed";
  byId("connection").dataset.state = isRefused ? "refused" : state;
  say(byId("state"), NAMES[state]);
  const badge = byId("role");
  badge.hidden = state === "closed";
  badge.dataset.role = role;
  say(badge, ROLES[role]);
  say(byId("why"), why(told));
  say(byId("replica"), replica ?? "–");
  say(byId("connection-id"), connection ?? "–");
  byId("close").disabled = state === "closed";
  showWait(told);
  if (state === "open" && connection !== lastConnection) {
    lastConnection = connection;
    tally("connections");
    mark("good", "Open", `${role === "follower" ? "the leader’s connection" : "a connection"} to replica ${(replica ?? "").slice(0, 8)}`);
  }
  if (state === "waiting" && !told.closing) mark("warn", "Lost", `${problem?.title ?? reason}, back in ${(told.retryInMs / 1_000).toFixed(1)} s`);
  if (isRefused && !told.closing) mark("bad", "Closed", problem?.detail ?? reason);
  presence.tell({ state, role });
}

function why({ state, role, reason, problem }) {
  if (state === "open") return HOLDS[role];
  if (state === "connecting") return reason ? `Again, after: ${reason}.` : "Opening a connection.";
  if (state === "waiting") return problem ? `${problem.title} (${problem.status || reason}).` : `The last one ended: ${reason}.`;
  return reason === "closed" ? "Closed by this page." : `${problem?.title ?? "Ended by the gateway"}: ${problem?.detail ?? reason}.`;
}

/** How much of a wait is left. */
function showWait({ state, retryInMs }) {
  cancelAnimationFrame(waits);
  byId("wait").hidden = state !== "waiting" || !retryInMs;
  if (byId("wait").hidden) return;
  const until = performance.now() + retryInMs;
  const draw = () => {
    byId("left").value = Math.max(0, until - performance.now()) / retryInMs;
    waits = requestAnimationFrame(draw);
  };
  draw();
}

// --- The tabs of this page ---------------------------------------------------------------------------------------------

const presence = new Presence((tabs) => {
  const rows = tabs.map(({ name, isThis, state, role, events }) => {
    const row = element("li");
    row.dataset.role = state === "open" ? role : "";
    const title = element("span", "name", `Tab ${name}`);
    if (isThis) title.append(element("span", "this", " (this one)"));
    const what = state === "open" ? ROLES[role].toLowerCase() : NAMES[state].toLowerCase();
    row.append(element("span", "dot"), title, element("span", "what", `${what} · ${plural(events, "event")}`));
    return row;
  });
  byId("tabs").replaceChildren(...rows);
  const own = tabs.find(({ isThis }) => isThis);
  document.title = `${own?.role === "leader" && own.state === "open" ? "★ " : ""}Tab ${own?.name} – Browser client`;
  const hint = tabs.length === 1 ? "Open another tab: both will share one connection." : "Close the tab that leads: another takes over where it was.";
  say(byId("tabs-hint"), hint);
});

// --- What the user does ------------------------------------------------------------------------------------------------

function subscribe() {
  const { channels, transport, start, share } = Object.fromEntries(new FormData(form));
  sessionStorage.setItem(FORM, JSON.stringify({ channels, transport, start, share }));
  gateway?.close();
  say(byId("note"), "");
  say(byId("cursor"), "–");
  try {
    gateway = new EventsGateway({ url: prefix, transport, start, ...(share && { identity: "demo" }) });
    subscription = gateway.subscribe(channels.split(/[\s,]+/).filter(Boolean), {
      onEvent: showEvent,
      onGap: showGap,
      onClosing: showClosing,
      onState: showState,
    });
  } catch (error) {
    say(byId("note"), error.message);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  subscribe();
});
byId("close").addEventListener("click", () => subscription?.close());
byId("clear").addEventListener("click", () => {
  list.replaceChildren();
  byId("empty").hidden = false;
});
byId("network").addEventListener("click", () => dispatchEvent(new Event("online")));
byId("reload").addEventListener("click", () => location.reload());
byId("send").addEventListener("click", async () => {
  const channel = subscription?.channels.find((name) => name !== "all") ?? "everyone";
  const content = { channels: [channel], type: "greeting", data: { text: "Hello", from: `Tab ${presence.name}` } };
  try {
    await ask("/console/events", content);
    say(byId("note"), "");
  } catch (error) {
    say(byId("note"), error.message);
  }
});

// A reloaded tab goes on as it was.
const kept = JSON.parse(sessionStorage.getItem(FORM) ?? "null");
if (kept) {
  form.elements.channels.value = kept.channels;
  form.elements.transport.value = kept.transport;
  form.elements.start.value = kept.start;
  form.elements.share.checked = Boolean(kept.share);
}
const { events } = await ask("/console/info");
prefix = events.replace(/\/events$/, "");
await presence.enter();
subscribe();
