import assert from "node:assert/strict";
import { test } from "node:test";
import { EventsGateway } from "../events-gateway.js";
import { Origin } from "./origin.js";

/** A tab whose WebSockets are in the test's hand; docs/websocket.md is what they speak. */
function tabWithSockets() {
  const origin = new Origin();
  const tab = origin.tab();
  const sockets = [];
  tab.WebSocket = class {
    readyState = 0;
    heard = [];
    constructor(url) {
      this.url = url;
      sockets.push(this);
    }
    send(text) {
      this.heard.push(JSON.parse(text));
    }
    close() {
      this.readyState = 3;
    }
    accept() {
      this.readyState = 1;
      this.onopen();
      this.say({ type: "open", connection: "k1", replica: "r1" });
    }
    say(message) {
      this.onmessage?.({ data: JSON.stringify(message) });
    }
    event(id, cursor, data) {
      this.say({ type: "event", id, cursor, event: "counted", data: JSON.stringify({ channel: "a", type: "counted", time: 1, data }) });
    }
    end() {
      this.readyState = 3;
      this.onclose?.({});
    }
  };
  return { origin, tab, sockets };
}

function reader() {
  const seen = { events: [], gaps: [], closings: [], states: [] };
  seen.handlers = {
    onEvent: (event) => seen.events.push(event.data),
    onGap: (gap) => seen.gaps.push(gap),
    onClosing: (closing) => seen.closings.push(closing),
    onState: (state) => seen.states.push(state),
  };
  return seen;
}

const SOCKETS = { transport: "websocket" };

test("several subscriptions share a socket, which goes with the last of them", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  const gateway = new EventsGateway(SOCKETS, tab);
  const [one, two] = [reader(), reader()];
  const first = gateway.subscribe(["b", "a"], one.handlers);
  const second = gateway.subscribe("c", { ...two.handlers, types: ["x.*"], view: "public" });
  await origin.run();
  assert.equal(sockets.length, 1);
  const [socket] = sockets;
  assert.equal(socket.url, "wss://shop.example/api/v1/ws");
  assert.deepEqual(socket.heard, [], "nothing is sent before it is open");
  socket.accept();
  assert.deepEqual(socket.heard, [
    { type: "subscribe", id: "s1", channels: ["a", "b"], format: "envelope" },
    { type: "subscribe", id: "s2", channels: ["c"], format: "envelope", types: ["x.*"], view: "public" },
  ]);
  socket.say({ type: "subscribed", id: "s1", channels: ["a", "b"], cursor: "c0" });
  assert.equal(one.states.at(-1).state, "open");
  assert.equal(one.states.at(-1).replica, "r1");
  socket.event("s1", "c1", 1);
  socket.event("s9", "c1", 1);
  socket.say({ type: "gap", id: "s1", cursor: "c2", gap: { channel: "a", reason: "trimmed", next: 9, may_repeat: false } });
  socket.say({ type: "cursor", id: "s1", cursor: "c3" });
  assert.deepEqual(one.events, [1]);
  assert.deepEqual(one.gaps, [{ channel: "a", reason: "trimmed", next: 9, may_repeat: false, cursor: "c2" }]);
  assert.equal(first.cursor, "c3");
  assert.deepEqual(two.events, []);
  first.close();
  assert.deepEqual(socket.heard.at(-1), { type: "unsubscribe", id: "s1" });
  assert.equal(socket.readyState, 1);
  second.close();
  assert.equal(socket.readyState, 3);
});

test("a socket that ends is opened again, and each subscription resumes at its cursor", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  const gateway = new EventsGateway(SOCKETS, tab);
  const one = reader();
  gateway.subscribe("a", one.handlers);
  gateway.subscribe("b");
  await origin.run();
  sockets[0].accept();
  sockets[0].say({ type: "subscribed", id: "s1", cursor: "c0" });
  sockets[0].event("s1", "c1", 1);
  sockets[0].end();
  assert.equal(one.states.at(-1).state, "waiting");
  await origin.run(1_000);
  assert.equal(sockets.length, 2);
  sockets[1].accept();
  const subscribed = sockets[1].heard.find(({ channels }) => channels[0] === "a");
  assert.equal(subscribed.cursor, "c1");
});

test("a drain is obeyed by all subscriptions, the end of one by that one", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  const gateway = new EventsGateway(SOCKETS, tab);
  const [one, two] = [reader(), reader()];
  gateway.subscribe("a", one.handlers);
  gateway.subscribe("b", two.handlers);
  await origin.run();
  sockets[0].accept();
  sockets[0].say({ type: "subscribed", id: "s1", cursor: "c0" });
  sockets[0].say({ type: "subscribed", id: "s2", cursor: "c0" });
  sockets[0].say({ type: "closing", id: "s1", reason: "overflow", retryable: true, reconnect_after_ms: 100 });
  assert.deepEqual(one.closings, [{ reason: "overflow", retryable: true, reconnectAfterMs: 100 }]);
  assert.equal(two.states.at(-1).state, "open");
  await origin.run(101);
  assert.deepEqual(sockets[0].heard.at(-1), { type: "subscribe", id: "s3", channels: ["a"], format: "envelope", cursor: "c0" });
  sockets[0].say({ type: "subscribed", id: "s3", cursor: "c0" });
  sockets[0].say({ type: "closing", reason: "drain", retryable: true, reconnect_after_ms: 2_000 });
  for (const { states } of [one, two]) assert.equal(states.at(-1).reason, "drain");
  await origin.run(2_001);
  assert.equal(sockets.length, 2);
  sockets[1].accept();
  sockets[1].say({ type: "closing", reason: "disconnected", retryable: false, reconnect_after_ms: 0 });
  for (const { states } of [one, two]) assert.equal(states.at(-1).state, "closed");
});

test("a token goes into the first frame, and is renewed without another connection", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  let tokens = 0;
  const gateway = new EventsGateway({ ...SOCKETS, token: async () => `secret-${++tokens}` }, tab);
  gateway.subscribe("a");
  await origin.run();
  sockets[0].accept();
  assert.deepEqual(sockets[0].heard[0], { type: "authenticate", token: "secret-1" });
  assert.equal(sockets[0].heard[1].type, "subscribe");
  sockets[0].say({ type: "expiring", expires_in_ms: 30_000 });
  await origin.run();
  assert.deepEqual(sockets[0].heard.at(-1), { type: "renew", token: "secret-2" });
  assert.equal(sockets.length, 1);
  assert.ok(!sockets[0].url.includes("secret"));
});

test("a ticket opens one socket for one subscription, and another one before it expires", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  let tickets = 0;
  const gateway = new EventsGateway({ ...SOCKETS, ticket: async () => `t${++tickets}` }, tab);
  gateway.subscribe("a");
  gateway.subscribe("b");
  await origin.run();
  assert.deepEqual(sockets.map(({ url }) => new URL(url).searchParams.get("ticket")), ["t1", "t2"]);
  sockets.forEach((socket) => socket.accept());
  sockets[0].say({ type: "subscribed", id: "s1", cursor: "c0" });
  sockets[0].say({ type: "expiring", expires_in_ms: 30_000 });
  await origin.run();
  assert.equal(sockets.length, 3);
  assert.equal(sockets[0].readyState, 3);
  sockets[2].accept();
  assert.equal(sockets[2].heard[0].cursor, "c0");
});

test("a refused message ends its subscription with the problem, a refused token the connection after another try", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  let tokens = 0;
  const gateway = new EventsGateway({ ...SOCKETS, token: async () => `secret-${++tokens}` }, tab);
  const [one, two] = [reader(), reader()];
  gateway.subscribe("a", one.handlers);
  gateway.subscribe("b", two.handlers);
  await origin.run();
  sockets[0].accept();
  sockets[0].say({ type: "problem", id: "s1", problem: { type: "https://eventsgateway.dev/problems/forbidden", title: "Forbidden", status: 403 } });
  assert.equal(one.states.at(-1).state, "closed");
  assert.equal(one.states.at(-1).problem.status, 403);
  assert.equal(two.states.at(-1)?.state ?? "connecting", "connecting");
  const problem = { type: "https://eventsgateway.dev/problems/invalid-token", title: "Invalid token", status: 401 };
  sockets[0].say({ type: "problem", problem });
  sockets[0].end();
  assert.equal(two.states.at(-1).state, "waiting");
  await origin.run(2_000);
  assert.equal(sockets.length, 2);
  assert.ok(tokens > 2, "it brought another token");
  sockets[1].accept();
  sockets[1].say({ type: "problem", problem });
  sockets[1].end();
  assert.equal(two.states.at(-1).state, "closed");
});

test("a socket that was never opened is asked why over HTTP", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  origin.refuse = () => ({ status: 403, problem: { type: "https://eventsgateway.dev/problems/forbidden", title: "Forbidden" } });
  const one = reader();
  new EventsGateway({ ...SOCKETS, token: () => "secret" }, tab).subscribe("a", one.handlers);
  await origin.run();
  sockets[0].end();
  await origin.run();
  assert.equal(one.states.at(-1).state, "closed");
  assert.equal(origin.requests[0].headers.authorization, "Bearer secret");
});

test("a silent socket is asked for a sign of life, and given up without one", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  const one = reader();
  new EventsGateway(SOCKETS, tab).subscribe("a", one.handlers);
  await origin.run();
  sockets[0].accept();
  await origin.run(20_000);
  assert.deepEqual(sockets[0].heard.at(-1), { type: "ping" });
  sockets[0].say({ type: "pong" });
  await origin.run(20_000);
  assert.equal(sockets[0].readyState, 1);
  await origin.run(10_001);
  assert.equal(sockets[0].readyState, 3);
  assert.equal(one.states.find(({ state }) => state === "waiting").reason, "timeout");
});

test("the seventeenth subscription gets a second socket", async () => {
  const { origin, tab, sockets } = tabWithSockets();
  const gateway = new EventsGateway(SOCKETS, tab);
  for (let number = 0; number < 17; number++) gateway.subscribe(`c${number}`);
  await origin.run();
  assert.equal(sockets.length, 2);
});
