//! The thread that starts every child.
//!
//! `PR_SET_PDEATHSIG` watches the thread that forked, not the process. A test's thread ends with its test, a runtime's
//! worker when it likes; this one ends with the process, so a server that several tests share lives as long as it should.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Order = (Command, Sender<io::Result<Child>>);

static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();

/// Spawns `command` from the thread that lives as long as the process.
///
/// # Errors
/// Those of [`Command::spawn`].
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let orders = ORDERS.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for (mut command, answer) in orders {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a test process can start one thread");
        sender
    });
    let (sender, answer) = channel();
    orders.send((command, sender)).expect("the spawner never ends");
    answer.recv().expect("the spawner answers every order")
}
