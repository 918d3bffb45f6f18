import { Credentials } from "./credentials.js";
import { eventOf } from "./event.js";
import { failureOf, judge } from "./failure.js";
import { interestOf, parametersOf } from "./interest.js";
import { Memory } from "./memory.js";
import { Socket } from "./socket.js";
import { Steps } from "./steps.js";
import { openStream } from "./stream.js";
import { Tabs } from "./tabs.js";

/** How long to wait before another attempt: anything up to `BASE_MS` doubled with each failure ("full jitter"). */
const BASE_MS = 1_000;
const MAX_WAIT_MS = 30_000;
/** Open for so long, a connection counts as good, and waits start over. */
const GOOD_MS = 5_000;

/** One subscription of this tab: where it stands, and its way to the gateway. */
export class Line {
  constructor(options, world, sockets, channels, handlers) {
    Object.assign(this, { options, world, sockets, channels, handlers });
    this.interest = interestOf(handlers);
    this.name = JSON.stringify([options.url, options.transport, options.identity ?? null, channels, this.interest]);
    this.credentials = new Credentials(options, world);
    this.tab = randomName(world);
    this.named = 0;
    this.memory = new Memory(world, options.storage, this.name);
    const cursor = this.memory.read() ?? (options.start === "earliest" ? "earliest" : null);
    this.steps = new Steps({ name: this.#nextName(), cursor });
    this.told = Object.freeze({ state: "connecting", role: "alone" });
    this.role = "alone";
    this.attempt = 0;
    this.failures = 0;
    this.unauthorized = 0;
  }

  #nextName() {
    return `${this.tab}:${++this.named}`;
  }

  // --- The page comes and goes -------------------------------------------------------------------------------------

  resume() {
    if (this.isRunning || this.isFinished) return;
    this.isRunning = true;
    if (this.options.share) this.tabs = new Tabs(this);
    else this.connect();
  }

  suspend() {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.memory.flush();
    this.disconnect();
    this.tabs?.leave();
    this.tabs = undefined;
    this.role = "alone";
  }

  /** The user looks, or the network is back: not the time to sit out a wait. */
  wake(isNewNetwork = false) {
    if (!this.isRunning) return;
    if (this.role === "follower") this.tabs.say({ kind: "wake" });
    else if (this.timer) this.#after(Math.max(0, this.earliest - this.world.Date.now()));
    // The old network's connections may be dead without anybody having said so.
    else if (isNewNetwork && this.connection) this.connect("online");
  }

  /** The page has had enough of it; other tabs haven't. */
  close() {
    if (this.isFinished) return;
    this.suspend();
    this.memory.clear();
    this.finish({ reason: "closed" });
  }

  /** It won't come back, and neither will other tabs that share it. */
  finish(told) {
    if (this.isFinished) return;
    this.isFinished = true;
    this.tell({ state: "closed", ...told });
    this.suspend();
    if (told.problem?.parameter === "last_event_id") this.memory.clear();
    this.gone?.();
  }

  // --- The connection ----------------------------------------------------------------------------------------------

  async connect(reason) {
    this.disconnect();
    const attempt = this.attempt;
    this.tell({ state: "connecting", ...(reason && { reason }) });
    try {
      const proof = await this.credentials.proof(this.channels);
      if (attempt === this.attempt) this.#open(proof);
    } catch (error) {
      if (attempt === this.attempt) this.lost(failureOf(error));
    }
  }

  disconnect() {
    this.attempt++;
    this.world.clearTimeout(this.timer);
    this.timer = undefined;
    this.connection?.close();
    this.connection = undefined;
  }

  #open(proof) {
    this.disconnect();
    const attempt = this.attempt;
    const guarded = (act) => (...given) => attempt === this.attempt && act(...given);
    const cursor = this.steps.place.cursor;
    const on = {
      step: guarded((kind, cursor, text) => this.#step(kind, cursor, text)),
      open: guarded(({ connection, replica }) => {
        this.openSince = this.world.Date.now();
        this.unauthorized = 0;
        this.tell({ state: "open", connection, replica });
      }),
      closing: guarded((closing) => this.#closing(closing)),
      expiring: guarded(() => this.#renew()),
      lost: guarded((failure) => this.lost(failure)),
      refused: guarded(() => this.#refused()),
    };
    if (this.options.transport === "websocket") {
      const asked = { channels: this.channels, format: "envelope", ...this.interest, ...(cursor && { cursor }) };
      this.connection = this.#socket(proof).subscribe(asked, on);
    } else {
      this.connection = openStream(this.world, this.#url(proof, cursor), this.options.withCredentials, on);
    }
  }

  /** A socket carries several subscriptions, but a ticket is for one. */
  #socket(proof) {
    const shared = [...this.sockets].find((socket) => socket.hasRoom);
    if (shared && !proof.ticket) return shared;
    const url = new URL(`${this.options.url}/ws`);
    url.protocol = url.protocol.replace("http", "ws");
    if (proof.ticket) url.searchParams.set("ticket", proof.ticket);
    const socket = new Socket(this.world, url.href, proof, this.options.token);
    if (!proof.ticket) this.sockets.add(socket);
    socket.gone = () => this.sockets.delete(socket);
    return socket;
  }

  #url(proof, cursor) {
    const query = [`channels=${this.channels.map(encodeURIComponent).join(",")}`, "format=message"];
    for (const [name, value] of parametersOf(this.interest)) query.push(`${name}=${encodeURIComponent(value)}`);
    if (cursor) query.push(`last_event_id=${encodeURIComponent(cursor)}`);
    if (proof.ticket) query.push(`ticket=${encodeURIComponent(proof.ticket)}`);
    return `${this.options.url}/events?${query.join("&")}`;
  }

  #step(kind, cursor, text) {
    if (kind === "event") this.failures = 0;
    const step = { kind, name: this.#nextName(), after: this.steps.place.name, cursor, text };
    if (this.role === "leader") this.tabs.say({ kind: "step", step });
    this.take(step);
  }

  /** Takes a step that continues the last one. */
  take(step) {
    if (this.options.share) this.steps.add(step);
    else this.steps = new Steps(step);
    this.memory.write(step.cursor);
    if (step.kind === "event") this.call("onEvent", () => eventOf(step));
    if (step.kind === "gap") this.call("onGap", () => ({ ...JSON.parse(step.text), cursor: step.cursor }));
  }

  /** A page's function that throws stops nothing here. */
  call(name, argument) {
    try {
      this.handlers[name]?.(argument());
    } catch (error) {
      if (this.world.reportError) this.world.reportError(error);
      else this.world.console?.error(error);
    }
  }

  tell(told) {
    const same = JSON.stringify({ ...told, role: this.role }) === JSON.stringify(this.told);
    if (same) return;
    this.told = Object.freeze({ ...told, role: this.role });
    if (this.role === "leader") this.tabs?.say({ kind: "state", state: told });
    if (told.closing) this.call("onClosing", () => told.closing);
    this.call("onState", () => this.told);
  }

  /** Another tab has the connection, or is about to say so. */
  follow() {
    this.disconnect();
    this.role = "follower";
    this.tell({ state: "connecting" });
  }

  /** The same state in another role. */
  become(role) {
    this.role = role;
    const { role: _, ...told } = this.told;
    this.tell(told);
  }

  // --- Ends and new attempts ---------------------------------------------------------------------------------------

  #closing({ reason, retryable, reconnect_after_ms: after }) {
    const closing = { reason: String(reason), retryable: retryable !== false, reconnectAfterMs: Number(after) || 0 };
    this.disconnect();
    if (!closing.retryable) return this.finish({ reason: closing.reason, closing });
    this.credentials.isRenewalDue ||= closing.reason === "token-expired";
    this.#wait(closing.reconnectAfterMs, closing.reconnectAfterMs, { reason: closing.reason, closing });
  }

  /** The connection has failed; `failure` says why, as far as anybody knows. */
  lost({ reason = "unreachable", problem, isFinal = false, afterMs = 0 }) {
    if (this.openSince && this.world.Date.now() - this.openSince >= GOOD_MS) this.failures = 0;
    this.openSince = undefined;
    this.disconnect();
    const told = { reason, ...(problem && { problem }) };
    // A token that was refused may have been an old one: the page is asked for another once.
    const isOnceMore = problem?.status === 401 && this.unauthorized++ === 0 && this.credentials.any;
    if (isFinal && !isOnceMore) return this.finish(told);
    if (isOnceMore) this.credentials.isRenewalDue = true;
    const most = Math.min(MAX_WAIT_MS, BASE_MS * 2 ** Math.min(this.failures++, 10));
    this.#wait(afterMs, afterMs + this.world.Math.random() * most, told);
  }

  #wait(atLeastMs, ms, told) {
    this.earliest = this.world.Date.now() + atLeastMs;
    this.tell({ state: "waiting", ...told, retryInMs: Math.round(ms) });
    this.#after(ms);
  }

  #after(ms) {
    this.world.clearTimeout(this.timer);
    this.timer = this.world.setTimeout(() => this.connect(this.told.reason), ms);
  }

  /** The browser tells no page why: one request that can't become a stream is answered with the problem. */
  async #refused() {
    this.disconnect();
    const attempt = this.attempt;
    let failure;
    try {
      const proof = await this.credentials.proof(this.channels);
      const headers = { accept: "application/problem+json" };
      if (proof.token) headers.authorization = `Bearer ${proof.token}`;
      const response = await this.credentials.fetch(this.#url(proof, this.steps.place.cursor), { headers });
      failure = await judge(response);
      // It would have been a stream.
      if (failure.problem?.status === 406) failure = {};
    } catch (error) {
      failure = failureOf(error);
    }
    if (attempt === this.attempt) this.lost(failure);
  }

  /** Before a token ends: the new connection's ticket first, then the change at the cursor. */
  async #renew() {
    if (!this.credentials.any) return;
    if (this.connection?.renew) return this.connection.renew();
    const attempt = this.attempt;
    this.credentials.isRenewalDue = true;
    try {
      const proof = await this.credentials.proof(this.channels);
      if (attempt === this.attempt) this.#open(proof);
    } catch {
      // The stream says when it ends, and coming back asks again.
    }
  }
}

function randomName(world) {
  return Array.from(world.crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36)).join("");
}
