//! Waiting for something to become true, with a bound and a reason.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
const PACE: Duration = Duration::from_millis(20);

/// Polls `condition` until it gives a value, for at most `bound`.
///
/// # Errors
/// After `bound`, one that names `what`; an error of the condition itself ends the wait at once.
pub async fn until<T, F, Fut>(what: &str, bound: Duration, mut condition: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + bound;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {bound:?} in vain for {what}");
        }
        sleep(PACE).await;
    }
}

/// [`until`] for a condition that answers at once and can't fail.
///
/// # Errors
/// After `bound`, one that names `what`.
pub async fn until_true(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    until(what, bound, || {
        let held = condition();
        async move { Ok(held.then_some(())) }
    })
    .await
}
