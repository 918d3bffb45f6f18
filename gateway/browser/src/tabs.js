/**
 * Tabs that share a connection.
 *
 * Why they miss and repeat nothing:
 * Everything that moves a subscription on is a *step* with a name of its own, the name of the step before it (`after`) and
 * the gateway's cursor behind it. A tab takes a step only (1) from its own connection, which it opened at its own cursor, or
 * (2) from another tab, if `after` names the step that it took last. The gateway continues a cursor exactly, so either way
 * what a tab has taken is what one connection of its own could have brought: by induction nothing is missing or twice.
 *
 * Who leads holds a Web Lock, which ends with its tab. Each tab keeps the last steps, so that a new leader can give them to
 * tabs that are behind it, and be given them by tabs that are ahead, before it connects at the last of them. Whoever's place
 * nobody knows opens a connection of its own until it comes by a place that the leader knows. So sharing is never needed for
 * being right, only for being cheap.
 *
 * A SharedWorker would need no leader, but a script of its own at the page's origin, which neither a bundler nor a gateway
 * on another host has, and the page's token functions can't go there.
 */

import { isSaid } from "./message.js";
import { Steps } from "./steps.js";

/** A tab that has heard nothing from the leader for so long asks whether it is there, and deposes it without an answer. */
const SILENCE_MS = 15_000;
const LEADER_ANSWER_MS = 5_000;
/** How long a new leader waits for steps that only others have. */
const HANDOVER_MS = 100;
/** How often a tab with a connection of its own asks whether the leader knows its place now. */
const CATCH_UP_MS = 1_000;

/** What other tabs have to do with a line: one of them leads, the others follow. */
export class Tabs {
  constructor(line) {
    this.line = line;
    this.world = line.world;
    this.lock = `events-gateway:${line.name}`;
    this.channel = new this.world.BroadcastChannel(this.lock);
    this.channel.onmessage = ({ data }) => isSaid(data) && this.#hear(data);
    line.follow();
    this.#queue();
    this.#join();
  }

  leave() {
    this.hasLeft = true;
    for (const timer of [this.watch, this.deadline, this.catchUp, this.handover]) this.world.clearTimeout(timer);
    this.channel.close();
    this.waiting?.abort();
    this.release?.();
  }

  say(said) {
    this.channel.postMessage({ ...said, from: this.line.tab });
  }

  // --- Leading -----------------------------------------------------------------------------------------------------

  /** Waits for the lock, or takes it from a leader that doesn't answer. */
  async #queue(isDeposing = false) {
    this.waiting?.abort();
    const waiting = (this.waiting = new AbortController());
    const how = isDeposing ? { steal: true } : { signal: waiting.signal };
    try {
      await this.world.navigator.locks.request(this.lock, how, () => {
        // Asked for again since, or gone: the lock goes on to the next.
        if (this.hasLeft || (waiting.signal.aborted && !isDeposing)) return undefined;
        return new Promise((release) => this.#lead(release));
      });
    } catch (error) {
      // Aborted by ourselves, or deposed; or locks are forbidden here, as in a sandboxed frame.
      if (error?.name !== "AbortError" && !this.hasLeft) return this.#giveUp();
    }
    if (this.hasLeft || this.waiting !== waiting || this.line.role !== "leader") return;
    this.release = undefined;
    this.world.clearTimeout(this.handover);
    this.line.follow();
    this.#queue();
    this.#join();
  }

  #giveUp() {
    this.leave();
    this.line.tabs = undefined;
    if (this.line.role === "alone") return;
    this.line.become("alone");
    this.line.connect();
  }

  #lead(release) {
    this.release = release;
    const hasConnection = this.line.role === "alone";
    for (const timer of [this.watch, this.deadline, this.catchUp]) this.world.clearTimeout(timer);
    this.deadline = undefined;
    this.line.role = "leader";
    if (hasConnection) this.line.become("leader");
    else this.line.tell({ state: "connecting" });
    this.say({ kind: "lead", at: this.line.steps.place });
    if (hasConnection) return;
    // Who has never been anywhere has nothing to be given.
    if (this.#isNew) this.line.connect();
    else this.handover = this.world.setTimeout(() => this.line.connect(), HANDOVER_MS);
  }

  get #isNew() {
    return this.line.steps.place.cursor === null;
  }

  // --- Following ---------------------------------------------------------------------------------------------------

  #join() {
    if (this.line.role === "leader") return;
    this.say({ kind: "join", at: this.#isNew ? null : this.line.steps.place });
    if (this.deadline) return;
    const patience = LEADER_ANSWER_MS * (1 + this.world.Math.random() / 2);
    this.deadline = this.world.setTimeout(() => {
      this.deadline = undefined;
      if (this.line.role !== "leader") this.#queue(true);
    }, patience);
  }

  #heard() {
    for (const timer of [this.watch, this.deadline]) this.world.clearTimeout(timer);
    this.deadline = undefined;
    this.watch = this.world.setTimeout(() => this.#join(), SILENCE_MS);
  }

  #hear(said) {
    const { line } = this;
    if ("to" in said && said.to !== line.tab) return;
    // Also if the lock was here before these words.
    if (said.kind === "state" && said.state.state === "closed") return line.finish(said.state);
    if (line.role === "leader") return this.#hearAsLeader(said);
    switch (said.kind) {
      case "lead": {
        this.#heard();
        const ahead = line.steps.behind(said.at);
        if (ahead?.length) this.say({ kind: "ahead", to: said.from, steps: [{ ...ahead[0], after: said.at.name }, ...ahead.slice(1)] });
        else this.#join();
        break;
      }
      case "step":
        this.#heard();
        // With a connection of its own it would be brought the same again.
        if (line.role === "alone") break;
        if (said.step.after === line.steps.place.name) line.take(said.step);
        else if (!line.steps.has(said.step.name)) this.#join();
        break;
      case "state":
        this.#heard();
        if (line.role === "follower") line.tell(said.state);
        break;
      case "answer":
        this.#heard();
        this.#answered(said);
        break;
    }
  }

  #hearAsLeader({ kind, from, at, steps }) {
    const { line } = this;
    if (kind === "join") {
      const base = at === null ? line.steps.place : line.steps.find(at);
      const { role: _, ...state } = line.told;
      this.say({ kind: "answer", to: from, state, base: base ?? null, steps: base ? line.steps.behind(base) : [] });
    }
    if (kind === "wake") line.wake();
    if (kind === "ahead" && !line.connection) {
      for (const step of steps) {
        if (step.after !== line.steps.place.name) continue;
        this.say({ kind: "step", step });
        line.take(step);
      }
    }
  }

  #answered({ state, base, steps }) {
    const { line } = this;
    const theirs = base && new Steps(base, steps);
    const place = this.#isNew ? base : theirs?.find(line.steps.place);
    if (!place) return this.#goAlone();
    if (line.role === "alone") line.disconnect();
    this.world.clearTimeout(this.catchUp);
    this.catchUp = undefined;
    if (line.steps.place.name !== place.name) line.steps = new Steps(place);
    for (const step of theirs.behind(place)) line.take(step);
    if (line.role !== "follower") line.become("follower");
    line.tell(state);
  }

  /** Nobody knows this tab's place: it gets on by itself until the leader knows it. */
  #goAlone() {
    const { line } = this;
    if (line.role === "follower") {
      line.become("alone");
      line.connect();
    }
    this.world.clearTimeout(this.catchUp);
    this.catchUp = this.world.setTimeout(() => this.#join(), CATCH_UP_MS);
  }
}
