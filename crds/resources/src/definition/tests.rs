use super::*;

/// Visits every schema below `spec` and `status` with its path.
fn walk(visit: &mut impl FnMut(&str, &Value)) {
    fn down(at: &str, node: &Value, visit: &mut impl FnMut(&str, &Value)) {
        visit(at, node);
        for (name, child) in node["properties"].as_object().into_iter().flatten() {
            down(&format!("{at}.{name}"), child, visit);
        }
        for child in [&node["items"], &node["additionalProperties"]] {
            if child.is_object() {
                down(&format!("{at}[]"), child, visit);
            }
        }
    }
    for definition in definitions() {
        let kind = definition.object["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        for part in ["spec", "status"] {
            down(&format!("{kind}.{part}"), &root(&definition)["properties"][part], visit);
        }
    }
}

fn root(definition: &Definition) -> &Value {
    &definition.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

#[test]
fn every_text_list_map_and_number_is_bounded() {
    walk(&mut |at, node| {
        let bound = |keyword: &str| assert!(node[keyword].is_number(), "{at} has no {keyword}");
        match node["type"].as_str() {
            Some("string") if node["enum"].is_array() => {}
            Some("string") => bound("maxLength"),
            Some("array") => bound("maxItems"),
            Some("integer") => ["minimum", "maximum"].iter().for_each(|keyword| bound(keyword)),
            Some("object") if node["additionalProperties"].is_object() => bound("maxProperties"),
            Some("object") => assert!(node["properties"].is_object(), "{at} says nothing of its keys"),
            Some("boolean") => {}
            other => panic!("{at} has type {other:?}"),
        }
    });
}

#[test]
fn no_number_is_unsigned() {
    walk(&mut |at, node| {
        let format = node["format"].as_str();
        assert!(matches!(format, None | Some("int32" | "int64")), "{at} has format {format:?}");
    });
}

#[test]
fn only_keywords_of_structural_schemas_are_left() {
    const KNOWN: &[&str] = &[
        "additionalProperties",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "properties",
        "required",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ];
    walk(&mut |at, node| {
        for keyword in node.as_object().unwrap().keys() {
            assert!(KNOWN.contains(&keyword.as_str()), "{at} has {keyword}");
        }
        assert!(!node.to_string().contains("null"), "{at} has a null");
    });
}

#[test]
fn every_key_is_described_and_every_rule_says_what_to_do() {
    walk(&mut |at, node| {
        let text = node["description"].as_str().unwrap_or_default();
        assert!(at.ends_with("[]") || !text.is_empty(), "{at} is not described");
        for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(rule["message"].as_str().is_some_and(|message| message.len() > 8), "{at}: {rule}");
        }
    });
}

#[test]
fn patterns_are_of_re2_too() {
    // Go's regexp knows no look-around and repeats at most 1,000 times.
    walk(&mut |at, node| {
        let Some(pattern) = node["pattern"].as_str() else { return };
        assert!(!pattern.contains("(?"), "{at}: {pattern}");
        let counts = pattern.split(['{', '}', ',']).filter_map(|part| part.parse::<u32>().ok());
        assert!(counts.max().unwrap_or(0) <= 1_000, "{at}: {pattern}");
        assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{at}: {pattern} matches a part");
    });
}

#[test]
fn no_secret_can_be_written_into_a_resource() {
    walk(&mut |at, node| {
        let properties = &node["properties"];
        let keys = |node: &Value| node["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for word in ["password", "username", "clientSecret", "token", "certFile", "keyFile"] {
            if properties[word].is_object() {
                assert_eq!(keys(&properties[word]), ["key", "name"], "{at}.{word}");
            }
        }
        // Authorities are no secret: they may be in a ConfigMap, but not in the resource either.
        if properties["caFile"].is_object() {
            assert_eq!(keys(&properties["caFile"]), ["configMap", "key", "name"], "{at}.caFile");
            assert_eq!(keys(&properties["caFile"]["properties"]["configMap"]), ["key", "name"], "{at}.caFile");
        }
    });
}

#[test]
fn columns_answer_an_operators_questions() {
    let all = definitions();
    let columns = all[0].object["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().clone();
    let (wide, always): (Vec<_>, Vec<_>) = columns.iter().partition(|column| column["priority"] == 1);
    let names = |columns: &[&Value]| columns.iter().map(|column| column["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&always), ["Ready", "Replicas", "Connections", "Lag", "Age"]);
    assert_eq!(names(&wide), ["Protocol", "Autoscaler", "Reason"]);
}

#[test]
fn both_resources_have_a_status_and_the_gateway_scales() {
    let all = definitions();
    for definition in &all {
        assert!(definition.object["spec"]["versions"][0]["subresources"]["status"].is_object());
        assert_eq!(definition.object["spec"]["group"], "eventsgateway.dev");
        assert_eq!(definition.object["spec"]["scope"], "Namespaced");
    }
    assert_eq!(all[0].object["spec"]["names"]["shortNames"], json!(["egw"]));
    assert_eq!(
        all[0].object["spec"]["versions"][0]["subresources"]["scale"],
        json!({
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        })
    );
}

#[test]
fn conditions_and_other_named_lists_are_maps_to_the_api_server() {
    walk(&mut |at, node| {
        if at.ends_with(".conditions") {
            assert_eq!(node["x-kubernetes-list-map-keys"], json!(["type"]), "{at}");
        }
        for key in node["x-kubernetes-list-map-keys"].as_array().into_iter().flatten() {
            let required = node["items"]["required"].as_array().is_some_and(|required| required.contains(key));
            assert!(required, "{at} is keyed by {key}, which may be absent");
        }
    });
}

#[test]
fn the_definitions_fit_into_an_annotation() {
    // `kubectl apply` without --server-side writes the object into an annotation; those hold 256 KiB together.
    for definition in definitions() {
        assert!(definition.object.to_string().len() < 200_000, "{}", definition.file);
    }
}
