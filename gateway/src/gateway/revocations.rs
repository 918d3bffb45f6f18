//! Revocations, as the configuration says.

use std::sync::Arc;

use super::kafka::KafkaError;
use super::{GatewayError, Ports};
use crate::config::Config;
use crate::config::revocation::WhenCutOff;
use crate::http::admin::Revoking;
use crate::replica::Replica;
use crate::replica::reconnect::Reconnect;
use crate::revocation::reader::Reader;
use crate::revocation::revoker::Revoker;
use crate::revocation::{MOST, Options, Revocations, confirmation};
use crate::task::Tasks;

/// When clients come back whose streams are ended one by one.
pub(super) fn reconnect(config: &Config) -> Reconnect {
    Reconnect { after: config.streams.retry, jitter: config.streams.retry_jitter }
}

/// What revokes, if anything can be: reads the topic, tells the others how far, and looks after what is known.
pub(super) fn revoking(
    config: &Config,
    replica: &Arc<Replica>,
    ports: &Ports,
    tasks: &Tasks,
) -> Result<Option<Revoking>, GatewayError> {
    let Some((identity, revocation)) =
        config.identity.as_ref().and_then(|identity| Some((identity, identity.revocation.as_ref()?)))
    else {
        return Ok(None);
    };
    let options = Options {
        retention: revocation.retention,
        cut_off_after: revocation.cut_off_after,
        disconnects: revocation.when_cut_off == WhenCutOff::Disconnect,
        most: MOST,
        reconnect: reconnect(config),
    };
    let (client, topic) = (super::kafka::client(config)?, revocation.topic.as_str());
    let revocations = Revocations::new(options, replica.connections());
    let revoker = Revoker::new(client.clone(), topic, revocations.clone()).map_err(KafkaError::from)?;
    let reader = Reader::new(client, topic, revocations.clone()).map_err(KafkaError::from)?;
    tasks.spawn("revocations", reader.run());
    tasks.spawn("revocations-keep", revocations.clone().keep());
    tasks.spawn("revocations-mend", revoker.clone().mend());
    tasks.spawn("confirmations", confirmation::tell(replica.clone(), ports.confirmations.clone(), revocations.clone()));
    let issuers = identity.issuers.iter().map(|issuer| issuer.issuer.clone()).collect();
    Ok(Some(Revoking {
        revoker,
        revocations,
        confirmations: ports.confirmations.clone(),
        confirm_within: revocation.confirm_within,
        issuers,
    }))
}
