import { judge } from "./failure.js";
import { ANSWER_MS, within } from "./wait.js";

/** Who the page is, proven to the gateway anew for each connection. */
export class Credentials {
  /** Whether the next proof is to be a new one also where a cookie is it. */
  isRenewalDue = false;
  #options;
  #world;

  constructor(options, world) {
    this.#options = options;
    this.#world = world;
  }

  /** Whether there is anything to bring but a cookie that somebody else looks after. */
  get any() {
    return Boolean(this.#options.ticket || this.#options.token || this.#options.renew);
  }

  /** A ticket for one connection; a token for a socket, which takes it in a frame; nothing where a cookie does. */
  async proof(channels) {
    const { ticket, token, renew, transport, url } = this.#options;
    if (this.isRenewalDue && renew) await within(this.#world, renew());
    this.isRenewalDue = false;
    if (ticket) {
      const given = await within(this.#world, ticket([...channels]));
      return { ticket: typeof given === "string" ? given : given?.ticket };
    }
    if (!token) return {};
    const bearer = await within(this.#world, token());
    if (transport === "websocket") return { token: bearer };
    const response = await this.fetch(`${url}/tickets`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify({ channels }),
    });
    if (!response.ok) throw await judge(response);
    return { ticket: (await response.json()).ticket };
  }

  /** Asks the gateway, with cookies as a stream would. */
  async fetch(url, options) {
    const credentials = this.#options.withCredentials ? "include" : "same-origin";
    const control = new AbortController();
    const timer = this.#world.setTimeout(() => control.abort(), ANSWER_MS);
    try {
      return await this.#world.fetch(url, { cache: "no-store", credentials, signal: control.signal, ...options });
    } finally {
      this.#world.clearTimeout(timer);
    }
  }
}
