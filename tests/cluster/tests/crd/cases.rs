//! What is refused, and what is said then; and its neighbours that are taken.

use serde_json::{Value, json};

use super::lab::{gateway, reset, with};

/// An object that is refused.
pub(crate) struct Refused {
    pub(crate) object: Value,
    /// Part of what the server says.
    pub(crate) says: &'static str,
}

fn refused(changes: &[(&str, Value)], says: &'static str) -> Refused {
    Refused { object: with(gateway("refused"), changes), says }
}

fn sasl(mechanism: &str, more: &Value) -> [(&'static str, Value); 1] {
    let mut sasl = json!({ "mechanism": mechanism });
    sasl.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    [("/spec/kafka/security", json!({ "protocol": "sasl-ssl", "sasl": sasl }))]
}

fn revoking(topic: &str) -> Value {
    let key = json!({ "name": "s", "key": "k" });
    let issuer = json!({ "issuer": "i", "audiences": ["a"], "secret": key });
    json!({ "issuers": [issuer], "revocation": { "topic": topic } })
}

fn alias(parameters: &Value) -> Value {
    json!([{ "path": "/pages/{user}", "channels": ["user:{user}"], "parameters": parameters }])
}

/// Objects that break one bound of the schema each.
pub(crate) fn bounds() -> Vec<Refused> {
    vec![
        refused(&[("/spec/kafka", Value::Null)], "spec.kafka: Required value"),
        refused(&[("/spec/redis", Value::Null)], "spec.redis: Required value"),
        refused(&[("/spec/kafka/bindings", json!([]))], "spec.kafka.bindings in body should have at least 1 items"),
        refused(&[("/spec/replicas", json!(-1))], "spec.replicas in body should be greater than or equal to 0"),
        refused(&[("/spec/replicas", json!("2"))], "must be of type integer"),
        refused(&[("/spec/redis/mode", json!("replicated"))], "Unsupported value: \"replicated\""),
        refused(&[("/spec/redis/nodes", json!(["redis://u:p@redis"]))], "spec.redis.nodes[0] in body should match"),
        refused(&[("/spec/redis/nodes", json!(["r:1", "r:1"]))], "Duplicate value: \"r:1\""),
        refused(&[("/spec/redis/password", json!({ "value": "s3cret" }))], "spec.redis.password.key: Required value"),
        refused(
            &[("/spec/redis/password", json!({ "configMap": { "name": "c", "key": "k" } }))],
            "spec.redis.password.key: Required value",
        ),
        refused(
            &[("/spec/kafka/bindings", json!([{ "name": "a", "topics": ["a"] }, { "name": "a", "topics": ["b"] }]))],
            "Duplicate value: {\"name\":\"a\"}",
        ),
        refused(
            &[("/spec/views", json!([{ "name": "v", "keep": ["a"] }]))],
            "spec.views[0].keep[0] in body should match",
        ),
        refused(
            &[("/spec/filters", json!([{ "name": "f", "when": "true" }, { "name": "f", "when": "false" }]))],
            "Duplicate value: {\"name\":\"f\"}",
        ),
        refused(&[("/spec/streams", json!({ "heartbeat": "soon" }))], "spec.streams.heartbeat in body should match"),
        refused(&[("/spec/streams", json!({ "heartbeat": "1ms" }))], "must be 1s to 5m"),
        refused(&[("/spec/channels", json!({ "linger": "2h" }))], "must be 0s to 1h"),
        refused(
            &[("/spec/kafka/clientSettings", json!({ "fetch.min.bytes": "many" }))],
            "spec.kafka.clientSettings.fetch.min.bytes in body should match",
        ),
        refused(
            &[("/spec/kafka/clientSettings", json!({ "fetch.min.bytes": "0" }))],
            "fetch.min.bytes must be 1 to 100000000",
        ),
        refused(
            &[("/spec/kafka/clientSettings", json!({ "check.crcs": "maybe" }))],
            "supported values: \"true\", \"false\"",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "ipFamilies": ["IPv4", "IPv4"] } }))],
            "Duplicate value: \"IPv4\"",
        ),
        refused(
            &[("/spec/exposure", json!({ "ingress": { "hosts": ["a.b"], "pathType": "Exact" } }))],
            "Unsupported value: \"Exact\"",
        ),
        refused(
            &[("/spec/rollout", json!({ "drainAtOnce": 0 }))],
            "spec.rollout.drainAtOnce in body should be greater than or equal to 1",
        ),
        refused(&[("/spec/pod", json!({ "resources": { "limits": { "cpu": "lots" } } }))], "in body should match"),
        refused(
            &[("/spec/pod", json!({ "affinity": { "nodeAffinity": { "required": [{ "matchExpressions": [] }] } } }))],
            "matchExpressions in body should have at least 1 items",
        ),
        refused(
            &[(
                "/spec/pod",
                json!({ "affinity": { "podAffinity": { "required": [{ "topologyKey": "z", "matchExpressions": [
                    { "key": "a", "operator": "Gt", "values": ["1"] }
                ] }] } } }),
            )],
            "Unsupported value: \"Gt\"",
        ),
    ]
}

/// Objects that break one rule each.
pub(crate) fn rules() -> Vec<Refused> {
    let keda = json!({ "prometheus": "http://prometheus:9090" });
    let mut all = vec![
        refused(&[("/metadata/name", json!("n".repeat(46)))], "metadata.name has at most 45 characters"),
        refused(&[("/metadata/name", json!("7seas"))], "metadata.name begins with a letter"),
        refused(&[("/spec/listen", json!({ "port": 80 }))], "listen.port and admin.port must be 1024 or higher"),
        refused(&[("/spec/admin", json!({ "port": 8080 }))], "admin.port is the public listener's port"),
        refused(&[("/spec/replica", json!({ "name": "one" }))], "replica.name and replica.address can't be set here"),
        refused(&[("/spec/drain", json!({ "timeout": "10m" }))], "drain.timeout must be at most 9m"),
        refused(&[("/spec/drain", json!({ "timeout": "5s", "settle": "5s" }))], "settle must be less than timeout"),
        refused(
            &[("/spec/streams", json!({ "maxPendingBytes": 65_536 }))],
            "streams.maxPendingBytes must be at least kafka.maxRecordBytes",
        ),
        refused(
            &[("/spec/streams", json!({ "maxAge": "1m", "maxAgeJitter": "1m" }))],
            "maxAgeJitter must be less than maxAge",
        ),
        refused(
            &[("/spec/limits", json!({ "streams": 10_001 }))],
            "limits.streams must be at most listen.maxConnections",
        ),
        refused(
            &[("/spec/limits", json!({ "addressStreamRate": { "perSecond": 2, "burst": 1 } }))],
            "burst must be at least perSecond",
        ),
        refused(
            &[("/spec/limits", json!({ "streams": 5_000, "softStreams": 5_000 }))],
            "softStreams must be below streams",
        ),
        refused(
            &[("/spec/channels", json!({ "defaults": ["a", "b"] })), ("/spec/streams", json!({ "maxChannels": 1 }))],
            "channels.defaults has more channels than streams.maxChannels",
        ),
        refused(&[("/spec/channels", json!({ "defaults": ["all"] }))], "defaults names the channel all"),
        refused(&[("/spec/kafka/bindings/0/route", json!("orders"))], "a binding's route names no route"),
        refused(
            &[("/spec/identity", json!({ "issuers": [{ "issuer": "i", "audiences": ["a"] }] }))],
            "the keys of an issuer are at jwksUrl, in keysFile, or the shared secret: name exactly one of them",
        ),
        refused(
            &[(
                "/spec/identity",
                json!({ "issuers": [{
                    "issuer": "i", "audiences": ["a"], "secret": { "name": "s", "key": "k" },
                    "caFile": { "name": "s", "key": "k" },
                }] }),
            )],
            "caFile goes only with jwksUrl",
        ),
        refused(
            &[("/spec/aliases", alias(&json!([{ "name": "a", "is": "types", "attributes": ["b"] }])))],
            "attributes goes with is: attributes, and only with it",
        ),
        refused(
            &[("/spec/aliases", alias(&json!([{ "name": "a", "is": "channels" }])))],
            "channel goes with is: channels, and only with it",
        ),
        refused(&[("/spec/identity", json!({}))], "nobody could say who they are: name issuers, or forwardAuth"),
        refused(
            &[("/spec/identity", json!({ "forwardAuth": { "url": "https://a.example/s", "issuer": "s" } }))],
            "nothing would be asked about: name cookies, or authorization among headers",
        ),
        refused(
            &[("/spec/identity", revoking("events"))],
            "identity.revocation.topic must not be a topic that a binding reads",
        ),
        refused(
            &[("/spec/identity", revoking("dead")), ("/spec/kafka/deadLetters", json!({ "topic": "dead" }))],
            "identity.revocation.topic must not be the topic of dead letters",
        ),
        refused(
            &[("/spec/access", json!({ "rules": [{ "to": "everyone", "issuer": "i", "subscribe": ["a"] }] }))],
            "issuer and claims go only with to: subjects",
        ),
        refused(
            &[("/spec/publish", json!({ "topic": "unread" }))],
            "publish.topic must be a topic that a binding reads as events, without a route",
        ),
        refused(
            &[("/spec/publish", json!({ "topic": "events", "addressRate": { "perSecond": 2, "burst": 1 } }))],
            "burst must be at least perSecond",
        ),
        refused(
            &[("/spec/publish", json!({ "topic": "events", "maxPendingBytes": 1_048_576 }))],
            "maxPendingBytes must be at least maxBodyBytes",
        ),
        refused(
            &[("/spec/redis", json!({ "mode": "memory" }))],
            "redis.mode memory is for one replica: set replicas to 1 and autoscaling.type to None",
        ),
        refused(
            &[("/spec/listen", json!({ "cors": { "origins": ["*"], "credentials": true } }))],
            "credentials must be false while origins has *",
        ),
        refused(
            &[("/spec/listen", json!({ "cors": { "origins": ["*", "https://a.example"] } }))],
            "* stands for every origin: nothing can stand beside it",
        ),
        refused(&[("/spec/redis/nodes", json!([]))], "nodes is required: where Redis"),
        refused(&[("/spec/redis/nodes", json!(["a:1", "b:1"]))], "nodes takes one address with mode standalone"),
        refused(&[("/spec/redis/mode", json!("sentinel"))], "sentinel.master is required with mode sentinel"),
        refused(&[("/spec/redis/sentinel", json!({ "master": "m" }))], "sentinel goes only with mode sentinel"),
        refused(
            &[("/spec/redis/username", json!({ "name": "s", "key": "k" }))],
            "password is required beside username",
        ),
        refused(
            &[("/spec/redis/tls", json!({ "certFile": { "name": "s", "key": "k" } }))],
            "certFile and keyFile go together",
        ),
        refused(
            &[("/spec/redis/tls", json!({ "caFile": { "name": "s" } }))],
            "authorities are a key of a Secret (name and key) or of a ConfigMap (configMap)",
        ),
        refused(
            &[(
                "/spec/redis/tls",
                json!({ "caFile": { "name": "s", "key": "k", "configMap": { "name": "c", "key": "k" } } }),
            )],
            "authorities are a key of a Secret (name and key) or of a ConfigMap (configMap)",
        ),
        refused(
            &[("/spec/kafka/maxPendingBytes", json!(1_048_576))],
            "maxPendingBytes must be at least maxRecordBytes",
        ),
        refused(
            &[("/spec/kafka/retryBase", json!("5s")), ("/spec/kafka/retryMax", json!("1s"))],
            "retryMax must be at least retryBase",
        ),
        refused(&[("/spec/kafka/deadLetters", json!({ "topic": "events" }))], "deadLetters.topic is read by a binding"),
        refused(
            &[(
                "/spec/kafka/bindings",
                json!([
                    { "name": "a", "topics": ["a"] },
                    { "name": "b", "topics": ["b"], "groupId": "events-gateway-a" }
                ]),
            )],
            "two bindings have one consumer group",
        ),
        refused(&[("/spec/kafka/bindings/0/topics", json!([".."]))], "'.' and '..' are no names of topics"),
        refused(&[("/spec/kafka/security", json!({ "tls": {} }))], "tls goes only with protocol ssl or sasl-ssl"),
        refused(
            &[("/spec/kafka/security", json!({ "protocol": "sasl-ssl" }))],
            "sasl is required with protocol sasl-plaintext or sasl-ssl",
        ),
        refused(
            &[(
                "/spec/kafka/security",
                json!({ "sasl": { "mechanism": "PLAIN",
                "username": { "name": "s", "key": "u" }, "password": { "name": "s", "key": "p" } } }),
            )],
            "sasl goes only with protocol sasl-plaintext or sasl-ssl",
        ),
        refused(&sasl("OAUTHBEARER", &json!({})), "oauth is required with OAUTHBEARER"),
        refused(&sasl("PLAIN", &json!({})), "username and password are required with PLAIN and SCRAM"),
        refused(
            &[("/spec/topics", json!({ "mode": "Manage", "partitions": 12 }))],
            "partitions and replicationFactor are required with mode Manage",
        ),
        refused(&[("/spec/autoscaling", json!({ "minReplicas": 11 }))], "minReplicas must be at most maxReplicas"),
        refused(&[("/spec/autoscaling", json!({ "type": "KEDA" }))], "keda.prometheus is required with type KEDA"),
        refused(&[("/spec/autoscaling", json!({ "type": "HPA", "keda": keda }))], "keda goes only with type KEDA"),
        refused(
            &[("/spec/autoscaling", json!({ "type": "HPA", "lagPerReplica": 9 }))],
            "lagPerReplica goes only with type KEDA",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "loadBalancerClass": "c" } }))],
            "loadBalancerClass and loadBalancerSourceRanges go only with type LoadBalancer",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "nodePort": 30_000 } }))],
            "nodePort goes only with type NodePort or LoadBalancer",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "externalTrafficPolicy": "Local" } }))],
            "externalTrafficPolicy goes only with type NodePort or LoadBalancer",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "allocateLoadBalancerNodePorts": false } }))],
            "allocateLoadBalancerNodePorts goes only with type LoadBalancer",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "type": "LoadBalancer", "healthCheckNodePort": 30_100 } }))],
            "healthCheckNodePort goes only with type LoadBalancer and externalTrafficPolicy Local",
        ),
        refused(
            &[("/spec/exposure", json!({ "service": { "ipFamilies": ["IPv4", "IPv6"] } }))],
            "ipFamilyPolicy must be PreferDualStack or RequireDualStack with two ipFamilies",
        ),
        refused(
            &[(
                "/spec/exposure",
                json!({ "ingress": { "hosts": ["a.b"], "tlsSecretName": "t", "tls": [{ "hosts": ["a.b"], "secretName": "u" }] } }),
            )],
            "tlsSecretName is one certificate for all hosts, tls has several: name one of both",
        ),
        refused(
            &[(
                "/spec/exposure",
                json!({ "ingress": { "hosts": ["a.b"], "tls": [{ "hosts": ["c.d"], "secretName": "u" }] } }),
            )],
            "tls has a certificate for a host that isn't among hosts",
        ),
        refused(
            &[("/spec/pod", json!({ "metadata": { "labels": { "app.kubernetes.io/name": "x" } } }))],
            "labels of app.kubernetes.io/ and eventsgateway.dev/ are the operator's",
        ),
        refused(
            &[("/spec/pod", json!({ "metadata": { "annotations": { "eventsgateway.dev/x": "x" } } }))],
            "annotations of eventsgateway.dev/ are the operator's",
        ),
        refused(&[("/spec/networkPolicy", json!({ "clients": [{}] }))], "an empty peer would be everybody"),
        refused(
            &[("/spec/rollout", json!({ "maxSurge": 0, "maxUnavailable": 0 }))],
            "maxSurge and maxUnavailable can't both be 0",
        ),
        refused(&[("/spec/pod", json!({ "tolerations": [{ "value": "x" }] }))], "key is required with operator Equal"),
        refused(
            &[("/spec/pod", json!({ "tolerations": [{ "operator": "Exists", "value": "x" }] }))],
            "value goes only with operator Equal",
        ),
        refused(
            &[("/spec/pod", json!({ "tolerations": [{ "key": "x", "lasting": "1m" }] }))],
            "lasting goes only with effect NoExecute",
        ),
    ];
    let node = |expression: Value| json!({ "affinity": { "nodeAffinity": { "required": [{ "matchExpressions": [expression] }] } } });
    let pod = |term: Value| json!({ "affinity": { "podAntiAffinity": { "required": [term] } } });
    for (affinity, says) in [
        (node(json!({ "key": "arch", "operator": "In" })), "values are required with operator In or NotIn"),
        (
            node(json!({ "key": "arch", "operator": "Exists", "values": ["x"] })),
            "values don't go with operator Exists or DoesNotExist",
        ),
        (
            node(json!({ "key": "cores", "operator": "Gt", "values": ["many"] })),
            "values must be one whole number with operator Gt or Lt",
        ),
        (
            node(json!({ "key": "cores", "operator": "Lt", "values": ["1", "2"] })),
            "values must be one whole number with operator Gt or Lt",
        ),
        (
            pod(json!({ "topologyKey": "zone", "matchExpressions": [{ "key": "app", "operator": "NotIn" }] })),
            "values are required with operator In or NotIn",
        ),
        (
            pod(
                json!({ "topologyKey": "zone", "matchExpressions": [{ "key": "app", "operator": "DoesNotExist", "values": ["x"] }] }),
            ),
            "values don't go with operator Exists or DoesNotExist",
        ),
        (
            pod(json!({ "topologyKey": "zone", "matchLabels": {} })),
            "matchLabels or matchExpressions is required: nothing would be every pod of the namespace",
        ),
    ] {
        all.push(refused(&[("/spec/pod", affinity)], says));
    }
    let key = json!({ "name": "s", "key": "k" });
    let oauth = |endpoint: &str| json!({ "tokenEndpoint": endpoint, "clientId": "c", "clientSecret": key });
    let safe = oauth("https://identity.example/token");
    all.push(refused(
        &sasl("PLAIN", &json!({ "username": key, "password": key, "oauth": safe })),
        "oauth goes only with OAUTHBEARER",
    ));
    all.push(refused(
        &sasl("OAUTHBEARER", &json!({ "oauth": safe, "username": key })),
        "username and password go only with PLAIN and SCRAM",
    ));
    all.push(refused(
        &sasl("OAUTHBEARER", &json!({ "oauth": oauth("http://identity.example/token") })),
        "tokenEndpoint must be https",
    ));
    all
}

/// Offset resets that break one rule each.
pub(crate) fn resets() -> Vec<Refused> {
    let refused = |to: Value, says: &'static str| Refused { object: with(reset("refused"), &[("/spec/to", to)]), says };
    vec![
        refused(json!({ "position": "Time" }), "time is required with position Time"),
        refused(json!({ "position": "Earliest", "ago": "1h" }), "ago is required with position Ago"),
        refused(json!({ "position": "Offsets" }), "offsets are required with position Offsets"),
        refused(json!({ "position": "Time", "time": "yesterday" }), "spec.to.time in body should match"),
        refused(
            json!({ "position": "Offsets", "offsets": [{ "topic": "t", "partition": 0, "offset": -1 }] }),
            "should be greater than or equal to 0",
        ),
        refused(
            json!({ "position": "Offsets", "offsets": [
                { "topic": "t", "partition": 0, "offset": 1 }, { "topic": "t", "partition": 0, "offset": 2 }
            ] }),
            "Duplicate value",
        ),
        refused(json!({ "position": "Somewhere" }), "Unsupported value"),
    ]
}

/// Gateways that are taken, each near to what is refused.
pub(crate) fn taken() -> Vec<Value> {
    let key = json!({ "name": "s", "key": "k" });
    let change = |changes: &[(&str, Value)]| with(gateway("taken"), changes);
    vec![
        gateway("taken"),
        change(&[("/metadata/name", json!("n".repeat(45)))]),
        change(&[("/spec/replicas", json!(0))]),
        change(&[(
            "/spec/aliases",
            alias(
                &json!([{ "name": "a", "is": "attributes", "attributes": ["b"] }, { "name": "c", "is": "channels", "channel": "d:{value}" }]),
            ),
        )]),
        change(&[
            (
                "/spec/views",
                json!([{ "name": "v", "keep": ["/a/*/b"], "compute": [{ "to": "/c", "value": "data.d" }] }]),
            ),
            ("/spec/filters", json!([{ "name": "f", "when": "data.d > 1" }])),
        ]),
        change(&[("/spec/identity", revoking("revocations")), ("/spec/kafka/deadLetters", json!({ "topic": "dead" }))]),
        change(&[("/spec/redis", json!({ "mode": "memory" })), ("/spec/replicas", json!(1))]),
        change(&[("/spec/drain", json!({ "timeout": "9m", "settle": "5m" }))]),
        change(&[("/spec/limits", json!({ "streams": 5_000, "softStreams": 4_999 }))]),
        change(&[("/spec/rollout", json!({ "drainAtOnce": 1 }))]),
        change(&[(
            "/spec/listen",
            json!({ "cors": { "origins": ["*"] }, "tls": { "certFile": key, "keyFile": key } }),
        )]),
        change(&[
            ("/spec/redis/tls", json!({ "caFile": { "configMap": { "name": "c", "key": "k" } } })),
            ("/spec/redis/username", key.clone()),
            ("/spec/redis/password", key.clone()),
        ]),
        change(&[(
            "/spec/redis",
            json!({ "mode": "sentinel", "nodes": ["a:1", "b:1"], "sentinel": { "master": "m" } }),
        )]),
        change(&[("/spec/redis/tls", json!({ "caFile": key }))]),
        change(&sasl("SCRAM-SHA-512", &json!({ "username": key, "password": key }))),
        change(&sasl(
            "OAUTHBEARER",
            &json!({ "oauth": { "tokenEndpoint": "http://127.0.0.1:8080/token", "clientId": "c", "clientSecret": key } }),
        )),
        change(&[("/spec/kafka/clientSettings", json!({ "fetch.min.bytes": "1", "check.crcs": "true" }))]),
        change(&[
            ("/spec/routes", json!([{ "name": "orders", "rules": [{ "channels": ["user:{value./id}"] }] }])),
            ("/spec/kafka/bindings/0/route", json!("orders")),
        ]),
        change(&[(
            "/spec/autoscaling",
            json!({ "type": "KEDA", "lagPerReplica": 1_000, "keda": { "prometheus": "http://prometheus:9090" } }),
        )]),
        change(&[(
            "/spec/exposure",
            json!({
                "service": { "type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["10.0.0.0/8"] },
                "ingress": { "controller": "traefik", "hosts": ["events.example.org"], "tlsSecretName": "tls" },
                "httpRoute": { "parents": [{ "name": "web", "namespace": "edge" }], "hosts": ["*.example.org"] },
            }),
        )]),
        change(&[(
            "/spec/exposure",
            json!({
                "service": {
                    "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "externalTrafficPolicy": "Local",
                    "healthCheckNodePort": 30_100, "internalTrafficPolicy": "Local", "trafficDistribution": "PreferSameNode",
                    "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"],
                },
                "ingress": {
                    "hosts": ["a.example.org", "b.example.org"], "pathType": "ImplementationSpecific",
                    "tls": [{ "hosts": ["b.example.org"], "secretName": "b" }],
                },
            }),
        )]),
        change(&[("/spec/exposure", json!({ "service": { "ipFamilies": ["IPv6"] } }))]),
        change(&[(
            "/spec/networkPolicy",
            json!({ "enabled": true, "monitors": [{ "namespaceLabels": { "kubernetes.io/metadata.name": "monitoring" } }] }),
        )]),
        change(&[(
            "/spec/pod",
            json!({
                "metadata": { "labels": { "team": "events" } },
                "resources": { "requests": { "cpu": "500m", "memory": "256Mi" } },
                "tolerations": [{ "operator": "Exists", "effect": "NoExecute", "lasting": "5m" }],
                "spread": [{ "topologyKey": "topology.kubernetes.io/zone" }],
            }),
        )]),
        change(&[(
            "/spec/pod/affinity",
            json!({
                "nodeAffinity": {
                    "required": [{ "matchExpressions": [{ "key": "arch", "operator": "In", "values": ["arm64"] }] }],
                    "preferred": [{ "weight": 1, "matchExpressions": [
                        { "key": "cores", "operator": "Gt", "values": ["8"] }, { "key": "spot", "operator": "DoesNotExist" }
                    ] }],
                },
                "podAffinity": { "preferred": [{ "weight": 100, "term": { "topologyKey": "zone", "matchLabels": { "app": "redis" } } }] },
                "podAntiAffinity": { "required": [
                    { "topologyKey": "kubernetes.io/hostname", "matchExpressions": [{ "key": "noisy", "operator": "Exists" }] }
                ] },
            }),
        )]),
    ]
}
