//! The HTTP surface and its descriptions: schemathesis makes requests from what the listeners of a gateway say of themselves, well and
//! badly formed, and holds their answers against that.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use events_gateway_harness::directory::Directory;
use events_gateway_harness::http::{self, Request};
use events_gateway_harness::tools;
use events_gateway_suites::config::ADMIN_TOKEN;
use events_gateway_suites::platform::{Plan, Platform};
use events_gateway_suites::token::{identity, token};
use events_gateway_suites::{seed, turn};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take on a busy machine.
const BOUND: Duration = Duration::from_secs(300);
/// Requests of random content for each operation; those of bounds and mistakes come on top.
const EXAMPLES: &str = "50";
/// Without another seed every run makes the same requests.
const SEED: u64 = 9_457;

/// A gateway with all that can be asked for, and with what a suite lays over it.
async fn platform(overlay: Value) -> Platform {
    let mut whole = json!({
        "channels": { "all": true },
        "filters": [{ "name": "large", "when": "type == 'large'" }],
        "views": [{ "name": "public", "drop": ["/internal"] }],
        "limits": { "streams": 5_000 },
        "aliases": [
            { "path": "/api/feeds/{user}", "channels": ["user:{user}"], "view": "public", "format": "envelope", "parameters": [
                { "name": "kinds", "is": "types" },
                { "name": "agents", "is": "attributes", "attributes": ["sender", "recipient"] },
                { "name": "processes", "is": "channels", "channel": "process:{value}" },
                { "name": "from", "is": "cursor" },
                { "name": "_", "is": "ignored" },
            ] },
            { "path": "/api/sockets/", "serves": "websocket",
              "parameters": [{ "name": "rooms", "is": "channels", "channel": "room:{value}" }] },
        ],
    });
    for (name, value) in overlay.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
    let plan = Plan { replicas: 1, publish: json!({}), overlay: whole, ..Plan::default() };
    Platform::start("openapi", &plan).await.expect("the platform starts")
}

/// Runs one of the programs that tests/tools/install brought, and gives what it printed; panics with that when it fails.
async fn run(program: &str, arguments: &[&str], files: &Path) -> String {
    let program = tools::schemathesis(program).expect("the program");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(files)
        .env("PYTHONPATH", own_files())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true);
    let Output { status, stdout, stderr } =
        timeout(BOUND, command.output()).await.expect("it ends in time").expect("it runs");
    let printed = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{printed}");
    printed
}

/// Its settings, and what OpenAPI has no words for.
fn own_files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")
}

/// Holds a gateway's public listener against what it says of itself.
async fn hold_against_its_description(platform: &Platform, fields: &[&str]) {
    let gateway = platform.gateways[0].public();
    let description = http::get(gateway, "/api/v1/openapi.json").await.expect("an answer").text();
    hold_against(&description, gateway, fields, &[]).await;
}

/// Holds a listener against a description. `only`: which of its operations, as options of schemathesis.
async fn hold_against(description: &str, listener: SocketAddr, fields: &[&str], only: &[&str]) {
    let files = Directory::new("openapi").expect("a directory");
    files.write("openapi.json", description).expect("a file");
    println!("{}", run("openapi-spec-validator", &["openapi.json"], files.path()).await);

    let seed = seed::printed_or(SEED).to_string();
    let settings = own_files().join("schemathesis.toml");
    // By its address it would leave the description's own resource out.
    let url = format!("http://{listener}");
    let mut arguments = vec!["--config-file", settings.to_str().expect("text"), "run", "openapi.json", "--url", &url];
    arguments.extend(["--seed", &seed, "--max-examples", EXAMPLES, "--no-color"]);
    arguments.extend(only);
    for field in fields {
        arguments.extend(["--header", field]);
    }
    println!("{}", run("schemathesis", &arguments, files.path()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_descriptions_of_the_documentation_are_openapi() {
    let files = Directory::new("openapi").expect("a directory");
    for name in ["docs/openapi.json", "docs/openapi-admin.json"] {
        let description = tools::checkout().join(name);
        run("openapi-spec-validator", &[description.to_str().expect("text")], files.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_for_everybody_does_what_it_describes() {
    let _turn = turn::share().await;
    let platform = platform(json!({})).await;
    hold_against_its_description(&platform, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_asks_who_comes_does_what_it_describes() {
    let _turn = turn::share().await;
    let everything = json!({
        "subscribe": ["**", "all"], "replay": ["**", "all"], "publish": ["**"], "stats": ["**"], "views": ["raw", "public"],
    });
    let overlay = json!({ "identity": identity(), "access": { "rules": [everything] } });
    let platform = platform(overlay).await;
    let token = token("schemathesis", Duration::from_secs(3_600), &json!({}));
    hold_against_its_description(&platform, &[&format!("Authorization: Bearer {token}")]).await;
    // Without a token, and with wrong ones, requests were refused as such.
    for kind in ["unauthorized", "invalid-token"] {
        let label = format!("problem=\"{kind}\"");
        let told = platform.gateways[0].metric("events_gateway_problems_total", &[&label]).await.expect("metrics");
        assert!(told >= 1.0, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_listener_tells_what_it_describes() {
    let _turn = turn::share().await;
    let platform = platform(json!({})).await;
    let gateway = &platform.gateways[0];
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let request = Request::get("/openapi.json").header("Authorization", &bearer);
    let description = gateway.ask(&request).await.expect("an answer").text();
    // What is posted there acts: a replica that drains or leaves Kafka is no longer the one that is described.
    let looked_at = ["--include-method", "GET"];
    hold_against(&description, gateway.admin(), &[&format!("Authorization: {bearer}")], &looked_at).await;
}
