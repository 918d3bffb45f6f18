import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { EventsGateway } from "../events-gateway.js";
import { Origin } from "./origin.js";
import { Reader } from "./reader.js";

const FORBIDDEN = { status: 403, problem: { type: "https://eventsgateway.dev/problems/forbidden", title: "Forbidden" } };
const UNAUTHORIZED = { status: 401, problem: { type: "https://eventsgateway.dev/problems/invalid-token", title: "Invalid token" } };

function parameters(url) {
  return Object.fromEntries(new URL(url).searchParams);
}

test("events come in order with what they say, and states are told", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab(), ["b", "a", "a"]);
  await origin.run();
  origin.publish("a");
  origin.publish("a");
  await origin.run();
  assert.deepEqual(reader.numbers(), [1, 2]);
  const { time: _, ...event } = reader.events[0];
  assert.deepEqual(event, { channel: "a", type: "counted", attributes: {}, data: 1, cursor: "1.0" });
  assert.deepEqual(reader.states.map(({ state, role }) => [state, role]), [["open", "alone"]]);
  assert.deepEqual(reader.subscription.channels, ["a", "b"]);
  assert.equal(reader.subscription.cursor, "2.0");
  assert.equal(origin.opened[0], "https://shop.example/api/v1/events?channels=a,b&format=message");
});

test("a stream that breaks off is opened again at the cursor, ever later while that fails", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab());
  await origin.run();
  origin.publish("a");
  await origin.run();
  origin.drop();
  origin.publish("a");
  assert.equal(reader.state.state, "waiting");
  assert.equal(reader.state.reason, "unreachable");
  assert.ok(reader.state.retryInMs <= 1_000);
  await origin.run(1_000);
  assert.deepEqual(reader.numbers(), [1, 2]);
  assert.equal(parameters(origin.opened[1]).last_event_id, "1");

  origin.refuse = () => "unreachable";
  origin.drop();
  const waits = [];
  for (let attempt = 0; attempt < 12; attempt++) {
    waits.push(reader.state.retryInMs);
    await origin.run(reader.state.retryInMs + 1);
    assert.equal(reader.state.state, "waiting");
  }
  waits.forEach((wait, attempt) => assert.ok(wait <= Math.min(30_000, 1_000 * 2 ** attempt), `${waits}`));
  assert.ok(Math.max(...waits) > 5_000, `${waits}`);
});

test("a proxy's answer that is no stream doesn't end it, and its Retry-After is kept", async () => {
  const origin = new Origin();
  origin.refuse = () => ({ status: 503, headers: { "retry-after": "7" }, body: "<h1>down</h1>" });
  const reader = new Reader(origin.tab());
  await origin.run();
  assert.equal(reader.state.state, "waiting");
  assert.deepEqual(reader.state.problem, { status: 503, title: "HTTP status 503" });
  assert.ok(reader.state.retryInMs >= 7_000 && reader.state.retryInMs <= 8_000, reader.state.retryInMs);
  origin.refuse = () => undefined;
  await origin.run(8_000);
  assert.equal(reader.state.state, "open");
});

test("a proxy's 404 isn't the gateway's word, and is tried again", async () => {
  const origin = new Origin();
  origin.refuse = () => ({ status: 404, body: "not found" });
  const reader = new Reader(origin.tab());
  await origin.run();
  assert.equal(reader.state.state, "waiting");
});

test("a terminal problem ends it, and the page is told which", async () => {
  const origin = new Origin();
  origin.refuse = () => FORBIDDEN;
  const reader = new Reader(origin.tab());
  await origin.run(120_000);
  assert.equal(reader.state.state, "closed");
  assert.equal(reader.state.reason, "forbidden");
  assert.equal(reader.state.problem.status, 403);
  assert.equal(origin.opened.length, 1);
  assert.equal(origin.requests[0].headers.accept, "application/problem+json");
});

test("the gateway's closing is told and obeyed to the millisecond", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab());
  await origin.run();
  origin.tell("gateway.closing", { reason: "drain", retryable: true, reconnect_after_ms: 2_310 });
  assert.deepEqual(reader.closings, [{ reason: "drain", retryable: true, reconnectAfterMs: 2_310 }]);
  assert.equal(origin.streams.length, 0, "it doesn't wait for the end");
  reader.tab.emit("online");
  await origin.run(2_309);
  assert.equal(reader.state.state, "waiting", "whatever else happens");
  await origin.run(2);
  assert.equal(reader.state.state, "open");
});

test("a closing that isn't retryable ends it", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab());
  await origin.run();
  origin.tell("gateway.closing", { reason: "disconnected", retryable: false, reconnect_after_ms: 0 });
  await origin.run(120_000);
  assert.equal(reader.state.state, "closed");
  assert.equal(reader.state.reason, "disconnected");
  assert.equal(origin.opened.length, 1);
});

test("gaps are told as they are", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab());
  await origin.run();
  origin.tell("gateway.gap", { channel: "a", reason: "trimmed", next: 9, missing: 1, may_repeat: false });
  assert.deepEqual(reader.gaps, [{ channel: "a", reason: "trimmed", next: 9, missing: 1, may_repeat: false, cursor: "0" }]);
});

test("each connection gets a ticket of its own, and no token is in a URL", async () => {
  const origin = new Origin();
  let tickets = 0;
  origin.refuse = (method) => (method === "POST" ? { status: 201, body: `{"ticket":"t${++tickets}","expires_in_ms":30000}` } : undefined);
  const reader = new Reader(origin.tab(), ["a"], { token: async () => "secret" });
  await origin.run();
  origin.drop();
  await origin.run(1_000);
  assert.deepEqual(origin.opened.map((url) => parameters(url).ticket), ["t1", "t2"]);
  assert.equal(origin.requests[0].headers.authorization, "Bearer secret");
  assert.equal(origin.requests[0].body, '{"channels":["a"]}');
  assert.ok([...origin.opened, ...origin.requests.map(({ url }) => url)].every((url) => !url.includes("secret")));
  assert.equal(reader.state.state, "open");
});

test("a cursor that moves without an event is where the next connection begins, and no page is told", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab());
  await origin.run();
  for (const stream of origin.streams) stream.dispatch("gateway.cursor", "{}", "7");
  await origin.run();
  assert.equal(reader.subscription.cursor, "7");
  origin.drop();
  await origin.run(1_000);
  assert.equal(parameters(origin.opened[1]).last_event_id, "7");
  assert.deepEqual([reader.events, reader.gaps], [[], []]);
});

test("before a token ends the connection is changed for a new one, at the cursor", async () => {
  const origin = new Origin();
  let tickets = 0;
  const reader = new Reader(origin.tab(), ["a"], { ticket: async () => ({ ticket: `t${++tickets}` }) });
  await origin.run();
  origin.publish("a");
  await origin.run();
  origin.tell("gateway.expiring", { expires_in_ms: 30_000 });
  origin.publish("a");
  await origin.run();
  assert.deepEqual(reader.numbers(), [1, 2]);
  assert.deepEqual(parameters(origin.opened[1]), { channels: "a", format: "message", last_event_id: parameters(origin.opened[1]).last_event_id, ticket: "t2" });
  assert.equal(origin.streams.length, 1);
  assert.ok(reader.states.every(({ state }) => state === "open"), "the page sees no interruption");
});

test("a session's cookie is renewed before it ends, and once after it was refused", async () => {
  const origin = new Origin();
  let renewals = 0;
  const reader = new Reader(origin.tab(), ["a"], { renew: async () => void renewals++ });
  await origin.run();
  assert.equal(renewals, 0);
  origin.tell("gateway.expiring", { expires_in_ms: 30_000 });
  await origin.run();
  assert.equal(renewals, 1);
  assert.equal(origin.opened.length, 2);
  origin.refuse = () => (renewals === 1 ? UNAUTHORIZED : undefined);
  origin.drop();
  await origin.run(5_000);
  assert.equal(renewals, 2);
  assert.equal(reader.state.state, "open");
  origin.refuse = () => UNAUTHORIZED;
  origin.drop();
  await origin.run(60_000);
  assert.equal(reader.state.state, "closed");
  assert.equal(renewals, 3);
});

test("a page's ticket function that fails is asked again, unless it says that it is of no use", async () => {
  const origin = new Origin();
  let fails = 2;
  const reader = new Reader(origin.tab(), ["a"], {
    ticket: async () => {
      if (fails-- > 0) throw new Error("the session service is away");
      return "t";
    },
  });
  await origin.run();
  assert.equal(reader.state.reason, "credentials");
  assert.equal(reader.state.problem.title, "the session service is away");
  await origin.run(10_000);
  assert.equal(reader.state.state, "open");

  const ticket = async () => {
    throw { problem: { status: 403, title: "Logged out" } };
  };
  const refused = new Reader(origin.tab(), ["a"], { ticket });
  await origin.run();
  assert.equal(refused.state.state, "closed");
  assert.equal(refused.state.problem.title, "Logged out");
});

test("a ticket function that never answers is given up on", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab(), ["a"], { ticket: () => new Promise(() => {}) });
  await origin.run(29_000);
  assert.equal(reader.state.state, "connecting");
  await origin.run(1_001);
  assert.ok(reader.states.some(({ state }) => state === "waiting"));
});

test("whoever looks at the page, or gets a network back, doesn't sit out a wait", async () => {
  const origin = new Origin();
  origin.refuse = () => "unreachable";
  const tab = origin.tab();
  const reader = new Reader(tab);
  while (!(reader.state.retryInMs > 10_000)) await origin.run(1_000);
  origin.refuse = () => undefined;
  tab.emit("visibilitychange");
  await origin.run();
  assert.equal(reader.state.state, "open");
  tab.emit("online");
  await origin.run();
  assert.equal(origin.opened.length, new Set(origin.opened.keys()).size);
  assert.equal(origin.streams.length, 1, "the old network's connection is changed for a new one");
});

test("a page that is hidden away closes its connection, and comes back to where it was", async () => {
  const origin = new Origin();
  const tab = origin.tab();
  const reader = new Reader(tab);
  await origin.run();
  origin.publish("a");
  await origin.run();
  tab.emit("pagehide");
  assert.equal(origin.streams.length, 0);
  origin.publish("a");
  await origin.run(60_000);
  tab.emit("pageshow");
  await origin.run();
  assert.deepEqual(reader.numbers(), [1, 2]);
});

test("the next page of the tab resumes where the last one was", async () => {
  const origin = new Origin();
  const first = new Reader(origin.tab());
  await origin.run();
  origin.publish("a");
  await origin.run();
  const session = first.tab.leave();
  origin.publish("a");
  const second = new Reader(origin.tab(session));
  await origin.run();
  assert.deepEqual([...first.numbers(), ...second.numbers()], [1, 2]);
  second.subscription.close();
  assert.equal(session.length, 0, "closing forgets");
});

test("a crashed page's cursor is at most a second old, and storage holds 32 of them", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab(), ["a"], { storage: "local" });
  await origin.run();
  origin.publish("a");
  await origin.run(1_000);
  reader.tab.kill();
  assert.match(origin.local.getItem(origin.local.key(0)), /"1"\]$/);
  for (let number = 0; number < 40; number++) {
    const one = new Reader(origin.tab(), [`c${number}`], { storage: "local" });
    await origin.run(1_000);
    one.tab.kill();
  }
  assert.equal(origin.local.length, 32);
});

test("storage that is forbidden or lies changes nothing else", async () => {
  const origin = new Origin();
  const tab = origin.tab();
  Object.defineProperty(tab, "sessionStorage", {
    get() {
      throw new DOMException("no", "SecurityError");
    },
  });
  const reader = new Reader(tab);
  await origin.run();
  assert.equal(reader.state.state, "open");

  const liar = origin.tab();
  liar.sessionStorage.getItem = () => '[1,"a&ticket=x"]';
  new Reader(liar);
  await origin.run();
  assert.ok(!origin.opened.at(-1).includes("last_event_id"));
});

test("what a page's function throws is reported and stops nothing", async () => {
  const origin = new Origin();
  const tab = origin.tab();
  const seen = [];
  new EventsGateway({}, tab).subscribe("a", {
    onEvent(event) {
      seen.push(event.data);
      throw new Error("the page's own");
    },
  });
  await origin.run();
  origin.publish("a");
  origin.publish("a");
  await origin.run();
  assert.deepEqual(seen, [1, 2]);
  assert.equal(tab.errors.length, 2);
});

test("nothing is told after close but its end", async () => {
  const origin = new Origin();
  const reader = new Reader(origin.tab());
  await origin.run();
  reader.subscription.close();
  origin.publish("a");
  await origin.run(60_000);
  assert.deepEqual(reader.events, []);
  assert.deepEqual(reader.states.map(({ state, reason }) => [state, reason]), [["open", undefined], ["closed", "closed"]]);
  assert.equal(origin.streams.length, 0);
});

test("filters go along as parameters", async () => {
  const origin = new Origin();
  const wanted = { types: ["order.*", "a,b\\c"], attributes: { region: ["eu", "us"] }, filter: "dear", view: "public" };
  new Reader(origin.tab(), ["a"], {}, wanted);
  await origin.run();
  const { types, "attribute.region": region, filter, view } = parameters(origin.opened[0]);
  assert.deepEqual([types, region, filter, view], ["order.*,a\\,b\\\\c", "eu,us", "dear", "public"]);
  for (const wrong of [{ types: "a" }, { types: [1] }, { attributes: { a: "b" } }, { filter: ["a"] }, { view: 1 }]) {
    assert.throws(() => new EventsGateway({}, origin.tab()).subscribe("a", wrong), TypeError, JSON.stringify(wrong));
  }
});

test("options and channels that make no sense are refused at once", () => {
  const tab = new Origin().tab();
  for (const options of [{ urll: "x" }, { transport: "fetch" }, { storage: "cookie" }, { start: 5 }, { token() {}, ticket() {} }, { identity: 7 }]) {
    assert.throws(() => new EventsGateway(options, tab), TypeError, JSON.stringify(options));
  }
  for (const channels of [[], "", "a b", ["a", 1], "a&ticket=x"]) {
    assert.throws(() => new EventsGateway({}, tab).subscribe(channels), TypeError, JSON.stringify(channels));
  }
});

test("the types know the same options as the module", async () => {
  const types = await readFile(new URL("../events-gateway.d.ts", import.meta.url), "utf8");
  const [, section] = types.match(/interface Options \{([\s\S]*?)\n\}/);
  const named = [...section.matchAll(/^  (\w+)\?:/gm)].map(([, name]) => name);
  const tab = new Origin().tab();
  for (const name of named) {
    try {
      new EventsGateway({ [name]: undefined }, tab);
    } catch (error) {
      assert.fail(`${name}: ${error}`);
    }
  }
  const module = await readFile(new URL("../src/options.js", import.meta.url), "utf8");
  const [, list] = module.match(/OPTIONS = \[([^\]]*)\]/);
  assert.deepEqual(list.match(/\w+/g).sort(), named.sort());
});
