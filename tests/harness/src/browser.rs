//! Chromium without a window, driven through WebDriver.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::directory::Directory;
use crate::http::{self, Request};
use crate::process::Process;
use crate::{port, tools, wait};

const START: Duration = Duration::from_secs(60);

/// A browser with an empty profile. Dropping it kills it.
///
/// Chromium is started here and not by its driver, so that it dies with the test whatever becomes of the driver.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    session: String,
    driver_address: SocketAddr,
    _driver: Process,
    chromium: Process,
    _directory: Directory,
}

/// One of a browser's tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab(WindowHandle);

impl Browser {
    /// Starts Chromium and its driver.
    ///
    /// # Errors
    /// When they aren't installed or don't come up.
    pub async fn start() -> Result<Self> {
        let directory = Directory::new("chromium")?;
        let profile = directory.join("profile");
        let mut command = Command::new(tools::program("chromium")?);
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        command.env("HOME", directory.path());
        let mut chromium = Process::start("chromium", command, &directory.join("chromium.log"))?;
        let announced = profile.join("DevToolsActivePort");
        let debugging: u16 = chromium
            .until("debuggable", START, || {
                let text = std::fs::read_to_string(&announced).unwrap_or_default();
                async move { Ok(text.lines().next().and_then(|line| line.parse().ok())) }
            })
            .await?;

        let port = port::free();
        let driver_address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(tools::program("chromedriver")?);
        command.arg(format!("--port={port}")).env("HOME", directory.path());
        let mut driver = Process::start("chromedriver", command, &directory.join("chromedriver.log"))?;
        driver
            .until("ready", START, || async move {
                Ok(http::get(driver_address, "/status").await.is_ok_and(|answer| answer.status() == 200).then_some(()))
            })
            .await?;

        let options = json!({ "debuggerAddress": format!("127.0.0.1:{debugging}") });
        let capabilities = std::iter::once(("goog:chromeOptions".to_owned(), options)).collect();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{driver_address}"))
            .await
            .context("failed to open a WebDriver session")?;
        let session = client.session_id().await.context("failed to ask for the session")?.context("no session")?;
        Ok(Self { client, session, driver_address, _driver: driver, chromium, _directory: directory })
    }

    /// The WebDriver client, for what isn't here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client.goto(url).await.with_context(|| format!("failed to open {url}"))
    }

    /// Runs the body of a function in the page and gives what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.client.execute(script, Vec::new()).await.with_context(|| format!("failed to run {script}"))
    }

    /// The tab that is shown: pages are opened and scripts run in it.
    ///
    /// # Errors
    /// When the driver doesn't say.
    pub async fn tab(&self) -> Result<Tab> {
        Ok(Tab(self.client.window().await.context("failed to ask for the tab")?))
    }

    /// Opens another tab and shows it; the one before goes on hidden.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn new_tab(&self) -> Result<Tab> {
        let made = self.client.new_window(true).await.context("failed to open a tab")?;
        let tab = Tab(made.handle);
        self.show(&tab).await?;
        Ok(tab)
    }

    /// Shows a tab.
    ///
    /// # Errors
    /// When it is closed.
    pub async fn show(&self, tab: &Tab) -> Result<()> {
        self.client.switch_to_window(tab.0.clone()).await.context("failed to show a tab")
    }

    /// Closes the tab that is shown, as its user does. Another one has to be shown next.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn close_tab(&self) -> Result<()> {
        self.client.close_window().await.context("failed to close a tab")
    }

    /// Loads the page that is shown again.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub async fn reload(&self) -> Result<()> {
        self.client.refresh().await.context("failed to load the page again")
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Errors
    /// When it isn't within `bound`, or throws.
    pub async fn wait_for(&self, expression: &str, bound: Duration) -> Result<()> {
        let script = format!("return Boolean({expression});");
        wait::until(expression, bound, || async { Ok((self.run(&script).await? == Value::Bool(true)).then_some(())) })
            .await
    }

    /// Sets the size of the page in CSS pixels, and light or dark as the page is told that its user prefers.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn show_as(&self, width: u32, height: u32, dark: bool) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics).await?;
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", &features).await?;
        Ok(())
    }

    /// Writes what is seen to a PNG file.
    ///
    /// # Errors
    /// When it can't be taken or written.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        let image = self.client.screenshot().await.context("failed to take a screenshot")?;
        std::fs::write(file, image).with_context(|| format!("failed to write {}", file.display()))
    }

    /// Chromium's process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.chromium
    }

    /// A command of the DevTools protocol, which the driver passes on.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        let target = format!("/session/{}/goog/cdp/execute", self.session);
        let request = Request::post(target, &json!({ "cmd": command, "params": parameters }));
        let answer = http::send(self.driver_address, &request).await?;
        ensure!(answer.status() == 200, "{command}: {}", answer.text());
        Ok(answer.json()?["value"].clone())
    }
}

/// Without the flags on background work, Chromium asks for hosts of its maker all the time.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--metrics-recording-only",
    "--password-store=basic",
    "--remote-debugging-port=0",
];

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Serves one page that notes the events of a stream, and that stream.
    async fn serve() -> SocketAddr {
        let page = "<!doctype html><title>t</title><script>seen=[];new EventSource('/e').addEventListener('tick',e=>seen.push(e.data))</script>";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = vec![0; 8192];
                    let length = socket.read(&mut request).await.unwrap_or_default();
                    let (kind, body) = if request[..length].starts_with(b"GET /e ") {
                        ("text/event-stream", "event: tick\ndata: one\n\n")
                    } else {
                        ("text/html", page)
                    };
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
                    let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn chromium_reads_an_event_stream_and_shows_itself_dark() {
        let address = serve().await;
        let browser = Browser::start().await.expect("a browser");
        browser.open(&format!("http://{address}/")).await.expect("loads");
        browser.wait_for("seen.length > 0", Duration::from_secs(30)).await.expect("an event");
        assert_eq!(browser.run("return seen[0]").await.expect("runs"), "one");
        browser.show_as(400, 300, true).await.expect("can be dark");
        assert_eq!(browser.run("return matchMedia('(prefers-color-scheme: dark)').matches").await.expect("runs"), true);
        assert_eq!(browser.run("return innerWidth").await.expect("runs"), 400);
        let directory = Directory::new("screenshot").expect("a directory");
        let file = directory.join("page.png");
        browser.screenshot(&file).await.expect("a screenshot");
        assert!(std::fs::read(&file).expect("readable").starts_with(b"\x89PNG"));
    }
}
