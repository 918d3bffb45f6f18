import { parsed } from "./event.js";
import { judged } from "./failure.js";
import { ANSWER_MS, within } from "./wait.js";

/** A socket that brings nothing is asked for a sign of life, since a page can't see the protocol's own pings. */
const PING_MS = 20_000;
const MAX_PER_SOCKET = 16;

/** A WebSocket with the subscriptions on it. */
export class Socket {
  #world;
  #token;
  #web;
  #on = new Map();
  #waiting = [];
  #named = 0;
  #opened;
  #problem;
  #timer;
  #isOver = false;

  constructor(world, url, proof, token) {
    this.#world = world;
    this.#token = token;
    this.#web = new world.WebSocket(url);
    this.#web.onopen = () => {
      if (proof.token) this.#send({ type: "authenticate", token: proof.token });
      for (const message of this.#waiting.splice(0)) this.#send(message);
      this.#listen();
    };
    this.#web.onmessage = ({ data }) => {
      this.#listen();
      parsed(data, (message) => this.#hear(message));
    };
    this.#web.onclose = () => this.#end((on) => {
      if (this.#problem) on.lost(judged(this.#problem.status, this.#problem));
      else if (this.#opened) on.lost({});
      else on.refused();
    });
    this.#watch(ANSWER_MS);
  }

  get hasRoom() {
    return !this.#isOver && this.#on.size < MAX_PER_SOCKET;
  }

  subscribe(asked, on) {
    const id = `s${++this.#named}`;
    this.#on.set(id, on);
    this.#send({ type: "subscribe", id, ...asked });
    return {
      close: () => {
        if (!this.#on.delete(id) || this.#isOver) return;
        if (this.#on.size === 0) this.#end(() => {});
        else this.#send({ type: "unsubscribe", id });
      },
      renew: this.#token && (() => this.#renew()),
    };
  }

  #send(message) {
    if (this.#web.readyState === 1) this.#web.send(JSON.stringify(message));
    else if (this.#web.readyState === 0) this.#waiting.push(message);
  }

  /** Anything that comes is a sign of life. */
  #listen() {
    this.#world.clearTimeout(this.#timer);
    this.#timer = this.#world.setTimeout(() => {
      this.#send({ type: "ping" });
      this.#watch(PING_MS / 2);
    }, PING_MS);
  }

  #watch(ms) {
    this.#world.clearTimeout(this.#timer);
    this.#timer = this.#world.setTimeout(() => this.#end((on) => on.lost({ reason: "timeout" })), ms);
  }

  #end(tell) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#world.clearTimeout(this.#timer);
    this.gone?.();
    this.#web.onclose = null;
    this.#web.onmessage = null;
    this.#web.close();
    const all = [...this.#on.values()];
    this.#on.clear();
    all.forEach(tell);
  }

  #hear(message) {
    const on = this.#on.get(message.id);
    switch (message.type) {
      case "open":
        this.#opened = message;
        break;
      case "subscribed":
        // What was refused before wasn't the end of it.
        this.#problem = undefined;
        on?.step("cursor", message.cursor, "");
        on?.open(this.#opened ?? {});
        break;
      case "event":
        on?.step("event", message.cursor, message.data);
        break;
      case "cursor":
        on?.step("cursor", message.cursor, "");
        break;
      case "gap":
        on?.step("gap", message.cursor, JSON.stringify(message.gap));
        break;
      case "expiring":
        if (this.#token) this.#renew();
        else this.#on.forEach((each) => each.expiring());
        break;
      case "closing":
        if (message.id === undefined) this.#end((each) => each.closing(message));
        else if (this.#on.delete(message.id)) on.closing(message);
        break;
      case "problem":
        if (message.id === undefined) this.#problem = message.problem;
        else if (this.#on.delete(message.id)) on.lost(judged(message.problem?.status, message.problem));
        break;
    }
  }

  async #renew() {
    try {
      this.#send({ type: "renew", token: await within(this.#world, this.#token()) });
    } catch {
      // The gateway says when the connection ends, and coming back asks again.
    }
  }
}
