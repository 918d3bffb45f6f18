/** A page that notes all that it is told. */

import { EventsGateway } from "../events-gateway.js";

export class Reader {
  events = [];
  gaps = [];
  closings = [];
  states = [];

  constructor(tab, channels = ["a"], options = {}, wanted = {}) {
    this.tab = tab;
    this.gateway = new EventsGateway(options, tab);
    this.subscription = this.gateway.subscribe(channels, {
      onEvent: (event) => this.events.push(event),
      onGap: (gap) => this.gaps.push(gap),
      onClosing: (closing) => this.closings.push(closing),
      onState: (state) => this.states.push(state),
      ...wanted,
    });
  }

  get state() {
    return this.subscription.state;
  }

  /** The numbers of a channel's events. */
  numbers(channel = "a") {
    return this.events.filter((event) => event.channel === channel).map((event) => event.data);
  }
}
