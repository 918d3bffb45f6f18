/** Events Gateway's client for browsers. The manual is docs/browser.md of its repository. */

/** How to reach a gateway, and as whom. */
export interface Options {
  /** What the gateway's paths begin with: a path of this origin or a whole URL. Default: `/api/v1`. */
  url?: string;
  /**
   * Gets a ticket for one connection to these channels: called before each. For pages whose server asks the gateway for tickets.
   * To give up for good, throw an object with a member `problem` of status 4xx; all else is tried again.
   */
  ticket?: (channels: string[]) => Ticket | undefined | Promise<Ticket | undefined>;
  /** Gives the user's token, fresh: called before each connection. It goes into an `Authorization` field or a frame, never into a URL. */
  token?: () => string | Promise<string>;
  /** Renews what neither of them is: a session's cookie, before it ends or after it was refused once. */
  renew?: () => void | Promise<void>;
  /** `sse` (default): an `EventSource` for each subscription. `websocket`: one socket for up to 16 of them. */
  transport?: "sse" | "websocket";
  /**
   * Whose page this is, such as the user's id: tabs of the origin that give the same one share a connection. Without it
   * nothing is shared; where users don't log in, any constant will do.
   */
  identity?: string;
  /** `false`: a connection for each tab, whatever `identity` says. */
  share?: boolean;
  /** Where cursors are kept across page loads: for the tab (`session`, default), for the origin (`local`), nowhere (`null`). */
  storage?: "session" | "local" | null;
  /** Where to begin without a cursor. Default: `now`. */
  start?: "now" | "earliest";
  /** Whether cookies go to a gateway of another origin. */
  withCredentials?: boolean;
}

/** What `POST /tickets` answers with, or its member `ticket`. */
export type Ticket = string | { ticket: string };

/** Connects to a gateway. */
export class EventsGateway {
  constructor(options?: Options);
  /** Subscribes to 1 to 12 channels. */
  subscribe<Data = unknown>(channels: string | string[], handlers?: Handlers<Data>): Subscription;
  /** Ends all subscriptions. */
  close(): void;
}

/** What to call, and for what. None of them is called before `subscribe` has returned; what one throws is reported and stops nothing. */
export interface Handlers<Data = unknown> {
  /** For each event, once, in each channel's order. */
  onEvent?: (event: GatewayEvent<Data>) => void;
  /** For what can no longer be delivered: load the state anew. */
  onGap?: (gap: Gap) => void;
  /** The gateway ends the connection, or refuses one. */
  onClosing?: (closing: Closing) => void;
  /** The connection is made, lost, waited for, given up. */
  onState?: (state: State) => void;
  /** Only events of these types; `*` stands for any run of characters. */
  types?: string[];
  /** Only events with one of these values of each attribute. */
  attributes?: Record<string, string[]>;
  /** Only events for which the condition of that name in the gateway's configuration holds. */
  filter?: string;
  /** What it is to get of them. */
  view?: string;
}

/** One subscription. */
export interface Subscription {
  /** Its channels, sorted. */
  readonly channels: readonly string[];
  /** As told to `onState`. */
  readonly state: State;
  /** Where it stands; null before its first connection. */
  readonly cursor: string | null;
  /** Ends it and forgets its cursor. Nothing is called any more but `onState`, once. */
  close(): void;
}

/** An event. */
export interface GatewayEvent<Data = unknown> {
  channel: string;
  type: string;
  /** When it was published, in ms since 1970. */
  time: number;
  attributes: Record<string, string>;
  /** The publisher's id, if it gave one. */
  id?: string;
  /** JSON as the value that it stands for, other data as text. */
  data: Data;
  /** Where a stream that has had this event goes on. */
  cursor: string;
}

/** A range of one channel that can't be delivered. */
export interface Gap {
  channel: string;
  reason: "trimmed" | "epoch" | "source" | "overflow" | "unknown-cursor";
  /** The last position that this client had, where it is known. */
  last?: number;
  /** Events go on with what follows this position. */
  next: number;
  /** How many are missing, where it is known. */
  missing?: number;
  /** Whether events may come again after it. */
  may_repeat: boolean;
  cursor: string;
}

/** Why the gateway ends a connection. */
export interface Closing {
  /** `drain`, `max-age`, `overflow`, `disconnected`, `token-expired`, … */
  reason: string;
  /** Whether the client comes back by itself. */
  retryable: boolean;
  reconnectAfterMs: number;
}

/** How a subscription is doing. */
export interface State {
  state: "connecting" | "open" | "waiting" | "closed";
  /** `leader`: this tab has the connection that others share. `follower`: another one has. `alone`: it isn't shared. */
  role: "alone" | "leader" | "follower";
  /** Why it isn't open: a reason of `Closing`, a problem's name, `unreachable`, `timeout`, `credentials`, `online`, `closed`. */
  reason?: string;
  /** What the gateway, or a proxy before it, answered. */
  problem?: Problem;
  /** While waiting: how long. */
  retryInMs?: number;
  closing?: Closing;
  /** While open: the connection's id, and who serves it. */
  connection?: string;
  replica?: string;
}

/** RFC 9457. Of an answer that isn't the gateway's, only status and title. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  parameter?: string;
}
