/**
 * Events Gateway in a browser: channels in, events out, each once and in order, through whatever happens on the way.
 *
 * It wraps `EventSource` or `WebSocket`, fetches a ticket for each connection, comes back with the cursor, and lets all tabs
 * of an origin share one connection. No dependencies, no build step. docs/browser.md is its manual.
 *
 * ## Why tabs miss and repeat nothing
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

/** How long to wait before another attempt: anything up to `BASE_MS` doubled with each failure ("full jitter"). */
const BASE_MS = 1_000;
const MAX_WAIT_MS = 30_000;
/** Open for so long, a connection counts as good, and waits start over. */
const GOOD_MS = 5_000;
/** No answer to a request within this time is a failure. */
const ANSWER_MS = 30_000;
/** A tab that has heard nothing from the leader for so long asks whether it is there, and deposes it without an answer. */
const SILENCE_MS = 15_000;
const LEADER_ANSWER_MS = 5_000;
/** How long a new leader waits for steps that only others have. */
const HANDOVER_MS = 100;
/** How often a tab with a connection of its own asks whether the leader knows its place now. */
const CATCH_UP_MS = 1_000;
/** What is kept for other tabs. */
const MAX_STEPS = 512;
const MAX_STEPS_CHARACTERS = 512 * 1_024;
/** How often a cursor is written to storage at most; leaving a page writes it too. */
const WRITE_MS = 1_000;
const MAX_STORED = 32;
const STORED = "events-gateway:cursor:";
/** A socket that brings nothing is asked for a sign of life, since a page can't see the protocol's own pings. */
const PING_MS = 20_000;
const MAX_PER_SOCKET = 16;

/** Connects to a gateway; see the options in events-gateway.d.ts. */
export class EventsGateway {
  #options;
  #world;
  #lines = new Set();
  #sockets = new Set();
  #forget;

  /** `world` is where `EventSource`, timers and all else come from; tests bring their own. */
  constructor(options = {}, world = globalThis) {
    this.#options = checked(options, world);
    this.#world = world;
    const all = (act) => () => this.#lines.forEach(act);
    const listeners = [
      [world, "pagehide", all((line) => line.suspend())],
      [world, "pageshow", all((line) => line.resume())],
      [world.document, "freeze", all((line) => line.suspend())],
      [world.document, "resume", all((line) => line.resume())],
      [world, "online", all((line) => line.wake(true))],
      [world.document, "visibilitychange", () => world.document.visibilityState === "visible" && all((line) => line.wake())()],
    ].filter(([target]) => target?.addEventListener);
    for (const [target, name, act] of listeners) target.addEventListener(name, act);
    this.#forget = () => listeners.forEach(([target, name, act]) => target.removeEventListener(name, act));
  }

  /** Subscribes to channels; what `handlers` holds is in events-gateway.d.ts. */
  subscribe(channels, handlers = {}) {
    const names = [...new Set([channels].flat())].sort();
    if (names.length === 0 || names.some((name) => typeof name !== "string" || !/^[A-Za-z0-9_.:~-]+$/.test(name))) {
      throw new TypeError("channels: one or several names");
    }
    const line = new Line(this.#options, this.#world, this.#sockets, names, handlers);
    line.gone = () => this.#lines.delete(line);
    this.#lines.add(line);
    // Not before the page has what is returned here.
    Promise.resolve().then(() => line.resume());
    return new Subscription(line, names);
  }

  /** Ends all subscriptions. */
  close() {
    for (const line of [...this.#lines]) line.close();
    this.#forget();
  }
}

/** What `subscribe` returns. */
class Subscription {
  #line;

  constructor(line, channels) {
    this.#line = line;
    this.channels = Object.freeze(channels);
  }

  /** As told to `onState`. */
  get state() {
    return this.#line.told;
  }

  /** Where it stands: what follows is still to come. Null before the first connection. */
  get cursor() {
    return this.#line.steps.place.cursor;
  }

  /** Ends it; its cursor is forgotten. */
  close() {
    this.#line.close();
  }
}

/** One subscription of this tab: where it stands, and its way to the gateway. */
class Line {
  constructor(options, world, sockets, channels, handlers) {
    Object.assign(this, { options, world, sockets, channels, handlers });
    this.filter = handlers.filter ?? {};
    this.name = JSON.stringify([options.url, options.transport, options.identity ?? null, channels, this.filter]);
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
      const proof = await this.#proof();
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
      const asked = { channels: this.channels, format: "envelope", ...this.filter, ...(cursor && { cursor }) };
      this.connection = this.#socket(proof).subscribe(asked, on);
    } else {
      this.connection = openEventSource(this.world, this.#url(proof, cursor), this.options.withCredentials, on);
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
    for (const [name, value] of Object.entries(this.filter)) query.push(`${name}=${encodeURIComponent(value)}`);
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
    this.steps.add(step);
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
    this.isRenewalDue ||= closing.reason === "token-expired";
    this.#wait(closing.reconnectAfterMs, closing.reconnectAfterMs, { reason: closing.reason, closing });
  }

  /** The connection has failed; `failure` says why, as far as anybody knows. */
  lost({ reason = "unreachable", problem, isFinal = false, afterMs = 0 }) {
    if (this.openSince && this.world.Date.now() - this.openSince >= GOOD_MS) this.failures = 0;
    this.openSince = undefined;
    this.disconnect();
    const told = { reason, ...(problem && { problem }) };
    // A token that was refused may have been an old one: the page is asked for another once.
    const isOnceMore = problem?.status === 401 && this.unauthorized++ === 0 && this.#hasProof;
    if (isFinal && !isOnceMore) return this.finish(told);
    if (isOnceMore) this.isRenewalDue = true;
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
      const proof = await this.#proof();
      const headers = { accept: "application/problem+json" };
      if (proof.token) headers.authorization = `Bearer ${proof.token}`;
      const response = await this.#fetch(this.#url(proof, this.steps.place.cursor), { headers });
      failure = await judge(response);
      // It would have been a stream.
      if (failure.problem?.status === 406) failure = {};
    } catch (error) {
      failure = failureOf(error);
    }
    if (attempt === this.attempt) this.lost(failure);
  }

  // --- Who the page is ---------------------------------------------------------------------------------------------

  get #hasProof() {
    return Boolean(this.options.ticket || this.options.token || this.options.renew);
  }

  /** A ticket for one connection; a token for a socket, which takes it in a frame; nothing where a cookie does. */
  async #proof() {
    const { ticket, token, renew, transport } = this.options;
    if (this.isRenewalDue && renew) await within(this.world, renew());
    this.isRenewalDue = false;
    if (ticket) {
      const given = await within(this.world, ticket([...this.channels]));
      return { ticket: typeof given === "string" ? given : given?.ticket };
    }
    if (!token) return {};
    const bearer = await within(this.world, token());
    if (transport === "websocket") return { token: bearer };
    const response = await this.#fetch(`${this.options.url}/tickets`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify({ channels: this.channels }),
    });
    if (!response.ok) throw await judge(response);
    return { ticket: (await response.json()).ticket };
  }

  async #fetch(url, options) {
    const credentials = this.options.withCredentials ? "include" : "same-origin";
    const control = new AbortController();
    const timer = this.world.setTimeout(() => control.abort(), ANSWER_MS);
    try {
      return await this.world.fetch(url, { cache: "no-store", credentials, signal: control.signal, ...options });
    } finally {
      this.world.clearTimeout(timer);
    }
  }

  /** Before a token ends: the new connection's ticket first, then the change at the cursor. */
  async #renew() {
    if (!this.#hasProof) return;
    if (this.connection?.renew) return this.connection.renew();
    const attempt = this.attempt;
    this.isRenewalDue = true;
    try {
      const proof = await this.#proof();
      if (attempt === this.attempt) this.#open(proof);
    } catch {
      // The stream says when it ends, and coming back asks again.
    }
  }
}

/** What other tabs have to do with a line: one of them leads, the others follow. */
class Tabs {
  constructor(line) {
    this.line = line;
    this.world = line.world;
    this.lock = `events-gateway:${line.name}`;
    this.channel = new this.world.BroadcastChannel(this.lock);
    this.channel.onmessage = ({ data }) => isSaid(data) && this.#hear(data);
    line.become("follower");
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
    } catch {
      // Aborted by ourselves, or deposed.
    }
    if (this.hasLeft || this.waiting !== waiting || this.line.role !== "leader") return;
    this.release = undefined;
    this.world.clearTimeout(this.handover);
    this.line.disconnect();
    this.line.become("follower");
    this.#queue();
    this.#join();
  }

  #lead(release) {
    this.release = release;
    const hasConnection = this.line.role === "alone";
    for (const timer of [this.watch, this.deadline, this.catchUp]) this.world.clearTimeout(timer);
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

/** The last steps of a line, and the places between them: a place is the name of the step before it, and the cursor there. */
class Steps {
  #base;
  #steps = [];
  #characters = 0;

  constructor(base, steps = []) {
    this.#base = { name: base.name, cursor: base.cursor };
    for (const step of steps) this.add(step);
  }

  /** Where the last step led to. */
  get place() {
    const { name, cursor } = this.#steps.at(-1) ?? this.#base;
    return { name, cursor };
  }

  add(step) {
    this.#steps.push(step);
    this.#characters += step.text.length;
    while (this.#steps.length > MAX_STEPS || this.#characters > MAX_STEPS_CHARACTERS) {
      const { name, cursor, text } = this.#steps.shift();
      this.#base = { name, cursor };
      this.#characters -= text.length;
    }
  }

  has(name) {
    return this.#places().some((place) => place.name === name);
  }

  /**
   * The place here that is the given one: by its name, or, if it came from elsewhere, by its cursor. Several steps may bear
   * one cursor (after Redis has lost a tail); which of them was meant isn't known then.
   */
  find({ name, cursor }) {
    const places = this.#places();
    const named = places.find((place) => place.name === name);
    if (named || !cursor) return named;
    const there = places.filter((place) => place.cursor === cursor);
    return there.length === 1 ? there[0] : undefined;
  }

  /** The steps behind a place; undefined if there is no such place. */
  behind(place) {
    const found = this.find(place);
    return found && this.#steps.slice(this.#places().findIndex(({ name }) => name === found.name));
  }

  #places() {
    return [this.#base, ...this.#steps].map(({ name, cursor }) => ({ name, cursor }));
  }
}

/** Keeps a cursor across page loads. Storage may be full, or forbidden: then it forgets. */
class Memory {
  #world;
  #storage;
  #key;
  #cursor;
  #timer;

  constructor(world, storage, name) {
    this.#world = world;
    this.#key = STORED + name;
    try {
      this.#storage = storage && world[`${storage}Storage`];
    } catch {
      // Forbidden.
    }
  }

  read() {
    try {
      const [, cursor] = JSON.parse(this.#storage?.getItem(this.#key) ?? "[]");
      return typeof cursor === "string" && /^[A-Za-z0-9._~-]{1,128}$/.test(cursor) ? cursor : undefined;
    } catch {
      return undefined;
    }
  }

  write(cursor) {
    if (!this.#storage) return;
    this.#cursor = cursor;
    this.#timer ??= this.#world.setTimeout(() => this.flush(), WRITE_MS);
  }

  flush() {
    this.#world.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#cursor) return;
    try {
      if (this.#storage.getItem(this.#key) === null) this.#makeRoom();
      this.#storage.setItem(this.#key, JSON.stringify([this.#world.Date.now(), this.#cursor]));
    } catch {
      // Full.
    }
    this.#cursor = undefined;
  }

  clear() {
    this.#cursor = undefined;
    try {
      this.#storage?.removeItem(this.#key);
    } catch {
      // Forbidden.
    }
  }

  /** The oldest cursors go. */
  #makeRoom() {
    const keys = Array.from({ length: this.#storage.length }, (_, at) => this.#storage.key(at));
    const ours = keys.filter((key) => key?.startsWith(STORED)).map((key) => [Number(this.#storage.getItem(key)?.match(/\d+/)?.[0]), key]);
    ours.sort(([one], [other]) => one - other);
    for (const [, key] of ours.slice(0, Math.max(0, ours.length - MAX_STORED + 1))) this.#storage.removeItem(key);
  }
}

/** A stream of events; `on` is told what comes. */
function openEventSource(world, url, withCredentials, on) {
  const source = new world.EventSource(url, { withCredentials });
  const timer = world.setTimeout(() => on.lost({ reason: "timeout" }), ANSWER_MS);
  const told = (name, act) => source.addEventListener(name, (event) => parsed(event.data, (data) => act(data, event)));
  source.onopen = () => world.clearTimeout(timer);
  source.onmessage = (event) => on.step("event", event.lastEventId, event.data);
  told("gateway.open", (open, event) => {
    on.step("cursor", event.lastEventId, "");
    on.open(open);
  });
  told("gateway.gap", (_, event) => on.step("gap", event.lastEventId, event.data));
  told("gateway.closing", on.closing);
  told("gateway.expiring", on.expiring);
  // Closed for good is an answer that was no stream. All else it would try again by itself, with a ticket that is spent.
  source.onerror = () => (source.readyState === 2 ? on.refused() : on.lost({}));
  return {
    close() {
      world.clearTimeout(timer);
      source.close();
    },
  };
}

/** A WebSocket with the subscriptions on it. */
class Socket {
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

// --- Reading what others wrote -----------------------------------------------------------------------------------------

/** What an answer that isn't a stream says about coming back. */
async function judge(response) {
  const isProblem = /^application\/problem\+json\b/.test(response.headers.get("content-type") ?? "");
  const seconds = response.headers.get("retry-after");
  const problem = isProblem ? await response.json().catch(() => undefined) : undefined;
  if (!isProblem) response.body?.cancel?.().catch(() => {});
  return judged(response.status, problem, seconds && Number(seconds) * 1_000);
}

/** The gateway's own refusals are final; a proxy's 404 in a rollout, or its login page, may pass. */
function judged(status, problem, afterMs) {
  const told = problem ?? { status, title: `HTTP status ${status}` };
  const isFinal = Boolean(problem) && status >= 400 && status < 500 && status !== 408 && status !== 429;
  const reason = String(told.type ?? "").split("/").pop() || "refused";
  return { reason, problem: told, isFinal, afterMs: afterMs > 0 ? Math.min(afterMs, 10 * 60_000) : 0 };
}

/** What `ticket`, `token` and `renew` throw: the page may say that it is of no use to come back, and why. */
function failureOf(error) {
  if (error && "isFinal" in Object(error)) return error;
  const problem = error?.problem;
  if (problem) return judged(problem.status, problem);
  // `fetch` throws a TypeError when there is no answer.
  if (error instanceof TypeError || error?.name === "AbortError" || error?.name === "TimeoutError") return {};
  return { reason: "credentials", problem: { status: 0, title: String(error?.message ?? error) } };
}

function eventOf({ text, cursor }) {
  const { channel, type, time, attributes = {}, id, data } = JSON.parse(text);
  return { channel, type, time, attributes, ...(id !== undefined && { id }), data, cursor };
}

/** What isn't JSON of the gateway's is left. */
function parsed(text, act) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  if (value && typeof value === "object") act(value);
}

const isText = (value) => typeof value === "string";
const isPlace = (value) => isText(value?.name) && (value.cursor === null || isText(value.cursor));
const isStep = (value) => isPlace(value) && isText(value.after) && isText(value.text) && ["event", "gap", "cursor"].includes(value.kind);
const isState = (value) => ["connecting", "open", "waiting", "closed"].includes(value?.state);
const areSteps = (value) => Array.isArray(value) && value.every(isStep);

/** Whether a message of another tab is one: any script of the origin can write to the channel. */
function isSaid(said) {
  if (!isText(said?.from)) return false;
  switch (said.kind) {
    case "wake":
      return true;
    case "lead":
      return isPlace(said.at);
    case "join":
      return said.at === null || isPlace(said.at);
    case "step":
      return isStep(said.step);
    case "state":
      return isState(said.state);
    case "ahead":
      return areSteps(said.steps);
    case "answer":
      return isState(said.state) && areSteps(said.steps) && (said.base === null || isPlace(said.base));
    default:
      return false;
  }
}

const OPTIONS = ["url", "ticket", "token", "renew", "transport", "identity", "share", "storage", "start", "withCredentials"];

function checked(options, world) {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown) throw new TypeError(`there is no option "${unknown}"`);
  const { url = "/api/v1", transport = "sse", identity, storage = "session", start = "now", ticket, token } = options;
  const oneOf = (name, value, values) => {
    if (!values.includes(value)) throw new TypeError(`${name}: one of ${values.map(String).join(", ")}`);
  };
  oneOf("transport", transport, ["sse", "websocket"]);
  oneOf("storage", storage, ["session", "local", null]);
  oneOf("start", start, ["now", "earliest"]);
  if (ticket && token) throw new TypeError("ticket and token exclude each other");
  if (identity !== undefined && typeof identity !== "string") throw new TypeError("identity: a text");
  // Tabs of two users must not share a connection, and only the page knows whose it is.
  const canShare = identity !== undefined && Boolean(world.BroadcastChannel && world.navigator?.locks);
  return {
    ...options,
    url: new URL(url, world.location?.href).href.replace(/\/+$/, ""),
    transport,
    storage,
    start,
    share: (options.share ?? true) && canShare,
    withCredentials: Boolean(options.withCredentials),
  };
}

function randomName(world) {
  return Array.from(world.crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36)).join("");
}

/** What a page's function promises, if it comes in time. */
function within(world, promise) {
  return new Promise((resolve, reject) => {
    const late = () => reject(Object.assign(new Error("no answer in time"), { name: "TimeoutError" }));
    const timer = world.setTimeout(late, ANSWER_MS);
    Promise.resolve(promise).then(resolve, reject).finally(() => world.clearTimeout(timer));
  });
}
