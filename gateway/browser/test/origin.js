/**
 * A browser's origin in memory: tabs with their timers, storage, locks and channels, before a gateway that numbers events.
 *
 * Time stands still but for `run` and `chaos`. Whatever is on its way (an event to a tab, a message between two tabs) waits
 * in order in its own queue; which queue goes on is drawn by a seeded generator, so each run can be repeated.
 */

export class Origin {
  now = 1_000_000;
  local = new Storage();
  /** Answers a request before the gateway does: `{status, problem, headers}`; undefined lets it through. */
  refuse = () => undefined;
  opened = [];
  requests = [];
  #timers = [];
  #sources = new Set();
  #logs = new Map();
  #streams = new Set();
  #channels = new Set();
  #locks = new Map();
  #random;

  constructor(seed = 1) {
    this.#random = generator(seed);
  }

  random = () => this.#random();

  /** Publishes one event; its data is its number in its channel. */
  publish(channel) {
    const log = this.#log(channel);
    log.push(log.length + 1);
    return log.length;
  }

  #log(channel) {
    if (!this.#logs.has(channel)) this.#logs.set(channel, []);
    return this.#logs.get(channel);
  }

  /** Streams that are open now. */
  get streams() {
    return [...this.#streams].filter((stream) => stream.readyState === 1);
  }

  tab(session = new Storage()) {
    return new Tab(this, session);
  }

  // --- Scheduling ---------------------------------------------------------------------------------------------------

  source(source) {
    this.#sources.add(source);
  }

  timer(tab, act, ms) {
    const timer = { tab, act, at: this.now + Math.max(0, ms || 0) };
    this.#timers.push(timer);
    return timer;
  }

  clear(timer) {
    this.#timers = this.#timers.filter((known) => known !== timer);
  }

  clearAll(tab) {
    this.#timers = this.#timers.filter((timer) => timer.tab !== tab);
  }

  /** Lets promises go on. */
  async settle() {
    for (let turn = 0; turn < 40; turn++) await null;
  }

  /** Lets everything happen that happens within so many ms. */
  async run(ms = 0) {
    const end = this.now + ms;
    for (let turn = 0; ; turn++) {
      if (turn > 100_000) throw new Error("it never comes to rest");
      await this.settle();
      if (this.#deliver()) continue;
      if (!this.#fire(end)) break;
    }
    this.now = end;
  }

  /** One thing that may happen next, whatever it is. */
  async chance(maxMs) {
    await this.settle();
    if (this.random() < 0.8 && this.#deliver()) return;
    this.#fire(this.now + maxMs);
  }

  #deliver() {
    const ready = [...this.#sources].filter((source) => source.isReady());
    ready[Math.floor(this.random() * ready.length)]?.act();
    return ready.length > 0;
  }

  #fire(end) {
    const due = this.#timers.filter((timer) => timer.at <= end && !timer.tab.isFrozen).sort((one, other) => one.at - other.at)[0];
    if (!due) return false;
    this.clear(due);
    this.now = Math.max(this.now, due.at);
    due.act();
    return true;
  }

  // --- The gateway --------------------------------------------------------------------------------------------------

  open(stream) {
    this.opened.push(stream.url);
    this.#streams.add(stream);
    const query = new URL(stream.url).searchParams;
    const channels = query.get("channels").split(",");
    const cursor = query.get("last_event_id");
    const marks = channels.map((channel, at) => {
      if (cursor === "earliest") return 0;
      return cursor ? Number(cursor.split(".")[at]) : this.#log(channel).length;
    });
    let isOpen = false;
    this.source({
      isReady: () => stream.readyState !== 2 && !stream.tab.isFrozen && (stream.isBroken || !isOpen || channels.some((channel, at) => marks[at] < this.#log(channel).length)),
      act: () => {
        if (stream.isBroken) return stream.fail(0);
        if (!isOpen) {
          const refused = this.refuse("GET", stream.url);
          if (refused) return stream.fail(2);
          isOpen = true;
          stream.begin();
          const open = { connection: `k${this.opened.length}`, replica: "r1", channels };
          return stream.dispatch("gateway.open", JSON.stringify(open), marks.join("."));
        }
        const behind = channels.map((_, at) => at).filter((at) => marks[at] < this.#log(channels[at]).length);
        const at = behind[Math.floor(this.random() * behind.length)];
        marks[at]++;
        const event = { channel: channels[at], type: "counted", time: this.now, data: marks[at] };
        stream.dispatch("message", JSON.stringify(event), marks.join("."));
      },
    });
  }

  /** The network or a replica fails under all streams, or under one. */
  drop(streams = this.#streams) {
    for (const stream of [...streams]) {
      if (stream.readyState !== 1) continue;
      // A tab that is frozen finds out later.
      if (stream.tab.isFrozen) stream.isBroken = true;
      else stream.fail(0);
    }
  }

  /** The gateway says something of its own on every stream. */
  tell(kind, data) {
    for (const stream of this.streams) if (!stream.tab.isFrozen) stream.dispatch(kind, JSON.stringify(data), stream.lastEventId);
  }

  async answer(url, options) {
    this.requests.push({ url, ...options });
    const refused = this.refuse(options?.method ?? "GET", url, options);
    if (refused === "unreachable") throw new TypeError("failed to fetch");
    const { status = 406, problem, headers = {}, body } = refused ?? {};
    const type = problem ? { "content-type": "application/problem+json" } : {};
    return new Response(problem ? JSON.stringify({ status, ...problem }) : body, { status, headers: { ...type, ...headers } });
  }

  // --- What tabs share ----------------------------------------------------------------------------------------------

  join(channel) {
    this.#channels.add(channel);
  }

  leave(channel) {
    this.#channels.delete(channel);
  }

  post(sender, data) {
    for (const receiver of this.#channels) {
      if (receiver === sender || receiver.name !== sender.name) continue;
      if (!receiver.inboxes.has(sender)) {
        const inbox = [];
        receiver.inboxes.set(sender, inbox);
        const isReady = () => inbox.length > 0 && this.#channels.has(receiver) && !receiver.tab.isFrozen;
        this.source({ isReady, act: () => (receiver.onmessage ?? (() => {}))({ data: inbox.shift() }) });
      }
      receiver.inboxes.get(sender).push(structuredClone(data));
    }
  }

  /** Web Locks: exclusive ones, in order, with `steal` and `signal`. */
  request(tab, name, { steal, signal }, act) {
    const queue = this.#locks.get(name) ?? [];
    this.#locks.set(name, queue);
    return new Promise((resolve, reject) => {
      const lock = { tab, act, resolve, reject };
      const aborted = () => reject(new DOMException("aborted", "AbortError"));
      if (signal?.aborted) return aborted();
      signal?.addEventListener("abort", () => {
        if (lock.isHeld || !queue.includes(lock)) return;
        queue.splice(queue.indexOf(lock), 1);
        aborted();
      });
      if (steal) {
        if (queue[0]?.isHeld) queue.shift().reject(new DOMException("stolen", "AbortError"));
        queue.unshift(lock);
      } else queue.push(lock);
      this.#grant(queue);
    });
  }

  async #grant(queue) {
    const lock = queue[0];
    if (!lock || lock.isHeld) return;
    lock.isHeld = true;
    await null;
    lock.resolve(await lock.act({}));
    if (queue[0] === lock) queue.shift();
    this.#grant(queue);
  }

  /** What a tab held and waited for. */
  unlock(tab) {
    for (const queue of this.#locks.values()) {
      for (const lock of queue.filter((lock) => lock.tab === tab)) queue.splice(queue.indexOf(lock), 1);
      this.#grant(queue);
    }
  }
}

/** What a tab's scripts see as `globalThis`. */
class Tab {
  errors = [];
  isFrozen = false;
  isDead = false;
  #listeners = new Map();
  #streams = new Set();
  #channels = new Set();

  constructor(origin, session) {
    const tab = this;
    this.origin = origin;
    this.sessionStorage = session;
    this.localStorage = origin.local;
    this.location = { href: "https://shop.example/page" };
    this.navigator = { locks: { request: (name, options, act) => origin.request(tab, name, options, act) } };
    this.Date = { now: () => origin.now };
    this.Math = { random: origin.random };
    this.crypto = { getRandomValues: (bytes) => bytes.map(() => Math.floor(origin.random() * 256)) };
    this.document = { visibilityState: "visible", addEventListener: (...given) => this.addEventListener(...given), removeEventListener() {} };
    this.EventSource = class extends Stream {
      constructor(url, options) {
        super(url, options);
        this.tab = tab;
        tab.#streams.add(this);
        origin.open(this);
      }
    };
    this.BroadcastChannel = class {
      inboxes = new Map();
      constructor(name) {
        this.name = name;
        this.tab = tab;
        tab.#channels.add(this);
        origin.join(this);
      }
      postMessage(data) {
        origin.post(this, data);
      }
      close() {
        origin.leave(this);
      }
    };
  }

  setTimeout = (act, ms) => this.origin.timer(this, act, ms);
  clearTimeout = (timer) => this.origin.clear(timer);
  fetch = (url, options) => this.origin.answer(url, options);
  reportError = (error) => this.errors.push(error);

  addEventListener(name, act) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), act]);
  }

  removeEventListener(name, act) {
    this.#listeners.set(name, (this.#listeners.get(name) ?? []).filter((known) => known !== act));
  }

  emit(name) {
    for (const act of this.#listeners.get(name) ?? []) act({ persisted: true });
  }

  /** Ends as a process does: without a word. */
  kill() {
    this.isDead = true;
    this.origin.clearAll(this);
    this.#streams.forEach((stream) => stream.close());
    this.#channels.forEach((channel) => channel.close());
    this.origin.unlock(this);
  }

  /** Ends as a page does, and gives what the next page of the tab finds. */
  leave() {
    this.emit("pagehide");
    this.kill();
    return this.sessionStorage;
  }
}

class Stream {
  readyState = 0;
  lastEventId = "";
  #listeners = new Map();

  constructor(url, options) {
    this.url = url;
    this.options = options;
  }

  addEventListener(name, act) {
    this.#listeners.set(name, act);
  }

  begin() {
    this.readyState = 1;
    this.onopen?.({});
  }

  dispatch(kind, data, id) {
    this.lastEventId = id;
    const event = { data, lastEventId: id };
    if (kind === "message") this.onmessage?.(event);
    else this.#listeners.get(kind)?.(event);
  }

  fail(readyState) {
    this.isBroken = false;
    this.readyState = readyState;
    this.onerror?.({});
  }

  close() {
    this.readyState = 2;
  }
}

export class Storage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, String(value));
  removeItem = (key) => void this.#items.delete(key);
  key = (at) => [...this.#items.keys()][at] ?? null;
  get length() {
    return this.#items.size;
  }
}

/** mulberry32: good enough to draw lots with. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
