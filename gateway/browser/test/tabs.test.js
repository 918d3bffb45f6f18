import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "./origin.js";
import { Reader } from "./reader.js";

const SHARED = { identity: "alice" };

/** Readers in tabs of their own, once they have found each other. */
async function readers(origin, count, options = SHARED) {
  const made = [];
  for (let number = 0; number < count; number++) {
    made.push(new Reader(origin.tab(), ["a"], options));
    await origin.run(10);
  }
  return made;
}

function leader(all) {
  const leaders = all.filter(({ tab, state }) => !tab.isDead && state.role === "leader");
  assert.equal(leaders.length, 1);
  return leaders[0];
}

test("three tabs share one connection, and each gets every event", async () => {
  const origin = new Origin();
  const all = await readers(origin, 3);
  assert.equal(origin.streams.length, 1);
  assert.deepEqual(all.map(({ state }) => state.role), ["leader", "follower", "follower"]);
  assert.ok(all.every(({ state }) => state.state === "open" && state.replica === "r1"));
  for (let number = 0; number < 5; number++) origin.publish("a");
  await origin.run();
  for (const { numbers } of all.map((reader) => ({ numbers: reader.numbers() }))) assert.deepEqual(numbers, [1, 2, 3, 4, 5]);
});

test("a tab that comes later begins with what comes then", async () => {
  const origin = new Origin();
  const [first] = await readers(origin, 1);
  origin.publish("a");
  await origin.run();
  const [second] = await readers(origin, 1);
  origin.publish("a");
  await origin.run();
  assert.deepEqual(first.numbers(), [1, 2]);
  assert.deepEqual(second.numbers(), [2]);
  assert.equal(origin.streams.length, 1);
});

test("only tabs of the same identity share, and without one none do", async () => {
  const origin = new Origin();
  await readers(origin, 2, {});
  assert.equal(origin.streams.length, 2);
  await readers(origin, 2, { identity: "alice" });
  await readers(origin, 2, { identity: "bob" });
  assert.equal(origin.streams.length, 4);
  await readers(origin, 2, { identity: "alice", share: false });
  assert.equal(origin.streams.length, 6);
});

test("without Web Locks or BroadcastChannel each tab has its own", async () => {
  for (const lacks of [(tab) => (tab.navigator = {}), (tab) => (tab.BroadcastChannel = undefined)]) {
    const origin = new Origin();
    for (let number = 0; number < 2; number++) {
      const tab = origin.tab();
      lacks(tab);
      new Reader(tab, ["a"], SHARED);
    }
    await origin.run();
    assert.equal(origin.streams.length, 2);
  }
});

test("where locks are forbidden each tab has its own", async () => {
  const origin = new Origin();
  for (let number = 0; number < 2; number++) {
    const tab = origin.tab();
    tab.navigator.locks.request = async () => {
      throw new DOMException("not here", "SecurityError");
    };
    new Reader(tab, ["a"], SHARED);
  }
  await origin.run(60_000);
  assert.equal(origin.streams.length, 2);
});

test("a leader that was deposed deposes the next one, if that doesn't answer either", async () => {
  const origin = new Origin();
  const all = await readers(origin, 2);
  const first = leader(all);
  first.tab.isFrozen = true;
  await origin.run(23_000);
  first.tab.isFrozen = false;
  await origin.run(1_000);
  const second = leader(all);
  assert.notEqual(second, first);
  second.tab.isFrozen = true;
  await origin.run(23_000);
  assert.equal(first.state.role, "leader");
});

test("the leader's end, however it comes, costs no event and repeats none", async () => {
  for (const ends of [(one) => one.tab.kill(), (one) => one.tab.leave(), (one) => one.subscription.close(), (one) => one.tab.emit("pagehide")]) {
    const origin = new Origin();
    const all = await readers(origin, 3);
    origin.publish("a");
    await origin.run();
    const first = leader(all);
    ends(first);
    const others = all.filter((one) => one !== first);
    origin.publish("a");
    await origin.run(1_000);
    origin.publish("a");
    await origin.run();
    for (const one of others) assert.deepEqual(one.numbers(), [1, 2, 3], String(ends));
    assert.equal(origin.streams.length, 1, String(ends));
    assert.equal(others.filter(({ state }) => state.role === "leader").length, 1);
    assert.ok(others.every(({ state }) => state.state === "open"));
  }
});

test("a reloaded tab is given what it missed by the leader, without a connection of its own", async () => {
  const origin = new Origin();
  const [first, second] = await readers(origin, 2);
  origin.publish("a");
  await origin.run();
  const session = second.tab.leave();
  origin.publish("a");
  await origin.run();
  const again = new Reader(origin.tab(session), ["a"], SHARED);
  origin.publish("a");
  await origin.run();
  assert.deepEqual(first.numbers(), [1, 2, 3]);
  assert.deepEqual([...second.numbers(), ...again.numbers()], [1, 2, 3]);
  assert.equal(origin.opened.length, 1);
});

test("a reloaded leader hands over and follows", async () => {
  const origin = new Origin();
  const [first, second] = await readers(origin, 2);
  const session = first.tab.leave();
  const again = new Reader(origin.tab(session), ["a"], SHARED);
  origin.publish("a");
  await origin.run(1_000);
  assert.deepEqual(second.numbers(), [1]);
  assert.deepEqual(again.numbers(), [1]);
  assert.equal(second.state.role, "leader");
  assert.equal(again.state.role, "follower");
});

test("a tab whose place the leader doesn't know catches up by itself, then follows", async () => {
  const origin = new Origin();
  const [first] = await readers(origin, 1);
  origin.publish("a");
  await origin.run();
  const session = first.tab.leave();
  await origin.run();
  const [fresh] = await readers(origin, 1, { ...SHARED, storage: null });
  for (let number = 0; number < 600; number++) origin.publish("a");
  await origin.run();
  const late = new Reader(origin.tab(session), ["a"], SHARED);
  await origin.run(100);
  assert.equal(late.state.role, "alone");
  assert.equal(origin.streams.length, 2);
  await origin.run(2_000);
  assert.equal(late.state.role, "follower");
  assert.equal(origin.streams.length, 1);
  origin.publish("a");
  await origin.run();
  assert.deepEqual(late.numbers(), Array.from({ length: 601 }, (_, at) => at + 2));
  assert.deepEqual(fresh.numbers().at(-1), 602);
});

test("one that wants everything from the beginning gets it beside those who are live", async () => {
  const origin = new Origin();
  origin.publish("a");
  origin.publish("a");
  const [live] = await readers(origin, 1);
  origin.publish("a");
  await origin.run();
  const [all] = await readers(origin, 1, { ...SHARED, start: "earliest" });
  await origin.run(2_000);
  assert.deepEqual(all.numbers(), [1, 2, 3]);
  assert.deepEqual(live.numbers(), [3]);
  assert.equal(all.state.role, "follower");
});

test("a leader that doesn't answer is deposed, and follows when it is back", async () => {
  const origin = new Origin();
  const all = await readers(origin, 3);
  const first = leader(all);
  first.tab.isFrozen = true;
  const frozen = origin.streams;
  await origin.run(30_000);
  const others = all.filter((one) => one !== first);
  const next = leader(others);
  first.tab.isFrozen = false;
  origin.publish("a");
  await origin.run(2_000);
  for (const one of all) assert.deepEqual(one.numbers(), [1]);
  assert.ok(frozen.every((stream) => stream.readyState === 2), "what it had is closed");
  assert.equal(next.state.role, "leader");
  assert.equal(first.state.role, "follower");
  assert.equal(origin.streams.length, 1);
});

test("what ends it for good for the leader ends it for all", async () => {
  const origin = new Origin();
  const all = await readers(origin, 3);
  origin.tell("gateway.closing", { reason: "disconnected", retryable: false, reconnect_after_ms: 0 });
  await origin.run(120_000);
  for (const one of all) {
    assert.equal(one.state.state, "closed");
    assert.equal(one.state.reason, "disconnected");
    assert.equal(one.closings.length, 1);
  }
  assert.equal(origin.opened.length, 1);
});

test("followers are told what happens to the connection", async () => {
  const origin = new Origin();
  const all = await readers(origin, 2);
  origin.tell("gateway.closing", { reason: "drain", retryable: true, reconnect_after_ms: 500 });
  await origin.run();
  for (const { state, closings } of all) {
    assert.equal(state.state, "waiting");
    assert.equal(state.reason, "drain");
    assert.equal(closings.length, 1);
  }
  await origin.run(1_000);
  assert.ok(all.every(({ state }) => state.state === "open"));
});

test("a follower that is looked at wakes the leader", async () => {
  const origin = new Origin();
  const [first, second] = await readers(origin, 2);
  origin.refuse = () => "unreachable";
  origin.drop();
  while (!(first.state.retryInMs > 10_000)) await origin.run(1_000);
  origin.refuse = () => undefined;
  second.tab.emit("visibilitychange");
  await origin.run();
  assert.equal(second.state.state, "open");
});

test("what isn't a tab's message is left", async () => {
  const origin = new Origin();
  const [reader] = await readers(origin, 1);
  const stranger = origin.tab();
  let name;
  origin.post = ((post) => (sender, data) => {
    name = sender.name;
    post.call(origin, sender, data);
  })(origin.post);
  await readers(origin, 1);
  const channel = new stranger.BroadcastChannel(name);
  const bad = [
    null, 7, "x", {}, { from: "x" }, { from: 1, kind: "join", at: null }, { from: "x", kind: "join" }, { from: "x", kind: "join", at: { name: 1, cursor: "c" } },
    { from: "x", kind: "ahead", steps: [{}] }, { from: "x", kind: "step", step: { kind: "event", name: "n", after: "a", cursor: null } },
    { from: "x", kind: "state", state: { state: "broken" } }, { from: "x", kind: "answer", state: { state: "open" }, steps: 1, base: null }, { from: "x", kind: "other" },
  ];
  for (const data of bad) channel.postMessage(data);
  origin.publish("a");
  await origin.run();
  assert.deepEqual(reader.numbers(), [1]);
  assert.deepEqual(reader.tab.errors, []);
});
