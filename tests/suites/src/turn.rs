//! Few platforms at a time: two cores carry one or two brokers with three gateways each, not four of each.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Platforms that may run beside each other where each does little but wait.
const PLATFORMS: u32 = 2;

static TURN: Semaphore = Semaphore::const_new(PLATFORMS as usize);

/// Waits until no other test of this process has a platform.
pub async fn take() -> SemaphorePermit<'static> {
    acquire(PLATFORMS).await
}

/// Waits until at most one other test of this process has a platform, which shares the machine too.
pub async fn share() -> SemaphorePermit<'static> {
    acquire(1).await
}

async fn acquire(platforms: u32) -> SemaphorePermit<'static> {
    TURN.acquire_many(platforms).await.expect("nobody closes it")
}
