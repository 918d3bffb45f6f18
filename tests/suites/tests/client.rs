//! The browser client, in Chromium, in several tabs, on real gateways behind a load balancer.

use std::time::Duration;

use events_gateway_harness::browser::Tab;
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::{Browser, Gateway, wait};
use events_gateway_suites::platform::{Plan, Platform};
use events_gateway_suites::token::{identity, token};
use events_gateway_suites::turn;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BOUND: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// More than the six connections that a browser opens to a host with HTTP/1.1.
const TABS: usize = 7;
const CHANNELS: [&str; 2] = ["everyone", "user:alice"];

/// What a page subscribes with. What it has seen outlives a reload: `[number, …]` and the gaps in the tab's storage.
fn script(options: &str, channels: &[&str]) -> String {
    format!(
        "const note = (name, value) => {{
           const all = JSON.parse(sessionStorage.getItem(name) ?? '[]');
           sessionStorage.setItem(name, JSON.stringify([...all, value]));
         }};
         window.states = [];
         import('/api/v1/client.js').then(({{ EventsGateway }}) => {{
           window.gateway = new EventsGateway({options});
           window.subscription = gateway.subscribe({channels}, {{
             onEvent: (event) => note('seen', [event.channel, event.data.number]),
             onGap: (gap) => note('gaps', gap),
             onClosing: (closing) => note('closings', closing.reason),
             onState: (state) => states.push(state),
           }});
         }});",
        channels = json!(channels)
    )
}

/// A browser with the client in each of its tabs.
struct Pages {
    browser: Browser,
    origin: String,
    tabs: Vec<Tab>,
    script: String,
}

impl Pages {
    /// The page is any of the origin's: what the gateway serves as text.
    async fn open(platform: &Platform, tabs: usize, script: String) -> Self {
        let origin = format!("http://{}", platform.balancer.address());
        let browser = Browser::start().await.expect("a browser");
        let mut pages = Self { tabs: vec![browser.tab().await.expect("a tab")], browser, origin, script };
        while pages.tabs.len() < tabs {
            pages.tabs.push(pages.browser.new_tab().await.expect("another tab"));
        }
        for tab in 0..tabs {
            pages.show(tab).await;
            pages.browser.open(&format!("{}/api/v1/client.d.ts", pages.origin)).await.expect("a page");
            pages.begin().await;
            pages.wait_for("window.subscription?.state.state === 'open'").await;
        }
        pages
    }

    async fn show(&self, tab: usize) {
        self.browser.show(&self.tabs[tab]).await.expect("a tab");
    }

    async fn begin(&self) {
        self.browser.run(&self.script).await.expect("the page runs");
    }

    async fn wait_for(&self, expression: &str) {
        let waited = self.browser.wait_for(expression, BOUND).await;
        if let Err(error) = waited {
            let states = self.browser.run("return window.states?.slice(-20)").await.unwrap_or_default();
            panic!("{error:#}; the page's last states: {states:#}");
        }
    }

    /// Loads the page of the shown tab again, as its user does.
    async fn reload(&self) {
        self.browser.reload().await.expect("the page loads again");
        self.begin().await;
        self.wait_for("window.subscription?.state.state === 'open'").await;
    }

    async fn noted(&self, name: &str) -> Vec<Value> {
        let script = format!("return JSON.parse(sessionStorage.getItem('{name}') ?? '[]')");
        let noted = self.browser.run(&script).await.expect("the page answers");
        serde_json::from_value(noted).expect("a list")
    }

    async fn roles(&self, tabs: &[usize]) -> Vec<String> {
        let mut roles = Vec::new();
        for tab in tabs {
            self.show(*tab).await;
            let role = self.browser.run("return subscription.state.role").await.expect("the page answers");
            roles.push(role.as_str().expect("a text").to_owned());
        }
        roles
    }

    async fn leader(&self) -> usize {
        let all: Vec<usize> = (0..self.tabs.len()).collect();
        self.leader_among(&all).await
    }

    /// The one of these tabs that leads; others aren't asked, who may not be able to answer.
    async fn leader_among(&self, tabs: &[usize]) -> usize {
        wait::until("one leader", BOUND, || async {
            let roles = self.roles(tabs).await;
            let leaders: Vec<usize> = (0..tabs.len()).filter(|at| roles[*at] == "leader").collect();
            Ok(if leaders.len() == 1 { Some(tabs[leaders[0]]) } else { None })
        })
        .await
        .expect("one of them leads")
    }
}

/// How many streams each replica has, where it runs.
async fn connections(gateways: &mut [Gateway]) -> Vec<usize> {
    let mut all = Vec::new();
    for gateway in gateways {
        let open =
            if gateway.runs() { gateway.metric("events_gateway_connections", &[]).await.unwrap_or(0.0) } else { 0.0 };
        all.push(open as usize);
    }
    all
}

async fn wait_for_one_connection(platform: &mut Platform) -> usize {
    let mut told = Vec::new();
    for _ in 0..600 {
        told = connections(&mut platform.gateways).await;
        if told.iter().sum::<usize>() == 1 {
            return told.iter().position(|open| *open == 1).expect("one of them");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not one connection, but {told:?}");
}

/// Replicas that ask who clients are, and let each have their own channel.
async fn with_identity(replicas: usize) -> Platform {
    let own = json!(["everyone", "user:{sub}"]);
    let overlay = json!({
        "identity": identity(),
        "access": { "rules": [{ "subscribe": own, "replay": own }] },
    });
    let plan = Plan { replicas, overlay, ..Plan::default() };
    Platform::start("client", &plan).await.expect("the platform starts")
}

/// A token of alice's for so long.
fn alices(lasts: Duration) -> String {
    token("alice", lasts, &json!({}))
}

/// An expression of a page that gives a token: two that end soon, then one that lasts; `asked` counts.
fn next_token() -> String {
    let tokens = json!([alices(Duration::from_secs(8)), alices(Duration::from_secs(16)), alices(HOUR)]);
    format!(
        "(window.tokens ??= {tokens}, window.asked = (window.asked ?? 0) + 1, \
         tokens.length > 1 ? tokens.shift() : tokens[0])"
    )
}

/// Numbered events, every fifth for everyone, until it is told to stop; gives how many.
fn traffic(platform: &Platform) -> (watch::Sender<bool>, JoinHandle<u64>) {
    let producer = platform.kafka.producer().expect("a producer");
    let topic = platform.topic().to_owned();
    let (stop, stopped) = watch::channel(false);
    let traffic = tokio::spawn(async move {
        let mut number = 0;
        while !*stopped.borrow() {
            number += 1;
            let channel = CHANNELS[usize::from(number % 5 != 0)];
            let envelope = json!({ "type": "order.created", "channels": [channel], "data": { "number": number } });
            producer.send(&topic, &Record::json("alice", &envelope)).await.expect("Kafka takes it");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        number
    });
    (stop, traffic)
}

/// That a tab has seen every event once and in its channel's order.
fn check(seen: &[Value], produced: u64, who: &str) {
    for channel in CHANNELS {
        let numbers: Vec<u64> =
            seen.iter().filter(|one| one[0] == channel).map(|one| one[1].as_u64().expect("a number")).collect();
        let wanted: Vec<u64> = (1..=produced).filter(|number| (number % 5 == 0) == (channel == "everyone")).collect();
        let missing: Vec<_> = wanted.iter().filter(|number| !numbers.contains(number)).take(10).collect();
        assert!(numbers == wanted, "{who}, {channel}: {} of {}, missing {missing:?}", numbers.len(), wanted.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_tabs_on_one_connection_miss_nothing_through_kill_drain_closing_and_reload() {
    miss_nothing("sse").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_tabs_on_one_websocket_miss_nothing_through_kill_drain_closing_and_reload() {
    miss_nothing("websocket").await;
}

async fn miss_nothing(transport: &str) {
    let _turn = turn::take().await;
    let mut platform = Platform::start("client", &Plan::default()).await.expect("the platform starts");
    let options = format!("{{ identity: 'alice', transport: '{transport}' }}");
    let mut pages = Pages::open(&platform, TABS, script(&options, &CHANNELS)).await;
    wait_for_one_connection(&mut platform).await;
    let (stop, traffic) = traffic(&platform);

    // The replica that has the connection is killed, another one drains.
    let holder = wait_for_one_connection(&mut platform).await;
    platform.gateways[holder].kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    platform.gateways[holder].resume().await.expect("it comes back");
    let holder = wait_for_one_connection(&mut platform).await;
    let status = platform.gateways[holder].stop(BOUND).await.expect("it drains");
    assert!(status.success(), "a drained replica ended with {status}");
    platform.gateways[holder].resume().await.expect("it comes back");

    // The tab that leads is closed, then the next one is loaded again, then one that follows.
    let leader = pages.leader().await;
    pages.show(leader).await;
    let closed = pages.noted("seen").await;
    let gaps = pages.noted("gaps").await;
    pages.browser.close_tab().await.expect("it closes");
    pages.tabs.remove(leader);
    let leader = pages.leader().await;
    pages.show(leader).await;
    pages.reload().await;
    let follower = (pages.leader().await + 1) % pages.tabs.len();
    pages.show(follower).await;
    pages.reload().await;
    let holder = wait_for_one_connection(&mut platform).await;
    platform.gateways[holder].kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    platform.gateways[holder].resume().await.expect("it comes back");

    stop.send_replace(true);
    let produced = traffic.await.expect("the traffic ends well");
    for tab in 0..pages.tabs.len() {
        pages.show(tab).await;
        pages.wait_for(&format!("JSON.parse(sessionStorage.seen ?? '[]').length >= {produced}")).await;
        check(&pages.noted("seen").await, produced, &format!("tab {tab}"));
        assert!(pages.noted("gaps").await.is_empty(), "tab {tab}: {:?}", pages.noted("gaps").await);
        let closings = pages.noted("closings").await;
        assert!(closings.contains(&json!("drain")), "tab {tab} was told of the drain: {closings:?}");
    }
    assert!(gaps.is_empty());
    for (at, one) in closed.iter().filter(|one| one[0] == "everyone").enumerate() {
        assert_eq!(one[1], (at as u64 + 1) * 5, "the closed tab had all until then");
    }
    wait_for_one_connection(&mut platform).await;
    println!("client: {produced} events over {transport}, each once and in order in {} tabs", pages.tabs.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxys_503_is_survived_and_a_terminal_refusal_told() {
    let _turn = turn::share().await;
    let plan = Plan { replicas: 1, ..Plan::default() };
    let mut platform = Platform::start("client", &plan).await.expect("the platform starts");
    let pages = Pages::open(&platform, 2, script("{ identity: 'alice' }", &CHANNELS)).await;
    let (stop, traffic) = traffic(&platform);
    platform.gateways[0].kill();
    // HAProxy has nobody left, and says 503, which ends a native EventSource for good.
    pages.wait_for("states.some(({ problem }) => problem?.status === 503)").await;
    platform.gateways[0].resume().await.expect("it comes back");
    stop.send_replace(true);
    let produced = traffic.await.expect("the traffic ends well");
    for tab in 0..2 {
        pages.show(tab).await;
        pages.wait_for(&format!("JSON.parse(sessionStorage.seen ?? '[]').length >= {produced}")).await;
        check(&pages.noted("seen").await, produced, &format!("tab {tab}"));
        assert!(pages.noted("gaps").await.is_empty());
    }

    // The firehose isn't served here: the gateway's own word, so nobody asks twice.
    let terminal =
        "window.told = []; window.refused = gateway.subscribe('all', { onState: (state) => told.push(state) })";
    pages.browser.run(terminal).await.expect("the page runs");
    pages.wait_for("refused.state.state === 'closed'").await;
    let state = pages.browser.run("return refused.state").await.expect("the page answers");
    assert_eq!(state["reason"], "channel-not-served");
    assert_eq!(state["problem"]["status"], 403);
    assert!(state["problem"]["detail"].as_str().is_some_and(|detail| detail.contains("all")), "{state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_and_cookies_are_renewed_while_events_flow_and_others_channels_stay_closed() {
    let _turn = turn::share().await;
    let mut platform = with_identity(2).await;
    let next = next_token();
    let ticket = script(&format!("{{ identity: 'alice', token: async () => {next} }}"), &CHANNELS);
    let mut pages = Pages::open(&platform, 1, ticket).await;
    let (stop, traffic) = traffic(&platform);
    // Two tokens end; the third lasts.
    pages.wait_for("window.asked >= 3").await;
    pages.wait_for("subscription.state.state === 'open' && JSON.parse(sessionStorage.seen ?? '[]').length > 400").await;
    let interrupted = pages.browser.run("return states.filter(({ state }) => state === 'waiting')").await;
    assert_eq!(interrupted.expect("the page answers"), json!([]), "a renewal is no interruption");

    // Another tab of the same user has the session in a cookie, which it renews.
    pages.tabs.push(pages.browser.new_tab().await.expect("another tab"));
    pages.browser.open(&format!("{}/api/v1/client.d.ts", pages.origin)).await.expect("a page");
    let set = |token: &str| format!("document.cookie = 'session={token}; path=/'");
    pages.browser.run(&set(&alices(Duration::from_secs(8)))).await.expect("a cookie");
    let lasting = alices(HOUR);
    let renew = format!("{{ start: 'earliest', renew: async () => {{ window.renewed = true; {}; }} }}", set(&lasting));
    pages.script = script(&renew, &CHANNELS);
    pages.begin().await;
    pages.wait_for("window.renewed && subscription.state.state === 'open'").await;

    stop.send_replace(true);
    let produced = traffic.await.expect("the traffic ends well");
    for tab in 0..2 {
        pages.show(tab).await;
        pages.wait_for(&format!("JSON.parse(sessionStorage.seen ?? '[]').length >= {produced}")).await;
        check(&pages.noted("seen").await, produced, &format!("tab {tab}"));
        assert!(pages.noted("gaps").await.is_empty());
    }

    for (tab, status) in [(0, 403), (1, 403)] {
        pages.show(tab).await;
        pages.browser.run("window.refused = gateway.subscribe('user:bob')").await.expect("the page runs");
        pages.wait_for("refused.state.state === 'closed'").await;
        let state = pages.browser.run("return refused.state").await.expect("the page answers");
        assert_eq!(state["problem"]["status"], status, "{state}");
    }
    let urls = pages.browser.run("return performance.getEntriesByType('resource').map(({ name }) => name)").await;
    let urls = urls.expect("the page answers").to_string();
    assert!(!urls.contains("eyJ"), "no token is in a URL: {urls}");
    for gateway in &mut platform.gateways {
        assert!(gateway.runs());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_on_a_websocket_and_a_refusal_ends_one_subscription_of_it() {
    let _turn = turn::share().await;
    let platform = with_identity(1).await;
    let next = next_token();
    let options = format!("{{ transport: 'websocket', token: async () => {next} }}");
    let pages = Pages::open(&platform, 1, script(&options, &CHANNELS)).await;
    let (stop, traffic) = traffic(&platform);
    let second = "window.second = gateway.subscribe('everyone');
                  window.refused = gateway.subscribe('user:bob')";
    pages.browser.run(second).await.expect("the page runs");
    pages.wait_for("second.state.state === 'open' && refused.state.state === 'closed'").await;
    let state = pages.browser.run("return refused.state").await.expect("the page answers");
    assert_eq!(state["problem"]["status"], 403, "{state}");
    // Each subscription asked for a token when it was opened; two of the three end, without the socket.
    pages.wait_for("states.length > 0 && window.asked >= 4").await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    stop.send_replace(true);
    let produced = traffic.await.expect("the traffic ends well");
    pages.wait_for(&format!("JSON.parse(sessionStorage.seen ?? '[]').length >= {produced}")).await;
    check(&pages.noted("seen").await, produced, "the tab");
    let states = pages.browser.run("return states.map(({ state }) => state)").await.expect("the page answers");
    assert_eq!(states, json!(["open"]), "it never came back, since it never went");
    let sockets = "return second.state.connection === subscription.state.connection";
    assert_eq!(pages.browser.run(sockets).await.expect("the page answers"), true, "both are on one socket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tab_that_freezes_or_hangs_hands_over_and_gets_what_it_missed() {
    let _turn = turn::share().await;
    let plan = Plan { replicas: 1, ..Plan::default() };
    let mut platform = Platform::start("client", &plan).await.expect("the platform starts");
    let pages = Pages::open(&platform, 3, script("{ identity: 'alice' }", &CHANNELS)).await;
    let (stop, traffic) = traffic(&platform);

    let frozen = pages.leader().await;
    let others: Vec<usize> = (0..3).filter(|tab| *tab != frozen).collect();
    pages.show(frozen).await;
    let lifecycle = async |state: &str| {
        let state = json!({ "state": state });
        pages.browser.devtools("Page.setWebLifecycleState", &state).await.expect("a state of the page");
    };
    lifecycle("frozen").await;
    let next = pages.leader_among(&others).await;
    wait_for_one_connection(&mut platform).await;
    pages.show(frozen).await;
    lifecycle("active").await;
    pages.wait_for("subscription.state.state === 'open'").await;

    // It answers nobody for so long that it is deposed, and finds that out when it is back.
    pages.show(next).await;
    let hang =
        "setTimeout(() => { const end = Date.now() + 30_000; while (Date.now() < end); window.hung = true; }, 50)";
    pages.browser.run(hang).await.expect("it hangs");
    let others: Vec<usize> = (0..3).filter(|tab| *tab != next).collect();
    pages.leader_among(&others).await;
    pages.show(next).await;
    pages
        .wait_for("window.hung && subscription.state.role === 'follower' && subscription.state.state === 'open'")
        .await;

    stop.send_replace(true);
    let produced = traffic.await.expect("the traffic ends well");
    for tab in 0..3 {
        pages.show(tab).await;
        pages.wait_for(&format!("JSON.parse(sessionStorage.seen ?? '[]').length >= {produced}")).await;
        check(&pages.noted("seen").await, produced, &format!("tab {tab}"));
        assert!(pages.noted("gaps").await.is_empty());
    }
    wait_for_one_connection(&mut platform).await;
}
