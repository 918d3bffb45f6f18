use std::collections::BTreeSet;

use events_gateway_core::Timestamp;
use events_gateway_core::envelope::Decoder;
use events_gateway_core::publication::{Content, Publications, broadcast};
use events_gateway_core::record::Record;

use super::*;
use crate::http::public::description::describe as describe_public;

/// Problems of requests for which there is no operation.
const ELSEWHERE: [Kind; 1] = [Kind::MethodNotAllowed];

fn whole() -> Value {
    describe_public(&Surface::whole())
}

/// The operations of a description: (path, method, operation).
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// The types of the problems that an answer of this status may tell.
fn types<'a>(operation: &'a Value, status: &str) -> impl Iterator<Item = &'a str> {
    let schema = &operation["responses"][status]["content"]["application/problem+json"]["schema"];
    schema["allOf"][1]["properties"]["type"]["enum"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What is done at a path, itself or as one of those whose segments in braces are values.
fn item<'a>(document: &'a Value, path: &str) -> &'a Value {
    let fits = |template: &str| {
        let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        let is_value = |wanted: &str, given: &str| wanted.starts_with('{') && !given.is_empty();
        wanted.len() == given.len()
            && wanted.iter().zip(given).all(|(wanted, given)| *wanted == given || is_value(wanted, given))
    };
    let paths = document["paths"].as_object().unwrap();
    let found = paths.get(path).or_else(|| paths.iter().find_map(|(template, item)| fits(template).then_some(item)));
    found.unwrap_or(&Value::Null)
}

/// What is wrong with an answer by this description, if anything is.
pub(in crate::http) fn undescribed(document: &Value, request: &str, answer: &str) -> Option<String> {
    let mut words = request.split_whitespace();
    let (method, target) = (words.next()?.to_lowercase(), words.next()?);
    let path = target.split('?').next()?;
    let item = item(document, path);
    let operation = &item[if method == "head" { "get" } else { &method }];
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    if operation.is_null() {
        // Where nothing is, what can't be read, or isn't for whoever asks or at this host, is told before that.
        let is_nowhere = item.is_null() && ["400", "401", "403", "408", "414", "431"].contains(&status);
        let is_known = method == "options" || is_nowhere || ["404", "405"].contains(&status);
        return (!is_known).then(|| format!("{method} {path} isn't described, and was answered with {status}"));
    }
    // What a part of a request brings, or one that can't be read at all, has no handler.
    let Some((_, body)) = answer.split_once("\r\n\r\n").filter(|(_, body)| method != "head" && !body.is_empty()) else {
        return operation["responses"][status].is_null().then(|| format!("{method} {path}: no answer {status}"));
    };
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(kind) = told["type"].as_str().filter(|kind| kind.starts_with(crate::http::problem::TYPE_PREFIX)) {
        let is_described = types(operation, status).any(|described| described == kind);
        return (!is_described).then(|| format!("{method} {path}: {status} doesn't tell {kind}"));
    }
    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
    if schema.is_null() || told.is_null() {
        return operation["responses"][status].is_null().then(|| format!("{method} {path}: no answer {status}"));
    }
    let mut root = document.clone();
    close(&mut root["components"]["schemas"]);
    root["allOf"] = json!([schema]);
    let found = jsonschema::validator_for(&root).unwrap().validate(&told).err().map(|error| error.to_string());
    found.map(|error| format!("{method} {path}: {status} is otherwise: {error}"))
}

/// Has objects hold nothing that isn't described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && members.get("type") == Some(&json!("object")) {
                members.entry("additionalProperties").or_insert(false.into());
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_kind_of_problem_is_told_by_an_operation() {
    let document = whole();
    let mut described: BTreeSet<&str> = BTreeSet::new();
    for (_, _, operation) in operations(&document) {
        let statuses = operation["responses"].as_object().unwrap().keys();
        described.extend(statuses.flat_map(|status| types(operation, status)));
    }
    let missing: Vec<&str> = Kind::ALL
        .iter()
        .filter(|kind| !ELSEWHERE.contains(kind) && !described.contains(kind.type_uri().as_str()))
        .map(|kind| kind.as_str())
        .collect();
    assert!(missing.is_empty(), "no operation's description names {missing:?}: add them beside the handlers");
    for kind in ELSEWHERE {
        assert!(!described.contains(kind.type_uri().as_str()), "{}", kind.as_str());
    }
}

#[test]
fn nothing_is_served_beside_what_is_described() {
    let source = include_str!("../public.rs");
    let served = source.lines().filter(|line| line.contains("web::resource(") || line.contains("web::scope("));
    let served: Vec<&str> = served.map(str::trim).collect();
    assert_eq!(served.len(), 1, "a path of the listener stands in RESOURCES, with what it does: {served:?}");
    let document = whole();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for resource in &crate::http::public::RESOURCES {
        let served = format!("/api/v1{}", resource.path);
        assert!(paths.contains(&&served), "{served} describes nothing");
    }
    let ids: BTreeSet<&str> =
        operations(&document).map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations(&document).count());
}

#[test]
fn what_is_not_configured_is_not_described() {
    let nothing = (Vec::new(), Vec::new());
    let closed =
        Surface { publishing: None, identity: None, filters: nothing.0, aliases: nothing.1, ..Surface::whole() };
    let document = describe_public(&closed);
    let described: Vec<_> = operations(&document).map(|(path, method, _)| format!("{method} {path}")).collect();
    let always = ["/client.d.ts", "/client.js", "/events", "/events/stats", "/openapi.json", "/ws"];
    assert_eq!(described, always.map(|path| format!("get /api/v1{path}")));
    assert!(document["components"]["securitySchemes"].is_null());
    for (path, _, operation) in operations(&document) {
        assert!(operation["security"].is_null() && operation["responses"]["401"].is_null(), "{path}");
    }
    let bare = describe_public(&Surface { path_prefix: String::new(), ..closed });
    let described: Vec<_> = operations(&bare).map(|(path, _, _)| path).collect();
    assert_eq!(described, always);
}

/// Aliases of a configuration.
pub(in crate::http) fn aliases(yaml: &str) -> Vec<crate::config::Alias> {
    let base = "redis: {nodes: ['r:1']}\nkafka: {bootstrap: ['k:1'], bindings: [{name: e, topics: [t]}]}\naliases:\n";
    let config = crate::config::parse(&format!("{base}{yaml}"), &crate::config::Environment::new());
    config.unwrap_or_else(|problems| panic!("{problems}")).aliases
}

#[test]
fn every_format_that_is_read_is_described() {
    let document = whole();
    let parameters = document["paths"]["/api/v1/events"]["get"]["parameters"].as_array().unwrap();
    let format = &parameters.iter().find(|parameter| parameter["name"] == "format").unwrap()["schema"];
    let validator = jsonschema::validator_for(format).unwrap();
    for name in ["data", "envelope", "cloudevents", "message", "", "Data", "xml"] {
        assert_eq!(validator.is_valid(&json!(name)), crate::http::query::format(name).is_ok(), "{name}");
    }
}

#[test]
fn each_alias_is_described_at_its_path_and_none_that_an_earlier_one_hides() {
    let aliases = aliases(
        "  - {path: '/users/{user}/feed', channels: ['user:{user}'], parameters: [{name: since, is: cursor}]}\n  \
           - {path: /users/me/feed, channels: [me]}\n  \
           - {path: '/users/{name}/feed', channels: ['user:{name}']}\n  \
           - {path: /users-feed, serves: websocket, parameters: [{name: users, is: channels, channel: 'user:{value}'}]}\n  \
           - {path: /users/feed/, serves: websocket, channels: [users]}\n  \
           - {path: /api/v1/news, channels: [news], format: cloudevents, eventNames: false}\n",
    );
    let document = describe_public(&Surface { aliases, ..Surface::whole() });
    let described: Vec<_> = operations(&document)
        .filter(|(path, _, _)| {
            !crate::http::public::RESOURCES.iter().any(|own| *path == format!("/api/v1{}", own.path))
        })
        .map(|(path, method, operation)| (path, method, operation["operationId"].as_str().unwrap()))
        .collect();
    assert_eq!(
        described,
        [
            ("/api/v1/news", "get", "subscribeAtApiV1News"),
            ("/users-feed", "get", "connectAtUsersFeed"),
            ("/users/feed/", "get", "connectAtUsersFeed2"),
            ("/users/{user}/feed", "get", "subscribeAtUsersUserFeed"),
        ]
    );
    let paths = &document["paths"];
    let parameters = |path: &str| -> Vec<String> {
        let parameters = paths[path]["get"]["parameters"].as_array().unwrap().iter();
        parameters.map(|one| format!("{} {} {}", one["in"], one["name"], one["required"]).replace('"', "")).collect()
    };
    assert_eq!(
        parameters("/users/{user}/feed"),
        ["path user true", "query since null", "header Last-Event-ID null"],
        "and none of those that /events has"
    );
    assert_eq!(parameters("/users-feed")[0], "query users true", "nothing else names a channel");
    let answers = |path: &str| paths[path]["get"]["responses"].clone();
    assert_eq!(answers("/users/{user}/feed")["200"], answers("/api/v1/events")["200"]);
    assert_eq!(answers("/users-feed")["101"], answers("/api/v1/ws")["101"]);
    assert_eq!(paths["/users-feed"]["get"]["security"], paths["/api/v1/events"]["get"]["security"]);
    assert!(answers("/api/v1/news")["404"].is_null() && answers("/users/{user}/feed")["404"].is_object());
}

#[test]
fn parameters_of_an_alias_are_described_as_they_are_read() {
    let document = whole();
    let parameters = document["paths"]["/api/events/users/{user}"]["get"]["parameters"].as_array().unwrap();
    let rules = crate::http::query::Rules {
        default_channels: None,
        max_channels: Surface::whole().max_channels,
        filters: Vec::new(),
        credentials: Vec::new(),
    };
    for (name, value) in [
        ("types", ""),
        ("types", "order.*,paid"),
        ("types", "a,,b"),
        ("types", r"a\,b\\"),
        ("types", r"a\b"),
        ("agents", "a\nb"),
        ("agents", "ann"),
        ("processes", ""),
        ("processes", "7,a:b"),
        ("processes", "7,"),
        ("processes", r"7\,8"),
        ("processes", r"7\8"),
        ("processes", "1,2,3,4,5,6,7,8,9,10"),
        ("processes", "1,2,3,4,5,6,7,8,9,10,11"),
        ("from", ""),
        ("from", "anything"),
        ("_", "1795251600000"),
    ] {
        let schema = &parameters.iter().find(|parameter| parameter["name"] == name).unwrap()["schema"];
        let query: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let example = crate::http::alias::description::example();
        let values = vec![("user".to_owned(), "ann".to_owned())];
        let read = crate::http::alias::read(&example, &values, &format!("{name}={query}"), None, &rules);
        let validator = jsonschema::validator_for(schema).unwrap();
        assert_eq!(validator.is_valid(&json!(value)), read.is_ok(), "{name}={value}: {read:?}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(node: &'a Value, found: &mut Vec<&'a str>) {
        match node {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = whole();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

/// Whether a schema of the description takes a value.
fn takes(schema: &str, value: &str) -> bool {
    let mut root = whole();
    root["$ref"] = json!(format!("#/components/schemas/{schema}"));
    jsonschema::validator_for(&root).unwrap().is_valid(&serde_json::from_str(value).unwrap())
}

/// Whether the gateway does.
fn delivers(media_type: &str, body: &str) -> bool {
    let content = Content { media_type: Some(media_type), fields: &[], body: body.as_bytes() };
    let Ok(publications) = Publications::read(&content, 1) else { return false };
    publications.events.iter().all(decodes)
}

fn decodes(publication: &events_gateway_core::publication::Publication<'_>) -> bool {
    let headers: Vec<(&str, Option<&[u8]>)> =
        publication.headers.iter().map(|(name, value)| (name.as_ref(), Some(value.as_ref()))).collect();
    let record = Record {
        topic: "events",
        partition: 0,
        offset: 0,
        time: Timestamp(0),
        key: None,
        headers: &headers,
        value: Some(&publication.value),
    };
    Decoder::build(&[], 1 << 20).unwrap().decode(&record).is_ok()
}

/// Everything that has a schema and an example.
fn examples<'a>(node: &'a Value, found: &mut Vec<(&'a Value, &'a Value)>) {
    match node {
        Value::Object(members) => {
            if let Some(schema) = members.get("schema") {
                found.extend(members.get("example").map(|example| (schema, example)));
                let named = members.get("examples").and_then(Value::as_object).into_iter().flatten();
                found.extend(named.map(|(_, example)| (schema, &example["value"])));
            }
            members.values().for_each(|member| examples(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| examples(item, found)),
        _ => {}
    }
}

#[test]
fn every_example_is_what_its_schema_says() {
    let document = whole();
    let mut found = Vec::new();
    examples(&document["paths"], &mut found);
    assert!(found.len() >= 12, "{}", found.len());
    for (schema, example) in found {
        let mut root = document.clone();
        root["allOf"] = json!([schema]);
        let validator = jsonschema::validator_for(&root).unwrap();
        assert!(validator.is_valid(example), "{example} isn't {schema}");
    }
    for (path, _, operation) in operations(&document) {
        let content = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (media_type, content) in content {
            assert!(content.get("example").or(content.get("examples")).is_some(), "{path}: {media_type}");
        }
    }
}

#[test]
fn an_event_is_described_as_it_is_read() {
    let mut seen = BTreeSet::new();
    for members in [
        r#""channels":["a:b","c"]"#,
        r#""channels":[]"#,
        r#""channels":"a""#,
        r#""channels":["a b"]"#,
        r#""channels":["all"]"#,
        r#""type":"a""#,
        r#""channels":["a"],"type":null,"id":null,"key":null,"time":null,"attributes":null,"data":null"#,
        r#""channels":null"#,
        r#""channels":["a"],"type":"order.shipped""#,
        r#""channels":["a"],"type":"""#,
        r#""channels":["a"],"type":" a""#,
        r#""channels":["a"],"type":"a\n""#,
        r#""channels":["a"],"type":"gateway.x""#,
        r#""channels":["a"],"type":7"#,
        r#""channels":["a"],"id":"1""#,
        r#""channels":["a"],"id":"""#,
        r#""channels":["a"],"id":7"#,
        r#""channels":["a"],"key":"""#,
        r#""channels":["a"],"key":7"#,
        r#""channels":["a"],"time":0"#,
        r#""channels":["a"],"time":-1"#,
        r#""channels":["a"],"time":1795251600000.0"#,
        r#""channels":["a"],"time":1.5"#,
        r#""channels":["a"],"time":253402300800000"#,
        r#""channels":["a"],"time":"2026-11-21T09:00:00.25+01:00""#,
        r#""channels":["a"],"time":"2026-11-21""#,
        r#""channels":["a"],"time":"1969-12-31T23:59:59Z""#,
        r#""channels":["a"],"attributes":{"region":"eu"}"#,
        r#""channels":["a"],"attributes":{"region":7}"#,
        r#""channels":["a"],"attributes":{"":"x"}"#,
        r#""channels":["a"],"attributes":{"a b":"x"}"#,
        r#""channels":["a"],"data":{"n":[1,2]}"#,
        r#""channels":["a"],"chanels":["b"]"#,
    ] {
        let body = format!("{{{members}}}");
        let taken = delivers("application/json", &body);
        assert_eq!(takes("Event", &body), taken, "{body}");
        if taken {
            let value: Value = serde_json::from_str(&body).unwrap();
            seen.extend(value.as_object().unwrap().keys().cloned());
        }
    }
    let described = whole();
    let described: BTreeSet<_> =
        described["components"]["schemas"]["Event"]["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, seen, "each member that is described is read");
}

#[test]
fn a_cloud_event_is_described_as_it_is_read() {
    for members in [
        r#""channels":"a,b:c""#,
        r#""channel":"a""#,
        r#""channel":"a","channels":"b""#,
        r#""data":1"#,
        r#""channels":"a,all""#,
        r#""channels":"a,""#,
        r#""channel":"all""#,
        r#""channel":"a","data":{"n":1},"extension":7,"other":true,"none":null"#,
        r#""channel":"a","extension":{}"#,
        r#""channel":"a","an extension":"x""#,
        r#""channel":"a","data_base64":"YQ==""#,
        r#""channel":"a","data_base64":"YQ""#,
        r#""channel":"a","data_base64":"YR==""#,
        r#""channel":"a","data_base64":"YWI=""#,
        r#""channel":"a","data_base64":"YWJ=""#,
        r#""channel":"a","data_base64":"YQ==","data":1"#,
        r#""channel":"a","time":"2026-11-21T09:00:00Z""#,
        r#""channel":"a","time":"yesterday""#,
        r#""channel":"a","time":1"#,
        r#""channel":7"#,
        r#""channel":"a","channels":null"#,
        r#""channel":null,"channels":"a,b""#,
        r#""channel":null,"channels":null"#,
        r#""channel":"a","partitionkey":7"#,
        r#""channel":"a","subject":true"#,
        r#""channel":"a","time":null,"partitionkey":"k","datacontenttype":"text/plain""#,
    ] {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"paid",{members}}}"#);
        assert_eq!(takes("CloudEvent", &body), delivers("application/cloudevents+json", &body), "{body}");
    }
    for body in [
        r#"{"specversion":"1.1","id":"1","source":"/s","type":"paid","channel":"a"}"#,
        r#"{"specversion":"1.0","id":"","source":"/s","type":"paid","channel":"a"}"#,
        r#"{"specversion":"1.0","id":"1","source":"","type":"paid","channel":"a"}"#,
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"gateway.open","channel":"a"}"#,
        r#"{"id":"1","source":"/s","type":"paid","channel":"a"}"#,
    ] {
        assert!(!takes("CloudEvent", body) && !delivers("application/cloudevents+json", body), "{body}");
    }
}

#[test]
fn a_field_of_a_cloud_event_is_described_as_it_is_read() {
    let document = whole();
    let parameters = document["paths"]["/api/v1/events"]["post"]["parameters"].as_array().unwrap();
    let schema = &parameters.iter().find(|parameter| parameter["name"] == "ce-type").unwrap()["schema"];
    let validator = jsonschema::validator_for(schema).unwrap();
    for value in [
        "paid",
        "a%41",
        "a%",
        "a%zz",
        "%FF",
        "\"paid\"",
        "\"pa\\\"id\"",
        "pa\"id",
        "\"",
        "\"paid",
        "\"pa\"id\"",
        "gateway.open",
        "\"gateway.open\"",
    ] {
        let value_of = |name: &'static str, text: &'static str| (name, text.as_bytes());
        let fields = [
            value_of("ce-specversion", "1.0"),
            value_of("ce-id", "1"),
            value_of("ce-source", "/s"),
            value_of("ce-channel", "a"),
            value_of("ce-type", value),
        ];
        let content = Content { media_type: Some("text/plain"), fields: &fields, body: b"x" };
        let is_delivered = Publications::read(&content, 1).is_ok_and(|read| read.events.iter().all(decodes));
        assert_eq!(validator.is_valid(&json!(value)), is_delivered, "{value}");
    }
}

#[test]
fn a_broadcast_is_described_as_it_is_read() {
    for body in [
        r#"{"topic":"a"}"#,
        r#"{"topic":"a","type":"paid","data":[1]}"#,
        r#"{"topic":"a","type":null,"data":null}"#,
        r#"{"topic":"a","type":""}"#,
        r#"{"topic":"all"}"#,
        r#"{"topic":7}"#,
        r#"{"type":"paid"}"#,
        r#"{"topic":"a","id":"1"}"#,
    ] {
        let is_delivered = broadcast(body.as_bytes()).is_ok_and(|event| decodes(&event));
        assert_eq!(takes("Broadcast", body), is_delivered, "{body}");
    }
}
