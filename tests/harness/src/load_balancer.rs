//! Ordinary load balancers, configured as a careful operator would for Server-Sent Events.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpStream;

use crate::directory::Directory;
use crate::process::Process;
use crate::{port, tools};

const START: Duration = Duration::from_secs(30);

/// A replica behind the balancer.
#[derive(Debug, Clone, Copy)]
pub struct Backend {
    /// Where clients are sent.
    pub public: SocketAddr,
    /// Where `/ready` is asked.
    pub admin: SocketAddr,
}

/// Debian's nginx or HAProxy in front of some replicas.
#[derive(Debug)]
pub struct LoadBalancer {
    process: Process,
    address: SocketAddr,
    _directory: Directory,
}

impl LoadBalancer {
    /// nginx: no buffering, an hour's silence allowed, the next replica when one can't be reached.
    ///
    /// The open-source nginx doesn't ask `/ready`: a draining replica must refuse retryably by itself.
    ///
    /// # Errors
    /// When nginx isn't installed or doesn't come up.
    pub async fn nginx(backends: &[Backend]) -> Result<Self> {
        let directory = Directory::new("nginx")?;
        let port = port::free();
        let root = std::fs::metadata(directory.path()).context("failed to ask for the directory's owner")?.uid() == 0;
        let config = directory.write("nginx.conf", &nginx(port, backends, root))?;
        let mut command = Command::new(tools::program("nginx")?);
        command.arg("-p").arg(directory.path()).arg("-c").arg(config).args(["-e", "stderr"]);
        Self::start("nginx", command, directory, port).await
    }

    /// HAProxy: asks `/ready` five times a second, sends new streams to the replica with the fewest.
    ///
    /// # Errors
    /// When HAProxy isn't installed or doesn't come up.
    pub async fn haproxy(backends: &[Backend]) -> Result<Self> {
        let directory = Directory::new("haproxy")?;
        let port = port::free();
        let config = directory.write("haproxy.cfg", &haproxy(port, backends))?;
        let mut command = Command::new(tools::program("haproxy")?);
        command.args(["-db", "-f"]).arg(config);
        Self::start("haproxy", command, directory, port).await
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    async fn start(name: &str, command: Command, directory: Directory, port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut process = Process::start(name, command, &directory.join("log"))?;
        let connect = || async move { Ok(TcpStream::connect(address).await.ok().map(drop)) };
        process.until("listening", START, connect).await?;
        Ok(Self { process, address, _directory: directory })
    }
}

fn nginx(port: u16, backends: &[Backend], root: bool) -> String {
    // As root nginx would hand its workers to a user who can't read the test's directory.
    let user = if root { "user root;\n" } else { "" };
    let servers = backends.iter().fold(String::new(), |mut text, backend| {
        let _ = write!(text, "\n    server {} max_fails=1 fail_timeout=1s;", backend.public);
        text
    });
    format!(
        "\
{user}daemon off;
pid nginx.pid;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  map $http_upgrade $connection_of {{ default upgrade; '' ''; }}
  upstream replicas {{
    least_conn;{servers}
  }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 8m;
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_of;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_buffering off;
      proxy_connect_timeout 1s;
      proxy_read_timeout 1h;
      proxy_next_upstream error timeout;
    }}
  }}
}}
"
    )
}

fn haproxy(port: u16, backends: &[Backend]) -> String {
    let servers = backends.iter().enumerate().fold(String::new(), |mut text, (index, backend)| {
        let admin = backend.admin.port();
        let _ = write!(text, "\n  server r{index} {} check port {admin} inter 200ms fall 1 rise 1", backend.public);
        text
    });
    format!(
        "\
global
  maxconn 9000
defaults
  mode http
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout check 1s
  option http-no-delay
  option redispatch
  retries 2
frontend clients
  bind 127.0.0.1:{port}
  option forwardfor
  default_backend replicas
backend replicas
  balance leastconn
  option httpchk GET /ready
  default-server init-addr none{servers}
"
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::sse::{Client, Options};

    /// A backend that answers `/ready`, and streams one event and then stays silent for anything else.
    async fn backend(name: &'static str) -> Backend {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    let length = socket.read(&mut request).await.unwrap_or_default();
                    if request[..length].starts_with(b"GET /ready") {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                        return;
                    }
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                    let _ = socket.write_all(format!("{head}data: {name}\n\n").as_bytes()).await;
                    let _ = socket.read(&mut request).await;
                });
            }
        });
        Backend { public: address, admin: address }
    }

    #[tokio::test]
    async fn an_event_passes_both_balancers_while_the_stream_stays_open() {
        let bound = Duration::from_secs(20);
        // Nobody listens on the first one: both balancers must get over it.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()));
        let backends = [Backend { public: nowhere, admin: nowhere }, backend("alive").await];
        for balancer in [
            LoadBalancer::nginx(&backends).await.expect("nginx"),
            LoadBalancer::haproxy(&backends).await.expect("haproxy"),
        ] {
            // Until its first check HAProxy sends streams to the dead one, whose 503 ends a client for good.
            crate::wait::until("the check", bound, || async {
                Ok((crate::http::get(balancer.address(), "/ready").await?.status() == 200).then_some(()))
            })
            .await
            .expect("ready");
            let client = Client::open(Options::new(balancer.address(), "/events"));
            let events = client.wait_for_published(1, bound).await.expect("an event");
            assert_eq!(events[0].data, "alive");
            assert!(client.history().connections[0].ended.is_none(), "still open");
        }
    }
}
