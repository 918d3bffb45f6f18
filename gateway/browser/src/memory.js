/** How often a cursor is written to storage at most; leaving a page writes it too. */
const WRITE_MS = 1_000;
const MAX_STORED = 32;
const STORED = "events-gateway:cursor:";

/** Keeps a cursor across page loads. Storage may be full, or forbidden: then it forgets. */
export class Memory {
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
