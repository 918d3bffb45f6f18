// The stream as the browser's own EventSource reads it: its reconnects, its cursors, and the types it listens for.
//
// An EventSource hears only the types that it was told of. The server says which types stream by; when one is new, what
// came of it may have passed unheard, so the stream is opened again from a cursor of seconds ago, and what was already
// heard since then is left out.

const OWN = ["gateway.open", "gateway.gap", "gateway.closing"];
/** Intervals between two reports of types whose cursors are remembered. */
const REMEMBERED = 3;

export class Feed {
  #url;
  #on;
  #source = null;
  #types = new Set(["message"]);
  #marks = [{ before: "earliest", heard: new Set() }];
  #skip = new Set();
  #again = 0;

  /** `on` has `event`, `own` and `state`, called as things happen. */
  constructor(url, on) {
    this.#url = url;
    // A channel of this page alone, which nothing but the order to end its stream is sent to.
    this.channel = `console:${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    this.#on = on;
    this.cursor = null;
  }

  get isCut() {
    return this.#source === null;
  }

  /** Opens the stream after the cursor; without one from the first event that is retained. */
  open() {
    this.#close();
    const channels = `all,${this.channel}`;
    const query = new URLSearchParams({ channels, format: "envelope", last_event_id: this.cursor ?? "earliest" });
    const source = new EventSource(`${this.#url}?${query}`);
    this.#source = source;
    this.#on.state("connecting");
    source.onopen = () => this.#on.state("open");
    source.onerror = () => {
      if (source !== this.#source) return;
      const gaveUp = source.readyState === EventSource.CLOSED;
      this.#on.state(gaveUp ? "refused" : "reconnecting");
      // A browser never asks again after a refusal: the gateway was not there, or is another one now.
      if (gaveUp) this.#again = setTimeout(() => this.open(), 3_000);
    };
    for (const type of OWN) source.addEventListener(type, (event) => this.#hear(event, true));
    for (const type of this.#types) source.addEventListener(type, (event) => this.#hear(event, false));
  }

  cut() {
    this.#close();
    this.#source = null;
    this.#on.state("cut");
  }

  /** Listens for a type that nobody has sent yet. */
  expect(type) {
    if (this.#types.has(type) || OWN.includes(type)) return;
    this.#types.add(type);
    this.#source?.addEventListener(type, (event) => this.#hear(event, false));
  }

  /** Types that the server saw until now; to be called at each of its reports. Says which of them had to be heard again. */
  learn(types) {
    const unheard = types.filter((type) => !this.#types.has(type) && !OWN.includes(type));
    if (unheard.length > 0) {
      for (const type of unheard) this.#types.add(type);
      const mark = this.#marks[0];
      for (const { heard } of this.#marks) for (const cursor of heard) this.#skip.add(cursor);
      this.cursor = mark.before === "earliest" ? null : mark.before;
      this.#marks = [{ before: mark.before, heard: new Set() }];
      if (!this.isCut) this.open();
    }
    this.#marks.push({ before: this.cursor ?? "earliest", heard: new Set() });
    if (this.#marks.length > REMEMBERED) this.#marks.shift();
    return unheard;
  }

  #close() {
    clearTimeout(this.#again);
    this.#source?.close();
  }

  #hear(event, isOwn) {
    if (event.target !== this.#source) return;
    if (event.lastEventId) this.cursor = event.lastEventId;
    if (isOwn) return this.#on.own(event);
    this.#marks.at(-1).heard.add(event.lastEventId);
    if (!this.#skip.delete(event.lastEventId)) this.#on.event(event);
  }
}
