//! The whole configuration of a gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::admin::Admin;
use crate::channels::Channels;
use crate::drain::Drain;
use crate::filters::Filter;
use crate::form::{Form, OnDisk, Translate};
use crate::identity::Identity;
use crate::kafka::Kafka;
use crate::limits::Limits;
use crate::listen::Listen;
use crate::log::Log;
use crate::publish::Publish;
use crate::redis::Redis;
use crate::replica::Replica;
use crate::routes::Route;
use crate::secret::Secret;
use crate::streams::Streams;
use crate::views::View;

/// Configuration of Events Gateway.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "")]
pub struct Gateway<F: Form = OnDisk> {
    /// The public listener: where browsers subscribe.
    pub listen: Listen<F>,
    /// The admin listener: health, metrics and, with a token, inspection and control. Never put it on an ingress.
    pub admin: Admin<F>,
    /// Where events are kept and announced to the other replicas.
    pub redis: Redis<F>,
    /// Where events come from.
    #[schemars(extend("x-required" = true))]
    pub kafka: Kafka<F>,
    /// How records that aren't in the default envelope become events: named routes that bindings refer to.
    #[schemars(length(max = 64))]
    pub routes: Vec<Route>,
    /// Publishing over HTTP. Absent: nothing can be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// Who clients are. Absent: nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity<F>>,
    /// Who may do what. Denied is what no rule grants. Absent, and without `identity`: whoever reaches the public listener may do
    /// everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// What is left of events for whom: named views, of which `access` grants some.
    #[schemars(length(max = 16))]
    pub views: Vec<View>,
    /// Filters by name that clients may ask for.
    #[schemars(length(max = 64))]
    pub filters: Vec<Filter>,
    /// What holds for channels: which are public, what is retained, what happens to slow subscribers.
    pub channels: Channels,
    /// What holds for each stream.
    pub streams: Streams,
    /// How a replica hands over when it is told to stop.
    pub drain: Drain,
    /// Bounds of a replica as a whole.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
    /// Who this replica is, and its claim to be alive.
    pub replica: Replica,
}

impl<F: Form> Gateway<F> {
    /// The same configuration in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Gateway<T> {
        Gateway {
            listen: self.listen.translate(leaves),
            admin: self.admin.translate(leaves),
            redis: self.redis.translate(leaves),
            kafka: self.kafka.translate(leaves),
            routes: self.routes.clone(),
            publish: self.publish.clone(),
            identity: self.identity.as_ref().map(|identity| identity.translate(leaves)),
            access: self.access.clone(),
            views: self.views.clone(),
            filters: self.filters.clone(),
            channels: self.channels.clone(),
            streams: self.streams.clone(),
            drain: self.drain.clone(),
            limits: self.limits.clone(),
            log: self.log.clone(),
            replica: self.replica.clone(),
        }
    }
}

impl Gateway<OnDisk> {
    /// The same configuration, fit to be printed: every inline secret is replaced.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let mut shown = self.clone();
        for secret in shown.secrets_mut() {
            *secret = secret.redacted();
        }
        shown
    }

    /// Every secret that the configuration names.
    fn secrets_mut(&mut self) -> impl Iterator<Item = &mut Secret> {
        let redis = &mut self.redis;
        let sasl = self.kafka.security.sasl.as_mut();
        let sasl = sasl.into_iter().flat_map(|sasl| {
            let oauth = sasl.oauth.as_mut().map(|oauth| &mut oauth.client_secret);
            [sasl.username.as_mut(), sasl.password.as_mut(), oauth].into_iter().flatten()
        });
        let sentinel = redis.sentinel.as_mut();
        let sentinel =
            sentinel.into_iter().flat_map(|sentinel| [sentinel.username.as_mut(), sentinel.password.as_mut()]);
        let issuers = self.identity.iter_mut().flat_map(|identity| &mut identity.issuers);
        [self.admin.token.as_mut(), redis.username.as_mut(), redis.password.as_mut()]
            .into_iter()
            .chain(sentinel)
            .flatten()
            .chain(sasl)
            .chain(issuers.filter_map(|issuer| issuer.secret.as_mut()))
    }
}
