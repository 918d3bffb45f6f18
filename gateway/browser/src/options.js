// What a page may ask for, checked.

const OPTIONS = ["url", "ticket", "token", "renew", "transport", "identity", "share", "storage", "start", "withCredentials"];

export function checked(options, world) {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown) throw new TypeError(`there is no option "${unknown}"`);
  const { url = "/api/v1", transport = "sse", identity, storage = "session", start = "now", ticket, token } = options;
  const oneOf = (name, value, values) => {
    if (!values.includes(value)) throw new TypeError(`${name}: one of ${values.map(String).join(", ")}`);
  };
  oneOf("transport", transport, ["sse", "websocket"]);
  oneOf("storage", storage, ["session", "local", null]);
  oneOf("start", start, ["now", "earliest"]);
  if (ticket && token) throw new TypeError("ticket and token exclude each other");
  if (identity !== undefined && typeof identity !== "string") throw new TypeError("identity: a text");
  // Tabs of two users must not share a connection, and only the page knows whose it is.
  const canShare = identity !== undefined && Boolean(world.BroadcastChannel && world.navigator?.locks);
  return {
    ...options,
    url: new URL(url, world.location?.href).href.replace(/\/+$/, ""),
    transport,
    storage,
    start,
    share: (options.share ?? true) && canShare,
    withCredentials: Boolean(options.withCredentials),
  };
}
