//! The whole way: from text and environment to proven values or problems.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MINIMAL: &str = include_str!("../../../deploy/samples/minimal.yaml");
const FULL: &str = include_str!("../../../deploy/samples/full.yaml");

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn proven(text: &str) -> Config {
    parse(text, &Environment::new()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The minimal file with further lines.
fn problems_with(more: &str) -> String {
    problems(&format!("{MINIMAL}{more}"))
}

fn problems(text: &str) -> String {
    parse(text, &Environment::new()).expect_err("there is something wrong").to_string()
}

#[test]
fn every_sample_is_accepted() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let entries = ["samples", "migrations"].map(|folder| std::fs::read_dir(deploy.join(folder)).unwrap());
    let mut checked = 0;
    for entry in entries.into_iter().flatten() {
        let path = entry.unwrap().path();
        // Custom resources have a kind; configuration files have not.
        if path.extension().is_some_and(|ending| ending == "yaml")
            && !std::fs::read_to_string(&path).unwrap().contains("\nkind: ")
        {
            check(&path, &Environment::new()).unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display()));
            checked += 1;
        }
    }
    assert!(checked >= 6, "minimal, full and four migrations at least");
}

#[test]
fn the_full_sample_shows_every_section() {
    let written = document::parse(FULL).unwrap();
    let schema = raw::schema::gateway();
    for section in schema["properties"].as_object().unwrap().keys() {
        assert!(written.get(section).is_some(), "{section} is missing");
    }
}

#[test]
fn the_minimal_sample_has_the_defaults_that_the_types_have() {
    let config = proven(MINIMAL);
    assert_eq!(config.listen.address.port(), 8080);
    assert_eq!(config.listen.path_prefix, "/api/v1");
    assert_eq!(config.redis.prefix, "egw:");
    assert_eq!(config.channels.retention_age, Duration::from_secs(4 * 3600));
    assert_eq!(config.kafka.bindings[0].group_id, "events-gateway-events");
    assert_eq!(config.kafka.max_record_bytes.get(), (1 << 20) + (64 << 10));
    assert!(config.streams.heartbeat + config.streams.peer_timeout <= Duration::from_secs(30), "silent peers");
    assert_eq!(config.replica.name, "gateway");
    let named = parse(MINIMAL, &environment(&[("HOSTNAME", "h"), ("POD_NAME", "p"), ("POD_IP", "fd00::7")])).unwrap();
    assert_eq!(named.replica.address.unwrap().to_string(), "[fd00::7]:8080");
    assert_eq!(named.replica.name, "p");
}

#[test]
fn the_development_configuration_is_proven_and_stays_on_this_machine() {
    let config = dev::config("127.0.0.1:40123", &Environment::new()).unwrap();
    assert!(config.listen.address.ip().is_loopback() && config.admin.address.ip().is_loopback());
    assert_eq!(config.kafka.bootstrap[0].port, 40123);
    assert_eq!(config.redis.mode, redis::Mode::Memory);
    assert_eq!(config.channels.defaults, [events_gateway_core::Channel::all()]);
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let text = "
listen: {port: 70000, adress: '::', cors: {origins: ['*'], credentials: true}}
admin: {port: 'x', token: {}}
redis: {mode: sentinal, nodes: []}
kafka:
  bootstrap: ['redis://u:hunter2@h:1']
  protocol: 5
  bindings:
    - {name: Orders, topics: [a], route: ordres}
    - {name: b, topics: [a, c], kind: events, colour: red}
    - {name: b, topics: []}
  clientSettings: {plugin.library.paths: /tmp/x.so, fetch.min.byte: '1'}
routes: [{name: orders, rules: [{channels: ['{key}']}, {channels: ['{value}']}]}]
streams: {heartbeat: 1h, maxAge: 5, retry: 2 s}
";
    let told = problems(text);
    let lines: Vec<&str> = told.lines().collect();
    let expected = [
        "admin.port: expected a whole number, found a text",
        "admin.token: names no source: file, env or value",
        "kafka.bindings[0].name: expected a name of at most 63 small letters, digits and hyphens",
        "kafka.bindings[0].route: names no route; did you mean orders?",
        "kafka.bindings[1].colour: is not a known key; known here: consumers, groupId, isolation, kind, name, route, start, topics",
        "kafka.bindings[1].topics[0]: the topic stands at kafka.bindings[0].topics[0] already",
        "kafka.bindings[2].name: the name stands at kafka.bindings[1].name already",
        "kafka.bindings[2].topics: needs at least 1 item",
        "kafka.bootstrap[0]: expected a host and a port such as redis:6379 (no scheme, no credentials)",
        "kafka.clientSettings[\"fetch.min.byte\"]: is not among the settings that may be set here (see the reference); did you mean fetch.min.bytes?",
        "kafka.clientSettings[\"plugin.library.paths\"]: is not among the settings that may be set here (see the reference)",
        "kafka.protocol: expected one of auto, consumer, classic, found a number without quotes",
        "listen.adress: is not a known key; did you mean address?",
        "listen.cors.credentials: must be false while origins has *: any page could act for the user",
        "listen.port: must be 0 to 65535",
        "redis.mode: expected one of standalone, sentinel, cluster, memory; did you mean sentinel?",
        "redis.nodes: is required: where Redis, or its sentinels, are reached",
        "routes[0].rules[1]: is never tried: a rule before it has no condition",
        "streams.heartbeat: must be 1s to 5m",
        "streams.maxAge: expected a duration such as 30s, 1h30m or 250ms, found a number without quotes",
        "streams.retry: expected a duration such as 30s, 1h30m or 250ms",
    ];
    assert_eq!(lines, expected, "\n{told}");
    assert!(!told.contains("hunter2"), "no value is told");
}

#[test]
fn what_is_required_is_told_by_name() {
    assert_eq!(
        problems(""),
        "kafka: is required: where events come from\nredis.nodes: is required: where Redis, or its sentinels, are reached"
    );
    let told = problems("kafka: {bindings: [{name: a}]}");
    assert!(told.starts_with("kafka.bindings[0].topics: is required: the topics"), "{told}");
    assert!(told.contains("\nkafka.bootstrap: is required: some brokers of the cluster"), "{told}");
}

#[test]
fn a_key_without_value_counts_as_absent_but_must_be_known() {
    assert_eq!(proven(&format!("{MINIMAL}  tls:\n  password:\nstreams:\n")).redis.tls, None);
    assert!(problems_with("  passwort:\n").starts_with("redis.passwort: is not a known key"));
}

#[test]
fn sections_that_contradict_each_other_are_told() {
    for (more, expected) in [
        ("channels: {defaults: [all]}", "channels.defaults[0]: does not exist while channels.all is false"),
        (
            "channels: {defaults: [a, b], public: ['a*']}\nstreams: {maxChannels: 1}",
            "channels.defaults: has more channels than streams.maxChannels\nchannels.public[0]: expected a channel pattern such as user:* (one segment) or orders:** (one or more)",
        ),
        (
            "channels: {overflow: [{pattern: a, policy: disconnect}, {pattern: a, policy: drop-oldest}]}",
            "channels.overflow[1].pattern: the pattern stands at channels.overflow[0].pattern already",
        ),
        ("streams: {maxPendingBytes: 65536}", "streams.maxPendingBytes: must be at least kafka.maxRecordBytes"),
        ("streams: {maxAge: 10m}", "streams.maxAgeJitter: must be less than maxAge"),
        ("limits: {streams: 10001}", "limits.streams: must be at most listen.maxConnections"),
        ("limits: {softStreams: 9900}", "limits.softStreams: must be below streams"),
        (
            "limits: {streamRate: {perSecond: 5, burst: 4}}",
            "limits.streamRate.burst: must be at least perSecond: a second's may come at once",
        ),
        ("admin: {port: 8080}", "admin.port: is the public listener's port: the admin listener needs one of its own"),
        ("admin: {token: {value: short}}", "admin.token: needs at least 16 bytes"),
        (
            "admin: {token: {value: aaaaaaaaaaaaaaaa, env: X}}",
            "admin.token: names several sources: one of file, env and value",
        ),
        (
            "listen: {cors: {origins: ['https://Example.org:443']}}",
            "listen.cors.origins[0]: browsers write this origin as https://example.org",
        ),
        ("listen: {tls: {certFile: /a}}", "listen.tls.keyFile: is required: pem file with the private key"),
        ("drain: {timeout: 2s}", "drain.settle: must be less than timeout"),
        (
            "replica: {address: 'h:70000'}",
            "replica.address: expected a host and a port from 1 to 65535, such as redis:6379",
        ),
    ] {
        assert_eq!(problems_with(more), expected, "{more}");
    }
}

#[test]
fn what_goes_only_with_something_else_is_told() {
    let redis = |text: &str| {
        problems(&format!("kafka: {{bootstrap: ['k:1'], bindings: [{{name: a, topics: [a]}}]}}\nredis: {text}"))
    };
    assert_eq!(redis("{nodes: ['a:1', 'b:1']}"), "redis.nodes: takes one address with mode standalone");
    assert_eq!(redis("{nodes: ['a:1'], mode: sentinel}"), "redis.sentinel.master: is required with mode sentinel");
    assert_eq!(redis("{nodes: ['a:1'], sentinel: {master: m}}"), "redis.sentinel: goes only with mode sentinel");
    assert_eq!(redis("{nodes: ['a:1'], username: {value: u}}"), "redis.password: is required beside username");
    assert_eq!(redis("{nodes: ['a:1'], tls: {certFile: c}}"), "redis.tls.keyFile: is required beside certFile");

    let kafka = |text: &str| problems(&format!("redis: {{nodes: ['r:1']}}\nkafka: {{bootstrap: ['k:1'], {text}}}"));
    let bound = |security: &str| kafka(&format!("bindings: [{{name: a, topics: [a]}}], security: {security}"));
    assert_eq!(bound("{tls: {}}"), "kafka.security.tls: goes only with protocol ssl or sasl-ssl");
    assert_eq!(
        bound("{protocol: sasl-ssl}"),
        "kafka.security.sasl: is required with protocol sasl-plaintext or sasl-ssl"
    );
    assert_eq!(
        bound(
            "{protocol: sasl-ssl, sasl: {mechanism: PLAIN, oauth: {tokenEndpoint: 'https://t', clientId: c, clientSecret: {value: x}}}}"
        ),
        "kafka.security.sasl.oauth: goes only with OAUTHBEARER\n\
         kafka.security.sasl.password: is required with PLAIN and SCRAM\n\
         kafka.security.sasl.username: is required with PLAIN and SCRAM"
    );
    assert_eq!(
        bound(
            "{protocol: sasl-ssl, sasl: {mechanism: OAUTHBEARER, oauth: {tokenEndpoint: 'http://t', clientId: c, clientSecret: {value: x}}}}"
        ),
        "kafka.security.sasl.oauth.tokenEndpoint: must be https: the client's secret is sent there"
    );
    assert_eq!(
        kafka("bindings: [{name: a, topics: [a], kind: commands, route: r}], deadLetters: {topic: a}"),
        "kafka.bindings[0].route: names no route\n\
         kafka.deadLetters.topic: is read by a binding: dead letters would come back for ever"
    );
}

#[test]
fn what_is_published_has_to_be_read_as_it_is_written() {
    let publish = |topic: &str, more: &str| {
        let bindings = "[{name: a, topics: [events]}, {name: b, topics: [routed], route: r}, {name: c, topics: [orders], kind: commands}]";
        let routes = "routes: [{name: r, rules: [{channels: [a]}]}]";
        let text =
            format!("redis: {{nodes: ['r:1']}}\nkafka: {{bootstrap: ['b:1'], bindings: {bindings}}}\n{routes}\n");
        parse(&format!("{text}publish: {{topic: {topic}{more}}}"), &Environment::new())
    };
    let told = |topic, more| publish(topic, more).unwrap_err().to_string();
    let config = publish("events", ", timeout: 3s").unwrap();
    assert_eq!(config.publish.unwrap().timeout, Duration::from_secs(3));
    assert_eq!(told("other", ""), "publish.topic: is read by no binding: nothing that is published would be delivered");
    assert_eq!(told("orders", ""), "publish.topic: is read as commands: publish to a topic that is read as events");
    assert_eq!(told("routed", ""), "publish.topic: is read by a route: what is published is in the default envelope");
    assert_eq!(
        told("events", ", maxPendingBytes: 1048576, addressRate: {perSecond: 5, burst: 4}"),
        "publish.addressRate.burst: must be at least perSecond: a second's may come at once\n\
         publish.maxPendingBytes: must be at least maxBodyBytes"
    );
}

#[test]
fn views_filters_and_aliases_are_proven_and_named_by_those_that_exist() {
    let told = problems_with(
        "views: [{name: raw}, {name: v, keep: [/a/~2], compute: [{to: /b, value: data.c + 1}]}, {name: v}]\n\
         filters: [{name: f, when: value.a}]\n\
         aliases:\n\
         - {path: /api/v1/events, channels: [a]}\n\
         - {path: '/p/{user}', channels: ['user:{other}'], view: w, parameters: [{name: a, is: types, attributes: [b]}]}\n\
         - {path: /q, parameters: [{name: a, is: ignored}, {name: a, is: channels}]}\n\
         access: {rules: [{to: everyone, subscribe: [a], views: [v, w, raw]}, {to: everyone, replay: [a], views: [v]}]}",
    );
    for line in [
        "views[0].name: raw is the event as it came",
        "views[1].keep[0]: has a '~'",
        "views[1].compute[0].value: '+' is not taken",
        "views[2].name: the name stands at views[1].name already",
        "filters[0].when: unknown variable \"value\"",
        "aliases[0].path: is one of the gateway's own",
        "aliases[1].channels[0]: there is no value {other} here",
        "aliases[1].view: is none of views, nor raw",
        "aliases[1].parameters[0]: attributes goes with is: attributes",
        "aliases[2].parameters[1].name: the parameter stands at",
        "aliases[2].parameters[1]: channel goes with is: channels",
        "access.rules[0].views[1]: is none of views, nor raw",
        "access.rules[1].views: goes only with subscribe",
    ] {
        assert!(told.contains(line), "{line} in:\n{told}");
    }
}

#[test]
fn revocations_have_a_topic_of_their_own() {
    let revoking = |topic: &str, more: &str| {
        let issuer = "{issuer: i, audiences: [a], secret: {value: x}}";
        format!("{MINIMAL}identity: {{issuers: [{issuer}], revocation: {{topic: {topic}{more}}}}}")
    };
    let bound = proven(MINIMAL).kafka.bindings[0].topics[0].clone();
    let name = proven(MINIMAL).kafka.bindings[0].name.clone();
    assert_eq!(
        problems(&revoking(&bound, "")),
        format!("identity.revocation.topic: is read by the binding {name}: give revocations a topic of their own")
    );
    let revocation = proven(&revoking("revocations", "")).identity.unwrap().revocation.unwrap();
    let seconds =
        [revocation.retention, revocation.confirm_within, revocation.cut_off_after].map(|time| time.as_secs());
    assert_eq!((seconds, revocation.when_cut_off), ([24 * 3_600, 2, 30], revocation::WhenCutOff::Keep));
    assert_eq!(
        problems(&revoking("revocations", ", cutOffAfter: 1s, whenCutOff: panic, retention: 1s")),
        "identity.revocation.cutOffAfter: must be 5s to 24h\n\
         identity.revocation.retention: must be 1m to 2160h\n\
         identity.revocation.whenCutOff: expected one of keep, disconnect"
    );
}

#[test]
fn identity_and_access_agree_and_every_pattern_is_one() {
    let with = |more: &str| format!("{MINIMAL}{more}");
    let issuers = "identity: {issuers: [{issuer: i, audiences: [a], jwksUrl: 'http://[::1]:80/keys'}]}";
    let config = proven(&with(issuers));
    assert!(config.access.unwrap().0.is_empty(), "nothing is granted");
    assert!(proven(MINIMAL).access.is_none(), "everything is");
    assert_eq!(
        problems_with(
            "identity: {queryParameter: channels, issuers: [{issuer: i, audiences: [a], jwksUrl: 'http://id.example'}, {issuer: i, audiences: [a], caFile: x, secret: {value: x}, keysFile: y}]}"
        ),
        "identity.issuers[0].jwksUrl: must be https: whoever could change the keys could make tokens\n\
         identity.issuers[1]: needs exactly one of jwksUrl, keysFile and secret\n\
         identity.issuers[1].caFile: goes only with jwksUrl\n\
         identity.issuers[1].issuer: the issuer stands at identity.issuers[0].issuer already\n\
         identity.queryParameter: is a parameter that subscriptions have already"
    );
    assert_eq!(
        problems_with("access: {rules: [{subscribe: [a]}, {to: everyone, claims: {/a: b}, subscribe: ['a:**:b']}]}"),
        "access.rules[0]: is for subjects, and without identity there are none\n\
         access.rules[1]: issuer and claims go only with to: subjects: who has no token has neither\n\
         access.rules[1].subscribe[0]: expected a channel pattern whose segments are texts, * or claims, such as orders:*, user:{sub} or process:{claims./processes/*}"
    );
    assert_eq!(
        problems(&with(&format!(
            "{issuers}\naccess: {{rules: [{{issuer: j, claims: {{roles: x}}, publish: ['user:{{sub}}']}}]}}"
        ))),
        "access.rules[0].claims.roles: is no JSON pointer: expected one such as /realm_access/roles\n\
         access.rules[0].issuer: is none of identity.issuers"
    );
}

#[test]
fn a_service_that_knows_sessions_is_asked_about_something_and_is_no_issuer() {
    let with =
        |more: &str| format!("{MINIMAL}identity: {{forwardAuth: {{url: 'https://shop.example/session', {more}}}}}");
    let config = proven(&with("issuer: shop, cookies: [sid]"));
    let service = config.identity.unwrap().forward_auth.unwrap();
    assert_eq!((service.timeout, service.cache), (Duration::from_secs(2), Duration::from_secs(5)));
    assert_eq!(problems(&format!("{MINIMAL}identity: {{}}")), "identity: needs issuers, or forwardAuth");
    assert_eq!(
        problems(&with("issuer: shop, headers: [cookie, host, transfer-encoding]")),
        "identity.forwardAuth: would never be asked: name cookies, or authorization among headers\n\
         identity.forwardAuth.headers[0]: is not sent on as a whole: name the cookies in cookies\n\
         identity.forwardAuth.headers[1]: is not a field that can be sent on\n\
         identity.forwardAuth.headers[2]: is not a field that can be sent on"
    );
    let issuers = "issuers: [{issuer: i, audiences: [a], jwksUrl: 'https://id.example'}], cookie: token";
    let service = "forwardAuth: {url: 'http://shop.example/session', issuer: i, cookies: [token]}";
    assert_eq!(
        problems(&format!("{MINIMAL}identity: {{{issuers}, {service}}}")),
        "identity.forwardAuth.cookies[0]: holds tokens already: it is identity.cookie\n\
         identity.forwardAuth.issuer: must be none of identity.issuers: its subjects would be theirs\n\
         identity.forwardAuth.url: must be https: whoever could read what is sent could be anybody"
    );
    let rule = "access: {rules: [{issuer: shop, subscribe: ['user:{sub}']}]}";
    proven(&format!("{}\n{rule}", with("issuer: shop, headers: [authorization]")));
}

#[test]
fn the_environment_overrides_and_a_wrong_value_names_its_variable() {
    let config = parse(
        MINIMAL,
        &environment(&[("EVENTS_GATEWAY__REDIS__PASSWORD", "hunter2"), ("EVENTS_GATEWAY__LISTEN__PORT", "8443")]),
    )
    .unwrap();
    assert_eq!(config.listen.address.port(), 8443);
    assert_eq!(config.redis.password.as_ref().unwrap().read().unwrap().expose(), "hunter2");

    let variables = [("EVENTS_GATEWAY__LISTEN__PORT", "eighty"), ("EVENTS_GATEWAY__LISTEN__PROT", "80")];
    let told = parse(MINIMAL, &environment(&variables)).unwrap_err().to_string();
    assert!(told.contains("EVENTS_GATEWAY__LISTEN__PROT: overrides no known key"), "{told}");
    assert!(
        told.contains("listen.port: expected a whole number, found a text (set by EVENTS_GATEWAY__LISTEN__PORT)"),
        "{told}"
    );
}

#[test]
fn templates_that_do_not_compile_are_told_beside_all_else() {
    let text = format!("{MINIMAL}routes: [{{name: r, rules: [{{channels: ['{{']}}]}}]\nadmin: {{port: 8080}}");
    let told = parse(&text, &Environment::new()).unwrap_err().to_string();
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("\nroutes[0].rules[0].channels[0]: "), "{told}");
}

#[test]
fn a_missing_secret_or_certificate_stops_run_and_not_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.yaml");
    std::fs::write(&path, FULL).unwrap();
    check(&path, &Environment::new()).unwrap();
    let told = load(&path, &Environment::new()).unwrap_err().to_string();
    for place in [
        "admin.token: failed to read /etc/events-gateway/secrets/admin-token: ",
        "kafka.security.sasl.oauth.clientSecret: failed to read",
        "kafka.security.tls.caFile: failed to read",
        "listen.tls.certFile: failed to read",
        "redis.password: the environment variable REDIS_PASSWORD is not set",
        "redis.sentinel.username: failed to read",
        "redis.tls.keyFile: failed to read",
    ] {
        assert!(told.lines().any(|line| line.starts_with(place)), "{place}\n{told}");
    }
    std::fs::write(&path, MINIMAL).unwrap();
    load(&path, &Environment::new()).unwrap();
    let missing = load(&directory.path().join("none"), &Environment::new()).unwrap_err();
    assert!(missing.to_string().starts_with("(file): failed to read the file: "), "{missing}");
}

#[test]
fn what_is_in_force_reads_back_as_the_same_configuration() {
    for text in [MINIMAL, FULL, dev::YAML] {
        let config = proven(text);
        let again = proven(&config.to_yaml());
        assert_eq!(again.raw, config.raw);
    }
}

#[test]
fn no_secret_is_ever_printed() {
    // Every secret that the schema knows, set inline by the environment.
    fn secrets(node: &Value, variable: &str, found: &mut Vec<String>) {
        for (key, child) in node["properties"].as_object().into_iter().flatten() {
            let variable = format!("{variable}__{key}");
            if child["x-kind"] == "secret" {
                found.push(variable);
            } else {
                secrets(child, &variable, found);
            }
        }
    }
    let mut variables = Vec::new();
    secrets(raw::schema::gateway(), "EVENTS_GATEWAY", &mut variables);
    assert!(variables.len() >= 8, "{variables:?}");
    // With the marker in every one of them the file contradicts itself, so what is looked at is the raw configuration.
    let environment = variables.iter().map(|variable| (variable.clone(), "marker-of-a-secret".to_owned())).collect();
    let (mut document, schema) = (document::parse(FULL).unwrap(), raw::schema::gateway());
    overrides::apply(&mut document, schema, &environment, &mut Problems::default());
    assert_eq!(document.to_string().matches("marker-of-a-secret").count(), variables.len());
    let raw: raw::Gateway = serde_json::from_value(document).unwrap();
    let shown = format!("{raw:?}{}", serde_saphyr::to_string(&raw.redacted()).unwrap());
    assert!(!shown.contains("marker-of-a-secret"), "{shown}");

    let plain = "security: {protocol: sasl-ssl, sasl: {mechanism: PLAIN, username: {value: marker}, password: {value: marker}}}";
    let config = proven(&MINIMAL.replace("kafka:\n", &format!("kafka:\n  {plain}\n")));
    assert!(!format!("{config:?}{}", config.to_yaml()).contains("marker"));
}

#[test]
fn the_schema_for_editors_is_json() {
    let schema: Value = serde_json::from_str(&effective::json_schema()).unwrap();
    assert_eq!(schema["title"], "Events Gateway configuration");
}

#[test]
fn a_slow_subscriber_is_treated_by_the_first_pattern_that_fits() {
    let config = proven(FULL);
    let policy = |name: &str| config.channels.overflow(&events_gateway_core::Channel::parse(name).unwrap());
    assert_eq!(policy("prices:EUR"), channels::OverflowPolicy::LatestPerKey);
    assert_eq!(policy("ticker:a:b"), channels::OverflowPolicy::DropOldest);
    assert_eq!(policy("prices"), channels::OverflowPolicy::Disconnect);
}

/// Values of every type, nested under keys of the schema, so that the checks behind the parser are reached.
fn any_value() -> impl Strategy<Value = Value> {
    let schema = raw::schema::gateway();
    let mut keys = std::collections::BTreeSet::new();
    collect_keys(schema, &mut keys);
    let keys: Vec<String> = keys.into_iter().collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["a", "1s", "h:1", "all", "user:*", "1h ago", "earliest", "sentinel", "*"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(keys.clone()), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn collect_keys(node: &Value, keys: &mut std::collections::BTreeSet<String>) {
    for (key, child) in node["properties"].as_object().into_iter().flatten() {
        keys.insert(key.clone());
        collect_keys(child, keys);
    }
    if node["items"].is_object() {
        collect_keys(&node["items"], keys);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_document_is_proven_or_refused_with_a_problem(value in any_value(), name in "[A-Za-z0-9_]{0,20}", text in any::<String>()) {
        let environment = environment(&[(&format!("EVENTS_GATEWAY__{name}"), &text)]);
        if let Err(problems) = parse(&value.to_string(), &environment) {
            prop_assert!(!problems.is_empty());
            let lines = problems.to_string().lines().count();
            prop_assert_eq!(lines, problems.iter().count(), "one line a problem");
        }
    }

    #[test]
    fn any_text_after_a_good_file_is_proven_or_refused(more in any::<String>()) {
        let _ = parse(&format!("{MINIMAL}{more}"), &Environment::new());
    }
}
