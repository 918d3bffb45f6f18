//! Who makes the events of a measurement: the yardstick itself, or a producer that writes to Kafka.

use anyhow::Result;

use crate::swarm::Swarm;
use crate::yardstick::YardstickProcess;

/// Makes events at its own rate, round its channels, while it is told to.
pub trait Publisher {
    /// Begins.
    ///
    /// # Errors
    /// When it is gone.
    fn publish(&mut self) -> Result<()>;

    /// Stops: what it has made until now is on its way when this returns, and no more comes.
    ///
    /// # Errors
    /// When it is gone, or some of its events could not be sent.
    fn rest(&mut self) -> Result<()>;

    /// For each channel, the sequence number behind the last event that was made; asked while it rests.
    fn ends(&self, swarm: &Swarm) -> Vec<u64>;
}

impl Publisher for YardstickProcess {
    fn publish(&mut self) -> Result<()> {
        self.order("start\n")
    }

    fn rest(&mut self) -> Result<()> {
        self.order("stop\n")
    }

    /// It doesn't say; what one client of a channel has, all should have.
    fn ends(&self, swarm: &Swarm) -> Vec<u64> {
        swarm.ends(self.channels())
    }
}
