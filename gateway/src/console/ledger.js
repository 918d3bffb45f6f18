// Whether every event that was numbered here arrived, and arrived once. Partitions overtake each other, so numbers may
// come out of order; one that is still missing seconds after a later one came is lost.

const SETTLED_AFTER_MS = 3_000;
const EXCUSED_FOR_MS = 10_000;
const MOST_AHEAD = 50_000;

export class Ledger {
  constructor() {
    this.begin(null);
  }

  /** Begins with the first number that is going to arrive; unknown, the first that does. */
  begin(run, first = null) {
    this.run = run;
    this.first = first;
    this.whole = first === null ? null : first - 1;
    this.ahead = new Map();
    this.highest = this.whole ?? 0;
    this.arrived = 0;
    this.repeats = 0;
    this.told = 0;
    this.silent = 0;
    this.credit = 0;
    this.gapAt = 0;
  }

  /** An event with its number; says whether it is the first time. */
  arrive(run, number, now) {
    if (run !== this.run) this.begin(run);
    if (this.first === null) {
      this.first = number;
      this.whole = number - 1;
    }
    if (number < this.first) return true;
    this.highest = Math.max(this.highest, number);
    if (number <= this.whole || this.ahead.has(number)) {
      this.repeats += 1;
      return false;
    }
    this.arrived += 1;
    this.ahead.set(number, now);
    this.#absorb();
    if (this.ahead.size > MOST_AHEAD) this.settle(Infinity);
    return true;
  }

  /** The gateway told that events are missing; how many, if it knows. */
  gap(missing, now) {
    this.credit += missing ?? Infinity;
    this.gapAt = now;
  }

  /** Takes for lost what is still missing below a number that came a while ago. */
  settle(now) {
    // A gap may count events that have no number here; it excuses nothing that goes missing later.
    if (this.ahead.size === 0 && now - this.gapAt > EXCUSED_FOR_MS) this.credit = 0;
    let settled = this.whole;
    for (const [number, came] of this.ahead) if (now - came > SETTLED_AFTER_MS) settled = Math.max(settled, number);
    if (this.ahead.size === 0 || settled === this.whole) return;
    let lost = settled - this.whole;
    for (const number of [...this.ahead.keys()]) if (number <= settled && this.ahead.delete(number)) lost -= 1;
    const told = Math.min(lost, this.credit);
    this.credit -= told;
    this.told += told;
    this.silent += lost - told;
    this.whole = settled;
    this.#absorb();
  }

  /** How many were sent since the first, if the server says that it has numbered so many. */
  sent(numbered) {
    return this.first === null ? 0 : Math.max(numbered, this.highest) - this.first + 1;
  }

  /** How many numbers up to this one have not come and are not known to be lost. */
  outstanding(upTo) {
    if (this.first === null) return 0;
    let outstanding = upTo - this.whole;
    for (const number of this.ahead.keys()) if (number <= upTo) outstanding -= 1;
    return Math.max(0, outstanding);
  }

  #absorb() {
    while (this.ahead.delete(this.whole + 1)) this.whole += 1;
  }
}
