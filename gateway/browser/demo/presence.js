// Which tabs have this page open, and how each of them is doing. For show: the client needs nothing of it.

const NAME = "demo:tab";
const ANSWER_MS = 200;
/** A tab that was killed says no farewell. */
const GONE_MS = 12_000;
const ALIVE_MS = 4_000;

export class Presence {
  #channel = new BroadcastChannel("events-gateway:demo");
  #others = new Map();
  #own = { id: crypto.randomUUID(), name: 0, state: "connecting", role: "alone", events: 0 };
  #show;
  #due;

  constructor(show) {
    this.#show = show;
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    addEventListener("pagehide", () => this.#channel.postMessage({ gone: this.#own.id }));
    addEventListener("pageshow", () => this.tell({}));
    setInterval(() => this.tell({}), ALIVE_MS);
  }

  get name() {
    return this.#own.name;
  }

  /** Takes the lowest number that no other tab has; a reloaded tab keeps its own. */
  async enter() {
    this.#channel.postMessage({ asks: true });
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    const taken = new Set([...this.#others.values()].map(({ name }) => name));
    let name = Number(sessionStorage.getItem(NAME)) || 1;
    while (taken.has(name)) name += 1;
    sessionStorage.setItem(NAME, name);
    this.tell({ name });
  }

  /** Tells other tabs, at most a few times a second. */
  tell(news) {
    Object.assign(this.#own, news);
    this.#due ??= setTimeout(() => {
      this.#due = undefined;
      if (this.#own.name) this.#channel.postMessage({ tab: this.#own });
      this.#draw();
    }, 150);
  }

  #hear(said) {
    if (said?.asks && this.#own.name) this.#channel.postMessage({ tab: this.#own });
    if (typeof said?.gone === "string") this.#others.delete(said.gone);
    if (typeof said?.tab?.id === "string") this.#others.set(said.tab.id, { ...said.tab, at: Date.now() });
    this.#draw();
  }

  #draw() {
    for (const [id, { at }] of this.#others) if (Date.now() - at > GONE_MS) this.#others.delete(id);
    const all = [{ ...this.#own, isThis: true }, ...this.#others.values()];
    this.#show(all.filter(({ name }) => name).sort((one, other) => one.name - other.name));
  }
}
