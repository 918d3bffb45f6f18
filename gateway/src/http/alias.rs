//! Paths of existing frontends: what a request at one of them asks for. Rights are judged afterwards, like anybody's.

pub(super) mod description;

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::{HttpRequest, HttpResponse, web};
use events_gateway_core::alias::Values;
use events_gateway_core::cursor::ChannelSet;

use super::events::{self, Edge};
use super::problem::{Kind, Problem, quote};
use super::public::not_found;
use super::query::{self, Asked, Rules};
use super::websocket;
use crate::config::aliases::{Alias, Meaning, Serves, VALUE};
use crate::hub::Resume;

const METHODS: &str = "GET, HEAD, OPTIONS";

/// Serves whatever path none of the gateway's own is.
pub async fn serve(request: HttpRequest, content: web::Payload, edge: web::Data<Edge>) -> HttpResponse {
    let path = request.uri().path();
    let found = edge.aliases.iter().find_map(|alias| Some((alias, alias.path.values(path, query::segment)?)));
    let Some((alias, values)) = found else { return not_found(request, edge).await };
    let answer = match (request.method(), alias.serves) {
        (&Method::OPTIONS, _) => Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish()),
        (&Method::GET | &Method::HEAD, Serves::Events) => {
            events::subscribe(&request, &edge, |cursor| {
                read(alias, &values, request.query_string(), cursor, &edge.rules)
            })
            .await
        }
        (&Method::GET, Serves::Websocket) => match read(alias, &values, request.query_string(), None, &edge.rules) {
            Ok(asked) => websocket::connect(&request, content, &edge, Some(asked)).await,
            Err(problem) => Err(problem),
        },
        _ => Err(Kind::MethodNotAllowed.because("subscribe with GET").allowing(METHODS)),
    };
    answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
}

/// What a request at an alias asks for.
pub(super) fn read(
    alias: &Alias,
    values: &Values,
    query: &str,
    cursor: Option<&[u8]>,
    rules: &Rules,
) -> Result<Asked, Problem> {
    let mut channels = Vec::new();
    for template in &alias.channels {
        let channel = template.channel(values);
        channels.push(channel.map_err(|error| Kind::InvalidChannel.because(format!("{template}: {error}")))?);
    }
    let (mut types, mut terms, mut parameter) = (Vec::new(), Vec::new(), None);
    let mut seen = Vec::new();
    for (name, value) in query::pairs(query)? {
        if seen.contains(&name) {
            return Err(Kind::RepeatedParameter.because(format!("\"{}\" is given twice", quote(&name))).about(&name));
        }
        let meaning = alias.parameters.iter().find(|(known, _)| *known == name).map(|(_, meaning)| meaning);
        match meaning {
            None if rules.credentials.iter().any(|known| *known == name) => {}
            None => {
                let known: Vec<&str> = alias.parameters.iter().map(|(name, _)| name.as_str()).collect();
                let detail = format!("there is no parameter \"{}\" here, only {}", quote(&name), known.join(", "));
                return Err(Kind::UnknownParameter.because(detail).about(&name));
            }
            Some(_) if value.is_empty() => {}
            Some(Meaning::Types) => types.extend(query::list(&value)?),
            Some(Meaning::Attributes(attributes)) => terms.push((attributes.clone(), query::list(&value)?)),
            Some(Meaning::Channels(template)) => {
                for value in query::list(&value)? {
                    if channels.len() > rules.max_channels {
                        break;
                    }
                    let channel = template.channel(&vec![(VALUE.to_owned(), value)]);
                    channels.push(
                        channel.map_err(|error| {
                            Kind::InvalidChannel.because(format!("{template}: {error}")).about(&name)
                        })?,
                    );
                }
            }
            Some(Meaning::Cursor) => parameter = Some(value.clone()),
            Some(Meaning::Ignored) => {}
        }
        seen.push(name);
    }
    channels.dedup();
    if channels.is_empty() {
        return Err(Kind::MissingChannels.because("no parameter names a channel"));
    }
    let most = rules.max_channels;
    let too_many = || Kind::TooManyChannels.because(format!("a stream has at most {most} channels"));
    if channels.len() > most {
        return Err(too_many());
    }
    let channels = ChannelSet::new(channels).map_err(|_| too_many())?;
    let header = cursor.filter(|cursor| !cursor.is_empty()).map(String::from_utf8_lossy);
    let resume = match header.or(parameter) {
        None => Resume::Live,
        // The frontend never named the channels: a cursor of others is told as a gap.
        Some(text) => query::resume(&text, &channels, false)?,
    };
    let filter = query::build_filter(types, terms, None)?;
    let (view, format, named) = (alias.view.clone(), alias.format, alias.event_names);
    Ok(Asked { channels, resume, format, named, view, filter })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::openapi::tests::aliases;
    use events_gateway_config as config;

    fn alias(yaml: &str) -> Alias {
        aliases(yaml).remove(0)
    }

    fn rules() -> Rules {
        let credentials = vec!["ticket".to_owned()];
        Rules { default_channels: None, max_channels: 3, filters: Vec::new(), credentials }
    }

    fn asked(alias: &Alias, path: &str, query: &str) -> Result<Asked, Kind> {
        let values = alias.path.values(path, query::segment).ok_or(Kind::NotFound)?;
        read(alias, &values, query, None, &rules()).map_err(|problem| problem.kind)
    }

    #[test]
    fn a_request_at_an_alias_asks_what_a_query_asks() {
        let relay = alias(
            "  - {path: /api/messages/stream/, channels: [messages], eventNames: false, parameters: [{name: msg_types, is: types}, \
             {name: agents, is: attributes, attributes: [sender, recipient]}, {name: run_ids, is: attributes, attributes: [run]}, \
             {name: from, is: cursor}, {name: _, is: ignored}]}\n",
        );
        let path = "/api/messages/stream/";
        let plain = asked(&relay, path, "").unwrap();
        assert_eq!((plain.channels.as_slice()[0].as_str(), plain.named, plain.filter), ("messages", false, None));
        let all = asked(&relay, path, "msg_types=a,b&agents=x%2Cy&run_ids=&from=earliest&_=1&ticket=t").unwrap();
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let terms = vec![(texts(&["sender", "recipient"]), texts(&["x", "y"]))];
        assert_eq!(all.filter, query::build_filter(texts(&["a", "b"]), terms, None).unwrap());
        assert_eq!(all.resume, Resume::Earliest);
        for (query, kind) in [
            ("channels=secret", Kind::UnknownParameter),
            ("agents=a&agents=b", Kind::RepeatedParameter),
            ("msg_types=,", Kind::InvalidFilter),
        ] {
            assert_eq!(asked(&relay, path, query).map(drop), Err(kind), "{query}");
        }
        assert_eq!(asked(&relay, "/api/messages/stream", "").map(drop), Err(Kind::NotFound));
    }

    #[test]
    fn the_gateways_own_paths_are_known_to_whoever_configures_aliases() {
        let mut served: Vec<&str> =
            super::super::public::RESOURCES.iter().map(|resource| &resource.path[1..]).collect();
        let mut known = config::aliases::OWN.to_vec();
        served.sort_unstable();
        known.sort_unstable();
        assert_eq!(served, known);
    }

    #[test]
    fn values_of_path_and_query_fill_one_segment_each() {
        let users = alias(
            "  - {path: '/api/events/users/{user}', channels: ['user:{user}', everyone], parameters: [{name: processes, is: channels, \
             channel: 'process:{value}'}]}\n",
        );
        let names = |path: &str, query: &str| {
            let asked = asked(&users, path, query)?;
            Ok(asked.channels.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names("/api/events/users/7", ""), Ok("everyone user:7".to_owned()));
        assert_eq!(names("/api/events/users/a%3Ab%2Fc", ""), Ok("everyone user:a~3Ab~2Fc".to_owned()));
        assert_eq!(names("/api/events/users/7", "processes=1:2"), Ok("everyone process:1~3A2 user:7".to_owned()));
        assert_eq!(names("/api/events/users/7", "processes=1,2,3"), Err(Kind::TooManyChannels));
        assert_eq!(names("/api/events/users/7", "processes=1,,2"), Err(Kind::InvalidChannel));
        for path in ["/api/events/users/", "/api/events/users/7/8", "/api/events/users/%ff", "/api/events/users/%4"] {
            assert_eq!(names(path, ""), Err(Kind::NotFound), "{path}");
        }
    }
}
