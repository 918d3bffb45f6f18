//! One channel, two replicas, four clients, and a schedule.

use std::collections::VecDeque;

use events_gateway_core::cursor::Mark;
use events_gateway_core::join::{Bounds, Pending, Pulled, Reel, Replay, ReplayPage, Walker};
use events_gateway_core::page::{Announcement, Page};
use events_gateway_core::{Channel, Position, Timestamp};

use super::client::{Client, Stage};
use super::server::Server;

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Append { source: usize, count: usize },
    Commit { source: usize },
    Announce(usize),
    LoseAnnouncements(usize),
    StartRepair(usize),
    EndRepair(usize),
    Pull { client: usize, budget: usize },
    ReadPage(usize),
    Reconnect { client: usize, replica: usize },
    Restart,
    LoseTail(usize),
    Flush,
    Tear { source: usize, count: usize },
    Trim(usize),
    Reregister(usize),
    Forget(usize),
    Reset { source: usize },
}

/// A mistake in the glue, or in what the server and the consumer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    None,
    StaleCursorAccepted,
    VerifyOff,
    /// Every announcement is lost; owners verify.
    AnnouncementsLost,
    /// Every announcement is lost, and nobody verifies.
    AnnouncementsLostVerifyOff,
    CursorIsPosition,
    GenerationIgnored,
    CommitBeforeAppend,
    WatermarkOff,
    IdsAcrossSources,
}

impl Plant {
    fn verifies(self) -> bool {
        !matches!(self, Self::VerifyOff | Self::AnnouncementsLostVerifyOff)
    }

    fn loses_announcements(self) -> bool {
        matches!(self, Self::AnnouncementsLost | Self::AnnouncementsLostVerifyOff)
    }
}

struct Replica {
    reel: Reel,
    announced: VecDeque<Announcement>,
    repairing: Option<(Page, Position)>,
    page: Option<ReplayPage>,
}

pub(crate) struct World {
    plant: Plant,
    server: Server,
    replicas: [Replica; 2],
    clients: Vec<Client>,
}

pub(crate) fn channel() -> Channel {
    Channel::parse("c").unwrap()
}

const BOUNDS: Bounds = Bounds { events: 6, bytes: 1 << 20 };
const NOW: Timestamp = Timestamp(5);
const PAGE: usize = 3;

fn pending() -> Pending {
    Pending { events: usize::MAX, bytes: usize::MAX, ..Pending::default() }
}

impl World {
    pub(crate) fn new(plant: Plant) -> Self {
        let server = Server::new(plant);
        let replica = || Replica {
            reel: Reel::new(channel(), server.standing(), BOUNDS),
            announced: VecDeque::new(),
            repairing: None,
            page: None,
        };
        let replicas = [replica(), replica()];
        let clients = (0..4)
            .map(|index| Client::new(index % 2, replicas[index % 2].reel.walker_at_head(), server.produced()))
            .collect();
        Self { plant, server, replicas, clients }
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Append { source, count } => {
                if let Some(mut announcement) = self.server.append(source, count) {
                    if self.plant == Plant::GenerationIgnored {
                        for event in &mut announcement.events {
                            let mut changed = (**event).clone();
                            changed.origin.generation.0 = 1;
                            *event = changed.into();
                        }
                    }
                    for replica in &mut self.replicas {
                        replica.announced.push_back(announcement.clone());
                    }
                }
            }
            Op::Commit { source } => self.server.commit(source),
            Op::Announce(replica) if self.plant.loses_announcements() => self.replicas[replica].announced.clear(),
            Op::Announce(replica) => {
                let replica = &mut self.replicas[replica];
                while let Some(announcement) = replica.announced.pop_front() {
                    replica.reel.announce(&announcement, NOW);
                }
            }
            Op::LoseAnnouncements(replica) => self.replicas[replica].announced.clear(),
            Op::StartRepair(replica) => self.start_repair(replica),
            Op::EndRepair(replica) => {
                let replica = &mut self.replicas[replica];
                if let Some((page, heard)) = replica.repairing.take() {
                    replica.reel.repair(&page, heard, NOW);
                }
            }
            Op::Pull { client, budget } => self.pull(client, budget).map(drop)?,
            Op::ReadPage(client) => self.read_page(client, 0),
            Op::Reconnect { client, replica } => {
                let client = &mut self.clients[client];
                client.replica = replica;
                client.stage = if self.plant == Plant::StaleCursorAccepted {
                    Stage::Live(Walker::at(client.cursor))
                } else {
                    Stage::Replaying(Replay::from_mark(Mark::At(client.cursor)))
                };
            }
            Op::Restart => self.server.restart(),
            Op::LoseTail(appends) => self.server.lose_tail(appends),
            Op::Flush => self.server.flush(),
            Op::Tear { source, count } => self.server.tear(source, count),
            Op::Trim(keep) => self.server.trim(keep),
            Op::Reregister(replica) => {
                // Only a channel without subscribers is registered anew.
                if self.clients.iter().all(|client| client.replica != replica) {
                    let replica = &mut self.replicas[replica];
                    replica.reel = Reel::new(channel(), self.server.standing(), BOUNDS);
                    replica.announced.clear();
                    replica.repairing = None;
                }
            }
            Op::Forget(replica) => self.replicas[replica].reel.forget_before(Timestamp(NOW.0 + 1)),
            Op::Reset { source } => self.server.reset(source),
        }
        Ok(())
    }

    fn start_repair(&mut self, replica: usize) {
        let replica = &mut self.replicas[replica];
        let due = replica.reel.has_hole() || self.plant.verifies() && replica.reel.lags(&self.server.standing());
        if due && replica.repairing.is_none() {
            replica.repairing = Some((self.server.read(replica.reel.head(), PAGE), replica.reel.heard()));
        }
    }

    fn read_page(&mut self, client: usize, back: u64) {
        let client = &self.clients[client];
        if let Stage::Replaying(replay) = &client.stage {
            let after = Position(replay.wants().0.saturating_sub(back));
            let page = ReplayPage::new(&channel(), after, self.server.read(after, PAGE + back as usize));
            self.replicas[client.replica].page = Some(page);
        }
    }

    /// Whether that moved anything.
    fn pull(&mut self, index: usize, budget: usize) -> Result<bool, String> {
        let client = &mut self.clients[index];
        let replica = &mut self.replicas[client.replica];
        let mut steps = Vec::new();
        let cursor = client.cursor;
        let mut moved = false;
        match &mut client.stage {
            Stage::Live(walker) => {
                let pulled = replica.reel.pull(walker, &pending(), budget, |_| true, &mut steps);
                let mark = if self.plant == Plant::CursorIsPosition { walker.position() } else { walker.mark() };
                client.take(steps, &self.server.assigned)?;
                match pulled {
                    Pulled::NeedsPage => {
                        client.stage = Stage::Replaying(Replay::from_mark(Mark::At(mark)));
                        moved = true;
                    }
                    // Disconnected, and back with its cursor.
                    Pulled::Overflowed => {
                        client.stage = Stage::Replaying(Replay::from_mark(Mark::At(client.cursor)));
                        moved = true;
                    }
                    // What moves without an event is told with the heartbeat.
                    Pulled::CaughtUp | Pulled::More => client.cursor = mark,
                }
            }
            Stage::Replaying(replay) => {
                let walker = replay.position().and_then(|position| replica.reel.walker_from(position));
                if let Some(walker) = walker {
                    client.stage = Stage::Live(walker);
                    return Ok(true);
                }
                let Some(page) = &replica.page else { return Ok(false) };
                let serves = replay.position().is_some_and(|position| page.serves(position));
                let fresh = page.standing == self.server.standing() && page.after <= replay.wants();
                if serves || fresh {
                    let before = *replay;
                    replay.take(&channel(), page, budget, &mut steps);
                    moved = *replay != before;
                    if let Some(position) = replay.position() {
                        replica.reel.hear_of(position);
                        client.cursor = position;
                    }
                    client.take(steps, &self.server.assigned)?;
                }
            }
        }
        Ok(moved || self.clients[index].cursor != cursor)
    }

    /// Lets everything heal, then asks each client whether it has everything.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        for source in 0..2 {
            self.apply(&Op::Append { source, count: self.server.lag(source) })?;
        }
        for _ in 0..500 {
            for replica in 0..2 {
                self.apply(&Op::EndRepair(replica))?;
                self.apply(&Op::Announce(replica))?;
                self.start_repair(replica);
                self.apply(&Op::EndRepair(replica))?;
            }
            let mut moved = false;
            for client in 0..self.clients.len() {
                self.read_page(client, 0);
                moved |= self.pull(client, 10_000)?;
            }
            let repaired = !self.plant.verifies()
                || self.replicas.iter().all(|replica| !replica.reel.lags(&self.server.standing()));
            if !moved && repaired {
                break;
            }
        }
        let produced = self.server.produced();
        for client in &self.clients {
            client.finish(produced).map_err(|error| {
                format!(
                    "{error}; {:?}, reel {:?}, server {:?}",
                    client.stage,
                    self.replicas[client.replica].reel,
                    self.server.standing()
                )
            })?;
        }
        Ok(())
    }
}
