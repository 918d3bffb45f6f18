//! The swarm and the yardstick, held against each other: what one sends, the other counts.

use std::path::Path;
use std::time::Duration;

use events_gateway_load::publisher::Publisher as _;
use events_gateway_load::swarm::{Swarm, Target};
use events_gateway_load::yardstick::YardstickProcess;

const CHANNELS: u32 = 20;
const CLIENTS: u32 = 200;
const BOUND: Duration = Duration::from_secs(30);

fn start() -> (YardstickProcess, Swarm) {
    let program = Path::new(env!("CARGO_BIN_EXE_load"));
    let yardstick = YardstickProcess::start_program(program, CHANNELS, 500).expect("the yardstick starts");
    let mut swarm = Swarm::new().expect("the kernel has epoll");
    let targets =
        (0..CLIENTS).map(|client| Target { next: Some(0), ..Target::new(yardstick.address(), client % CHANNELS) });
    swarm.open(targets, BOUND).expect("every client is served");
    (yardstick, swarm)
}

#[test]
fn every_client_gets_every_event_of_its_channel_once_and_in_order() {
    let (mut yardstick, mut swarm) = start();
    yardstick.publish().expect("it takes orders");
    let enough = |swarm: &Swarm| swarm.tally().deliveries >= u64::from(20 * CLIENTS);
    assert!(swarm.run_until(BOUND, enough).expect("the swarm runs"));
    yardstick.rest().expect("it takes orders");
    let settled = |swarm: &Swarm| swarm.behind(&swarm.ends(CHANNELS)) == 0;
    assert!(swarm.run_until(BOUND, settled).expect("the swarm runs"));
    let tally = swarm.tally();
    assert_eq!((tally.faults(), tally.ended, tally.refused), (0, 0, 0));
    let sent: u64 = swarm.ends(CHANNELS).iter().sum();
    assert_eq!(tally.deliveries, sent * u64::from(CLIENTS / CHANNELS));
    assert_eq!(tally.latency.total(), tally.deliveries);
}

#[test]
fn every_client_knows_where_to_resume() {
    let (mut yardstick, mut swarm) = start();
    yardstick.publish().expect("it takes orders");
    let all_have_one = |swarm: &Swarm| swarm.behind(&[1; CHANNELS as usize]) == 0;
    assert!(swarm.run_until(BOUND, all_have_one).expect("the swarm runs"));
    let targets = swarm.close();
    assert_eq!(targets.len(), CLIENTS as usize);
    for target in targets {
        // The yardstick's ids are sequence numbers, counted from 1.
        assert_eq!(target.cursor.parse(), Ok(target.next.expect("it has one event")));
    }
}

#[test]
fn the_end_of_a_server_is_counted_for_every_client() {
    let (yardstick, mut swarm) = start();
    drop(yardstick);
    let all_ended = |swarm: &Swarm| swarm.tally().ended == u64::from(CLIENTS);
    assert!(swarm.run_until(BOUND, all_ended).expect("the swarm runs"));
    assert_eq!(swarm.tally().refused, 0);
}
