//! Who may do what: the one place that every subscription and every publication passes.

use std::sync::Arc;

use events_gateway_core::access::{Right, Rules, Subject};
use events_gateway_core::view::{RAW, View};
use events_gateway_core::{Channel, Timestamp};
use events_gateway_identity::{Identity, Proof};

use super::problem::{Kind, Problem, quote};
use super::query::Asked;
use crate::hub::Resume;

/// What is served to whom.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether the firehose `all` is served.
    pub serve_all: bool,
    /// Who may do what. `None`: everybody everything.
    pub rules: Option<Arc<Rules>>,
    /// What is left of events for whom.
    pub views: Vec<Arc<View>>,
}

/// What an authorised client holds.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who it is; absent where it hasn't said so.
    pub subject: Option<Arc<str>>,
    /// Who says so.
    pub issuer: Option<Arc<str>>,
    /// What it is judged by again.
    pub proof: Option<Proof>,
    /// What it may have.
    pub asked: Asked,
    /// Whose cursors it may resume from; absent: it may read the past.
    pub own: Option<Arc<str>>,
    /// By which view it sees each channel, in their order; `None`: raw.
    pub views: Vec<Option<Arc<View>>>,
    /// Until when.
    pub ends: Option<Timestamp>,
}

impl Policy {
    /// Decides on a subscription. A refusal here is terminal: asking again gives the same answer.
    ///
    /// Without the right to replay, another cursor than a recent one of the client's own isn't refused, which would end a browser's
    /// `EventSource`: the stream is live, and a gap says that what the cursor asked for isn't there.
    pub fn authorise(&self, who: Option<&Identity>, asked: Asked) -> Result<Grant, Problem> {
        let channels = asked.channels.as_slice();
        if !self.serve_all && channels.iter().any(Channel::is_all) {
            return Err(Kind::ChannelNotServed
                .because("this gateway doesn't serve the channel \"all\"")
                .about("channels"));
        }
        if let Some(channel) = channels.iter().find(|channel| !self.may(Right::Subscribe, who, channel)) {
            return Err(denied(who, "subscribe to", channel).about("channels"));
        }
        let views = channels.iter().map(|channel| self.view(who, channel, asked.view.as_deref()));
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let without_past = channels.iter().find(|channel| !self.may(Right::Replay, who, channel));
        if asked.resume == Resume::Earliest
            && let Some(channel) = without_past
        {
            return Err(denied(who, "read the past of", channel).about("last_event_id"));
        }
        let own = without_past.map(|_| who.map(Identity::scope).unwrap_or_default().into());
        Ok(Grant {
            subject: who.map(|who| who.subject.as_str().into()),
            issuer: who.map(|who| who.issuer.as_str().into()),
            proof: who.map(Identity::proof),
            asked,
            own,
            views,
            ends: who.map(|who| Timestamp(who.expires)),
        })
    }

    /// Whether what a stream was granted is granted still, by what is known of its holder now: each channel, as it is seen.
    #[must_use]
    pub fn still_grants(&self, who: Option<&Identity>, channels: &[Channel], views: &[Option<Arc<View>>]) -> bool {
        channels.iter().zip(views).all(|(channel, view)| {
            let seen_by = view.as_ref().map_or(RAW, |view| view.name());
            self.may(Right::Subscribe, who, channel) && self.view(who, channel, Some(seen_by)).is_ok()
        })
    }

    /// By which view a client sees a channel to which it may subscribe.
    fn view(
        &self,
        who: Option<&Identity>,
        channel: &Channel,
        asked: Option<&str>,
    ) -> Result<Option<Arc<View>>, Problem> {
        let subject = who.map(subject);
        let name = match &self.rules {
            Some(rules) => rules.view(subject.as_ref(), channel, asked).ok_or_else(|| {
                denied(who, &format!("have the view \"{}\" of", quote(asked.unwrap_or_default())), channel)
                    .about("view")
            })?,
            None => asked.unwrap_or(RAW),
        };
        if name == RAW {
            return Ok(None);
        }
        let view = self.views.iter().find(|view| view.name() == name).cloned();
        // With rules the configuration has made sure of it.
        let unknown = || Kind::InvalidParameter.because(format!("there is no view \"{}\"", quote(name))).about("view");
        view.map(Some).ok_or_else(unknown)
    }

    /// Whether a client has a right to any channel.
    #[must_use]
    pub fn may_any(&self, right: Right, who: Option<&Identity>) -> bool {
        let subject = who.map(subject);
        self.rules.as_ref().is_none_or(|rules| rules.grant_any(right, subject.as_ref()))
    }

    /// Whether a client has a right.
    #[must_use]
    pub fn may(&self, right: Right, who: Option<&Identity>, channel: &Channel) -> bool {
        let subject = who.map(subject);
        self.rules.as_ref().is_none_or(|rules| rules.grant(right, subject.as_ref(), channel))
    }
}

fn subject(who: &Identity) -> Subject<'_> {
    Subject { issuer: &who.issuer, name: &who.subject, claims: &who.claims }
}

/// What a client is told that has no right.
pub(super) fn denied(who: Option<&Identity>, what: &str, channel: &Channel) -> Problem {
    let channel = quote(channel.as_str());
    match who {
        Some(_) => Kind::Forbidden.because(format!("you may not {what} \"{channel}\"")),
        None => Kind::Unauthorized.because(format!("nobody may {what} \"{channel}\" without saying who they are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::{Rules as QueryRules, read};
    use events_gateway_core::access::Rule;
    use events_gateway_core::view::ViewSpec;
    use serde_json::Map;

    fn asked(query: &str) -> Asked {
        let rules =
            QueryRules { default_channels: None, max_channels: 12, filters: Vec::new(), credentials: Vec::new() };
        read(query, None, &rules).unwrap()
    }

    fn somebody(name: &str) -> Identity {
        Identity {
            issuer: "https://id".into(),
            subject: name.into(),
            id: None,
            expires: 1_000,
            issued: None,
            key: None,
            claims: Map::new(),
        }
    }

    fn rules() -> Policy {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let rules = Rules(vec![
            Rule { everyone: true, subscribe: patterns(&["news"]), ..Rule::default() },
            Rule {
                subscribe: patterns(&["user:{sub}", "log:{sub}"]),
                replay: patterns(&["user:{sub}"]),
                ..Rule::default()
            },
        ]);
        Policy { serve_all: true, rules: Some(Arc::new(rules)), views: Vec::new() }
    }

    #[test]
    fn the_firehose_is_refused_where_it_is_not_served() {
        let closed = Policy::default();
        assert_eq!(closed.authorise(None, asked("channels=a,all")).unwrap_err().kind, Kind::ChannelNotServed);
        assert!(closed.authorise(None, asked("channels=a,everyone")).is_ok());
        assert!(Policy { serve_all: true, ..Policy::default() }.authorise(None, asked("channels=all")).is_ok());
    }

    #[test]
    fn denied_is_what_no_rule_grants_of_any_channel_that_is_asked_for() {
        let (policy, ann) = (rules(), somebody("ann"));
        let kind = |who: Option<&Identity>, query| policy.authorise(who, asked(query)).map_err(|problem| problem.kind);
        assert!(kind(None, "channels=news").is_ok());
        assert_eq!(kind(None, "channels=user:ann").unwrap_err(), Kind::Unauthorized);
        assert_eq!(kind(None, "channels=all").unwrap_err(), Kind::Unauthorized);
        assert!(kind(Some(&ann), "channels=news,user:ann").is_ok());
        assert_eq!(kind(Some(&ann), "channels=news,user:ann,user:bob").unwrap_err(), Kind::Forbidden);
        assert_eq!(kind(Some(&ann), "channels=all").unwrap_err(), Kind::Forbidden);
        let grant = policy.authorise(Some(&ann), asked("channels=user:ann")).unwrap();
        assert_eq!((grant.subject.as_deref(), grant.ends), (Some("ann"), Some(Timestamp(1_000))));
    }

    #[test]
    fn a_view_is_had_where_a_rule_grants_the_channel_by_it_and_the_first_one_without_asking() {
        let pattern = |text: &str| vec![text.parse().unwrap()];
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let view = |name: &str, index| {
            Arc::new(View::build(&ViewSpec { name: name.into(), ..ViewSpec::default() }, index).unwrap())
        };
        let rules = Rules(vec![
            Rule {
                everyone: true,
                subscribe: pattern("orders:*"),
                views: texts(&["public", "short"]),
                ..Rule::default()
            },
            Rule { subscribe: pattern("orders:**"), views: texts(&["raw"]), ..Rule::default() },
            Rule { subscribe: pattern("user:{sub}"), ..Rule::default() },
        ]);
        let policy = Policy {
            serve_all: false,
            rules: Some(Arc::new(rules)),
            views: vec![view("public", 0), view("short", 1), view("internal", 2)],
        };
        let ann = somebody("ann");
        let views = |who: Option<&Identity>, query: &str| {
            let grant = policy.authorise(who, asked(query)).map_err(|problem| problem.kind)?;
            let names = grant.views.iter().map(|view| view.as_ref().map_or(RAW, |view| view.name()).to_owned());
            Ok(names.collect::<Vec<_>>())
        };
        assert_eq!(views(None, "channels=orders:1"), Ok(texts(&["public"])));
        assert_eq!(views(None, "channels=orders:1&view=short"), Ok(texts(&["short"])));
        assert_eq!(views(None, "channels=orders:1&view=raw"), Err(Kind::Unauthorized));
        assert_eq!(views(Some(&ann), "channels=orders:1,user:ann"), Ok(texts(&["public", "raw"])));
        assert_eq!(views(Some(&ann), "channels=orders:1,user:ann&view=raw"), Ok(texts(&["raw", "raw"])));
        assert_eq!(views(Some(&ann), "channels=orders:1,user:ann&view=public"), Err(Kind::Forbidden));
        for view in ["internal", "nothing", "", "Raw"] {
            assert_eq!(views(Some(&ann), &format!("channels=orders:1&view={view}")), Err(Kind::Forbidden), "{view}");
        }
        let open = Policy { rules: None, ..policy.clone() };
        let kind =
            |query| open.authorise(None, asked(query)).map(|grant| grant.views.len()).map_err(|problem| problem.kind);
        assert_eq!(kind("channels=a,b&view=internal"), Ok(2));
        assert_eq!(kind("channels=a&view=nothing"), Err(Kind::InvalidParameter));
    }

    #[test]
    fn what_was_granted_is_granted_still_where_the_new_claims_grant_the_same_channels_by_the_same_views() {
        let view = Arc::new(View::build(&ViewSpec { name: "public".into(), ..ViewSpec::default() }, 0).unwrap());
        let of = |role: &str, channel: &str, views: &[&str]| Rule {
            claims: vec![("/role".into(), role.into())],
            subscribe: vec![channel.parse().unwrap()],
            views: views.iter().map(|view| (*view).to_owned()).collect(),
            ..Rule::default()
        };
        let rules = Rules(vec![
            of("clerk", "orders:*", &[]),
            of("guest", "orders:*", &["public"]),
            of("guest", "news", &[]),
            of("clerk", "news", &[]),
        ]);
        let policy = Policy { serve_all: false, rules: Some(Arc::new(rules)), views: vec![view] };
        let as_role = |role: &str| {
            let mut who = somebody("ann");
            who.claims.insert("role".into(), role.into());
            who
        };
        let (clerk, guest) = (as_role("clerk"), as_role("guest"));
        let grant = |who, query| policy.authorise(Some(who), asked(query)).unwrap();
        let holds = |grant: &Grant, who: Option<&Identity>| {
            policy.still_grants(who, grant.asked.channels.as_slice(), &grant.views)
        };
        let raw = grant(&clerk, "channels=news,orders:1");
        assert!(holds(&raw, Some(&clerk)));
        assert!(!holds(&raw, Some(&guest)), "what it sees without asking would be less by now");
        assert!(!holds(&grant(&guest, "channels=orders:1"), Some(&clerk)), "another view isn't that one");
        let news = grant(&guest, "channels=news");
        assert!(holds(&news, Some(&clerk)) && holds(&news, Some(&guest)));
        assert!(!holds(&news, Some(&as_role("nobody"))) && !holds(&news, None));
        assert!(Policy::default().still_grants(None, raw.asked.channels.as_slice(), &raw.views), "there are no rules");
    }

    #[test]
    fn without_the_right_to_replay_only_ones_own_cursors_count_and_the_past_is_refused() {
        let (policy, ann) = (rules(), somebody("ann"));
        let own = |query| policy.authorise(Some(&ann), asked(query)).map(|grant| grant.own);
        let anns = Some(ann.scope().into());
        assert_eq!(own("channels=user:ann&last_event_id=x"), Ok(None));
        assert_eq!(own("channels=user:ann&last_event_id=earliest"), Ok(None));
        assert_eq!(own("channels=log:ann&last_event_id=x"), Ok(anns.clone()));
        assert_eq!(own("channels=log:ann"), Ok(anns.clone()), "also of a stream that is live, for when it comes back");
        assert_eq!(own("channels=log:ann,user:ann&last_event_id=x"), Ok(anns));
        assert_eq!(own("channels=log:ann&last_event_id=earliest").unwrap_err().kind, Kind::Forbidden);
    }
}
