//! One cluster at a time: each is most of a small machine.

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for one's turn, which lasts as long as what this gives.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}
