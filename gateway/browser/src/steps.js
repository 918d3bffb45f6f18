/** What is kept for other tabs. */
const MAX_STEPS = 512;
const MAX_STEPS_CHARACTERS = 512 * 1_024;

/** The last steps of a line, and the places between them: a place is the name of the step before it, and the cursor there. */
export class Steps {
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
