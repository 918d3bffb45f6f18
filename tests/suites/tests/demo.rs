//! The browser client's demo, as `events-gateway dev` serves it, in Chromium.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use events_gateway_harness::directory::Directory;
use events_gateway_harness::{Browser, Process, gateway, http, port};

const BOUND: Duration = Duration::from_secs(60);
/// A folder for what the page looks like, for people to look at.
const SCREENS: &str = "EVENTS_GATEWAY_SCREENS";

/// Ends with the test.
struct Dev {
    address: SocketAddr,
    _process: Process,
    _directory: Directory,
}

impl Dev {
    async fn start() -> Self {
        let directory = Directory::new("dev").expect("a directory");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()));
        let mut command = Command::new(gateway::binary().expect("a gateway"));
        command.args(["dev", "--port", &address.port().to_string(), "--admin-port", &port::free().to_string()]);
        let mut process = Process::start("dev", command, &directory.join("log")).expect("it starts");
        let answers = || async move { Ok(http::get(address, "/demo/").await.is_ok().then_some(())) };
        process.until("serving", BOUND, answers).await.expect("it serves the demo");
        Self { address, _process: process, _directory: directory }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_shows_which_tab_leads_and_fits_narrow_and_wide_screens() {
    let dev = Dev::start().await;
    let url = format!("http://{}/demo/", dev.address);
    let browser = Browser::start().await.expect("a browser");
    let first = browser.tab().await.expect("a tab");
    browser.open(&url).await.expect("the page loads");
    let state = |text: &str| format!("document.getElementById('state').textContent === '{text}'");
    let role = |text: &str| format!("document.getElementById('role').textContent === '{text}'");
    let events = "document.querySelectorAll('#list .type').length > 3";
    browser.wait_for(&state("Open"), BOUND).await.expect("it opens");
    browser.wait_for(&role("Leads"), BOUND).await.expect("it leads");
    browser.wait_for(events, BOUND).await.expect("events are shown");

    let second = browser.new_tab().await.expect("another tab");
    browser.open(&url).await.expect("the page loads");
    browser.wait_for(&role("Follows"), BOUND).await.expect("it follows");
    browser.wait_for(events, BOUND).await.expect("events are shown");
    browser.wait_for("document.querySelectorAll('#tabs li').length === 2", BOUND).await.expect("both are listed");
    browser.run("document.getElementById('send').click()").await.expect("sends");
    let greeting =
        "[...document.querySelectorAll('#list .type')].some(({ textContent }) => textContent === 'greeting')";
    browser.wait_for(greeting, BOUND).await.expect("what is sent arrives");

    browser.show(&first).await.expect("the first tab");
    browser.wait_for(greeting, BOUND).await.expect("in the other tab too");
    browser.run("document.getElementById('network').click()").await.expect("changes the network");
    browser
        .wait_for("document.getElementById('connections-count').textContent === '2'", BOUND)
        .await
        .expect("comes back");
    for (width, height) in [(360, 1_900), (1_280, 900)] {
        for dark in [false, true] {
            browser.show_as(width, height, dark).await.expect("a size");
            if let Some(folder) = std::env::var_os(SCREENS) {
                let name = format!("demo-{width}-{}.png", if dark { "dark" } else { "light" });
                browser.screenshot(&std::path::Path::new(&folder).join(name)).await.expect("a screenshot");
            }
            let overflow = browser
                .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await
                .expect("runs");
            assert_eq!(overflow, 0, "at {width} pixels it needs no scrolling aside");
        }
    }

    browser.close_tab().await.expect("the leader closes");
    browser.show(&second).await.expect("the other tab");
    browser.wait_for(&role("Leads"), BOUND).await.expect("it takes over");
    browser.wait_for("document.querySelectorAll('#tabs li').length === 1", BOUND).await.expect("the other is gone");
    browser.wait_for(&state("Open"), BOUND).await.expect("it is open");
    assert_eq!(browser.run("return document.getElementById('gaps-count').textContent").await.expect("runs"), "0");
    browser.run("document.getElementById('close').click()").await.expect("closes");
    browser.wait_for(&state("Closed"), BOUND).await.expect("it is closed");

    // The console may end the streams of its own channels, for good: the page says so.
    let subscribe = "document.querySelector('[name=channels]').value = 'console:demo';
                     document.querySelector('.primary').click()";
    browser.run(subscribe).await.expect("subscribes");
    browser.wait_for(&state("Open"), BOUND).await.expect("it is open");
    let disconnect = "fetch('/console/disconnect', { method: 'POST', body: JSON.stringify({ channel: 'console:demo' }),
                      headers: { 'content-type': 'application/json' } })";
    browser.run(disconnect).await.expect("orders");
    browser.wait_for("document.getElementById('connection').dataset.state === 'refused'", BOUND).await.expect("told");
    browser.wait_for("document.querySelector('#list .mark[data-tone=bad]')", BOUND).await.expect("marked");
    if let Some(folder) = std::env::var_os(SCREENS) {
        browser.show_as(1_280, 900, false).await.expect("a size");
        let file = std::path::Path::new(&folder).join("demo-closed.png");
        browser.screenshot(&file).await.expect("a screenshot");
    }
}
