//! The secret that replicas seal cursors with: made by the first that asks, kept where all of them find it.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::cursor::seal::Secret;
use tokio::time::sleep;

use super::Hub;
use crate::backlog::Secrets;

/// How often it is asked for: when the shared state was lost, all agree again within this time.
const EVERY: Duration = Duration::from_secs(30);
/// How long until the next attempt after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long it is kept when no replica asks.
const TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Sees to it that the hub knows the secret, for ever. Until it does, and while replicas disagree after a loss, cursors that have to be
/// the client's own aren't resumed from, which is told as a gap.
pub async fn share(secrets: Arc<dyn Secrets>, hub: Arc<Hub>) {
    // Put back as it is when the shared state was lost: cursors stay good.
    let mut known = Secret::new(rand::random());
    loop {
        let pause = match secrets.share_secret(&known.to_text(), TTL).await {
            Ok(text) => match Secret::from_text(&text) {
                Some(secret) => {
                    known = secret;
                    hub.set_secret(secret);
                    EVERY
                }
                None => {
                    tracing::warn!(
                        "the secret that replicas share isn't one of this gateway: expected 16 bytes in base64url"
                    );
                    EVERY
                }
            },
            Err(error) => {
                tracing::debug!(%error, "failed to share the secret for cursors");
                RETRY
            }
        };
        sleep(pause).await;
    }
}
