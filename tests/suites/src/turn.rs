//! One platform at a time: two cores carry one broker and three gateways, not four of each.

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// Waits until no other test of this process has a platform.
pub async fn take() -> MutexGuard<'static, ()> {
    TURN.lock().await
}
