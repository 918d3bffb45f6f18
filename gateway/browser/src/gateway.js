import { Line } from "./line.js";
import { checked } from "./options.js";
import { Subscription } from "./subscription.js";

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
