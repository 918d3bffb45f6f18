/**
 * Events Gateway in a browser: channels in, events out, each once and in order, through whatever happens on the way.
 *
 * It wraps `EventSource` or `WebSocket`, fetches a ticket for each connection, comes back with the cursor, and lets all tabs
 * of an origin share one connection. No dependencies, no build step. docs/browser.md is its manual.
 *
 * The gateway serves these modules as one file (`gateway/src/http/browser.rs`).
 */

export { EventsGateway } from "./src/gateway.js";
