import { parsed } from "./event.js";
import { ANSWER_MS } from "./wait.js";

/** A stream of events; `on` is told what comes. */
export function openStream(world, url, withCredentials, on) {
  const source = new world.EventSource(url, { withCredentials });
  const timer = world.setTimeout(() => on.lost({ reason: "timeout" }), ANSWER_MS);
  const told = (name, act) => source.addEventListener(name, (event) => parsed(event.data, (data) => act(data, event)));
  source.onopen = () => world.clearTimeout(timer);
  source.onmessage = (event) => on.step("event", event.lastEventId, event.data);
  told("gateway.open", (open, event) => {
    on.step("cursor", event.lastEventId, "");
    on.open(open);
  });
  told("gateway.cursor", (_, event) => on.step("cursor", event.lastEventId, ""));
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
