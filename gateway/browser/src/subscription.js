/** What `subscribe` returns. */
export class Subscription {
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
