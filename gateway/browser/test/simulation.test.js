import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "./origin.js";
import { Reader } from "./reader.js";

const CHANNELS = ["a", "b"];
const SHARED = { identity: "alice" };
const RUNS = Number(process.env.EVENTS_GATEWAY_CLIENT_RUNS ?? 200);

/** One user of several tabs: what the pages of a tab, one after another, have seen. */
class Person {
  pages = [];
  constructor(origin) {
    this.origin = origin;
    this.session = undefined;
  }

  open() {
    this.page = new Reader(this.origin.tab(this.session), CHANNELS, SHARED);
    this.session = this.page.tab.sessionStorage;
    this.pages.push(this.page);
  }

  numbers(channel) {
    return this.pages.flatMap((page) => page.numbers(channel));
  }
}

/** Runs a random life of some tabs, and brings it to rest. */
async function live(seed) {
  const origin = new Origin(seed);
  const roll = (sides) => Math.floor(origin.random() * sides);
  const people = Array.from({ length: 2 + roll(3) }, () => new Person(origin));
  for (const person of people) {
    person.open();
    if (roll(2)) await origin.run(roll(300));
  }
  const acts = [
    () => origin.publish(CHANNELS[roll(2)]),
    () => origin.publish(CHANNELS[roll(2)]),
    () => origin.publish(CHANNELS[roll(2)]),
    () => origin.drop(),
    () => origin.drop(origin.streams.slice(0, 1)),
    () => origin.tell("gateway.closing", { reason: "drain", retryable: true, reconnect_after_ms: roll(2_000) }),
    (person) => (person.page.tab.leave(), person.open()),
    (person) => person.page.tab.emit("pagehide"),
    (person) => person.page.tab.emit("pageshow"),
    (person) => (person.page.tab.isFrozen = roll(2) === 0),
    (person) => person.page.tab.emit("online"),
    () => (origin.refuse = roll(3) ? () => undefined : () => ({ status: 503 })),
  ];
  for (let act = 0; act < 60; act++) {
    // What a page has begun in one turn of its loop, it ends in that turn.
    await origin.settle();
    acts[roll(acts.length)](people[roll(people.length)]);
    for (let chance = roll(12); chance > 0; chance--) await origin.chance(roll(2) ? 100 : 20_000);
  }
  origin.refuse = () => undefined;
  for (const { page } of people) {
    page.tab.isFrozen = false;
    page.tab.emit("pageshow");
  }
  await origin.run(120_000);
  for (const channel of CHANNELS) origin.publish(channel);
  await origin.run(5_000);
  return { origin, people };
}

test(`whatever befalls tabs, each sees each channel's events once and in order (${RUNS} lives)`, async () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const { origin, people } = await live(seed);
    for (const [at, person] of people.entries()) {
      for (const channel of CHANNELS) {
        const numbers = person.numbers(channel);
        const wanted = Array.from({ length: numbers.length }, (_, number) => numbers[0] + number);
        assert.deepEqual(numbers, wanted, `seed ${seed}, tab ${at}, channel ${channel}`);
        assert.equal(numbers.at(-1), origin.publish(channel) - 1, `seed ${seed}, tab ${at}: it has the last one`);
        await origin.run(1_000);
      }
      assert.deepEqual(person.pages.flatMap(({ tab }) => tab.errors), [], `seed ${seed}`);
    }
    assert.equal(origin.streams.length, 1, `seed ${seed}: in the end one connection is left`);
    assert.equal(people.filter(({ page }) => page.state.role === "leader").length, 1, `seed ${seed}`);
  }
});
