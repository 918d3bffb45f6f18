// Not run: `tsc` checks that a page written against the types is right, and that what is wrong is told.

import { EventsGateway, type Closing, type Gap, type GatewayEvent, type Options, type State } from "../events-gateway.js";

interface Order {
  order: number;
}

const options: Options = {
  url: "https://events.example/api/v1",
  token: async () => "token",
  transport: "websocket",
  identity: "alice",
  storage: "local",
  start: "earliest",
  withCredentials: true,
};

const events = new EventsGateway(options);

const subscription = events.subscribe<Order>(["orders", "user:42"], {
  onEvent: (event: GatewayEvent<Order>) => console.log(event.data.order, event.channel, event.attributes.tenant, event.id?.length),
  onGap: (gap: Gap) => console.log(gap.channel, gap.missing ?? "some", gap.may_repeat),
  onClosing: ({ reason, retryable, reconnectAfterMs }: Closing) => console.log(reason, retryable, reconnectAfterMs),
  onState: (state: State) => {
    if (state.state === "closed") console.log(state.problem?.detail ?? state.reason);
  },
  types: ["order.*"],
  attributes: { region: ["eu", "us"] },
  filter: "dear",
  view: "public",
});

const cursor: string | null = subscription.cursor;
const channels: readonly string[] = subscription.channels;
console.log(cursor, channels, subscription.state.role);
subscription.close();
events.close();

new EventsGateway();
new EventsGateway({ ticket: (channels) => channels[0] });
new EventsGateway({ ticket: async () => ({ ticket: "t" }), storage: null });
events.subscribe("everyone", { onEvent: ({ data }) => data satisfies unknown });

// @ts-expect-error: no such option
new EventsGateway({ urll: "/api/v1" });
// @ts-expect-error: no such transport
new EventsGateway({ transport: "fetch" });
// @ts-expect-error: a number is no channel
events.subscribe(7);
// @ts-expect-error: types are a list
events.subscribe("orders", { types: "order.*" });
// @ts-expect-error: data is unknown until somebody says what it is
events.subscribe("orders", { onEvent: (event) => event.data.order });
// @ts-expect-error: the state is the client's to change
subscription.state.state = "open"; subscription.channels.push("x");
