import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { EventsGateway } from "../events-gateway.js";
import { Origin } from "./origin.js";

const FILES = ["../README.md", "../../../docs/browser.md"];

/** The JavaScript examples of a text. */
async function examples(file) {
  const text = await readFile(new URL(file, import.meta.url), "utf8");
  return [...text.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
}

/** Runs an example in a tab. What a page has of its own is called `show…`, `reload…` or `my…`, and notes that it was called. */
async function run(code, origin) {
  const called = [];
  const tab = origin.tab();
  tab.WebSocket = class {
    readyState = 0;
    close() {}
  };
  class OfTab extends EventsGateway {
    constructor(options) {
      super(options, tab);
    }
  }
  const scope = new Proxy(
    { EventsGateway: OfTab, fetch: async () => Response.json({ ticket: "t" }), Response, JSON },
    {
      has: () => true,
      get: (known, name) => {
        if (typeof name !== "string") return undefined;
        if (name in known) return known[name];
        assert.match(name, /^(show|reload|my)([A-Z]|$)/, `an example uses ${name}, which isn't there`);
        return (...given) => {
          called.push([name, ...given]);
          return `${name}'s`;
        };
      },
    },
  );
  for (const [, from] of code.matchAll(/^import .* from "(.*)";$/gm)) assert.ok(["/api/v1/client.js", "events-gateway"].includes(from), from);
  const body = code.replace(/^import .*$/gm, "");
  await new Function("scope", `with (scope) { return (async () => { ${body} })(); }`)(scope);
  return { called, tab };
}

test("each example of the manual runs, and its page is told of an event, a gap and the end", async () => {
  for (const file of FILES) {
    const codes = await examples(file);
    assert.ok(codes.length > 0, file);
    for (const code of codes) {
      const origin = new Origin();
      origin.refuse = (method, url) => (url.endsWith("/tickets") ? { status: 201, body: '{"ticket":"t"}' } : undefined);
      const { called, tab } = await run(code, origin);
      await origin.run(1_000);
      assert.deepEqual(tab.errors, [], code);
      if (code.includes("websocket")) continue;
      for (const url of origin.opened) for (const channel of new URL(url).searchParams.get("channels").split(",")) origin.publish(channel);
      await origin.run();
      if (code.includes("onEvent")) assert.ok(called.some(([name]) => name === "show"), `no event: ${code}`);
      origin.tell("gateway.gap", { channel: "orders", reason: "trimmed", next: 9, may_repeat: false });
      if (code.includes("onGap")) assert.ok(called.some(([name]) => name === "reload"), `no gap: ${code}`);
      origin.tell("gateway.closing", { reason: "disconnected", retryable: false, reconnect_after_ms: 0 });
      await origin.run();
      assert.deepEqual(tab.errors, [], code);
    }
  }
});
