//! Real Redis servers on loopback ports, each in a directory of its own, killed with their owner.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Value;

/// A free loopback port below the range from which Cluster's bus port (+ 10,000) would overflow.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = if port > 55_000 { port - 20_000 } else { port };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// One `redis-server` process.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Option<Child>,
    arguments: Vec<String>,
    directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// Starts a server with further arguments, and waits until it answers.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::prepared(arguments, |_| Vec::new())
    }

    /// As [`Self::start`], with arguments that depend on the server's directory.
    pub(crate) fn prepared(arguments: &[&str], more: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).chain(more(directory.path())).collect();
        let mut server = Self { port: free_port(), child: None, arguments, directory };
        server.launch();
        server
    }

    fn launch(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        if let Some(sentinel) = self.arguments.first().filter(|argument| argument.ends_with("sentinel.conf")) {
            command.arg(sentinel).arg("--sentinel");
        } else {
            command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            command.args(["--repl-diskless-sync-delay", "0", "--repl-timeout", "10"]);
            command.args(&self.arguments).arg("--dir").arg(self.directory.path());
        }
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        self.child =
            Some(command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().expect("redis-server starts"));
        until("the server answers", || self.try_command(&["PING"]).is_some());
    }

    pub(crate) fn pid(&self) -> String {
        self.child.as_ref().unwrap().id().to_string()
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills the process and starts it again on the same port and directory.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid()]).status().unwrap().success());
    }

    fn try_command(&self, arguments: &[&str]) -> Option<Value> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", self.port)).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut command = redis::cmd(arguments[0]);
        command.arg(&arguments[1..]);
        command.query(&mut connection).ok()
    }

    /// Runs a command and answers what it gave.
    pub(crate) fn command(&self, arguments: &[&str]) -> Value {
        self.try_command(arguments).unwrap_or_else(|| panic!("{arguments:?} failed on {}", self.port))
    }

    /// Runs a command whose answer is a text.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        redis::from_redis_value(self.command(arguments)).unwrap()
    }
}

/// Polls until a condition holds; fails after 20 s.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Three primaries that share the slots.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes: Vec<_> = (0..3).map(|_| Server::start(&arguments)).collect();
        for (index, node) in nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            let (from, to) = ((index * 16_384).div_ceil(3), ((index + 1) * 16_384).div_ceil(3) - 1);
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
        }
        until("the cluster is complete", || {
            nodes.iter().all(|node| {
                let info = node.text(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok")
                    && info.contains("cluster_known_nodes:3")
                    && info.contains("cluster_slots_assigned:16384")
            })
        });
        Self { nodes }
    }

    pub(crate) fn owner(&self, slot: u16) -> usize {
        let slots = |index: usize| ((index * 16_384).div_ceil(3), ((index + 1) * 16_384).div_ceil(3) - 1);
        (0..3).find(|&index| (slots(index).0..=slots(index).1).contains(&usize::from(slot))).unwrap()
    }

    /// Moves a slot with its keys, as `redis-cli --cluster reshard` does, pausing in each half-way state.
    pub(crate) fn migrate(&self, slot: u16, from: usize, to: usize, pause: Duration) {
        let id = |index: usize| self.nodes[index].text(&["CLUSTER", "MYID"]);
        let (source, target, number) = (&self.nodes[from], &self.nodes[to], slot.to_string());
        target.command(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &id(from)]);
        source.command(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &id(to)]);
        std::thread::sleep(pause);
        loop {
            let keys: Vec<String> =
                redis::from_redis_value(source.command(&["CLUSTER", "GETKEYSINSLOT", &number, "1"])).unwrap();
            let Some(key) = keys.first() else { break };
            let port = target.port.to_string();
            source.command(&["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS", key]);
            std::thread::sleep(pause);
        }
        for node in [target, source].into_iter().chain(&self.nodes) {
            node.command(&["CLUSTER", "SETSLOT", &number, "NODE", &id(to)]);
        }
    }
}

/// A primary, a replica, and sentinels that watch them.
pub(crate) struct Sentinels {
    pub(crate) nodes: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

impl Sentinels {
    pub(crate) fn start() -> Self {
        let primary = Server::start(&[]);
        let port = primary.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
        let linked = |server: &Server| server.text(&["INFO", "replication"]).contains("master_link_status:up");
        until("the replica follows", || linked(&replica));
        let sentinels: Vec<_> = (0..3).map(|_| Self::sentinel(primary.port)).collect();
        until("the sentinels know each other and the replica", || {
            sentinels.iter().all(|sentinel| {
                let info = sentinel.text(&["INFO", "sentinel"]);
                info.contains("slaves=1") && info.contains("sentinels=3")
            })
        });
        Self { nodes: vec![primary, replica], sentinels }
    }

    fn sentinel(primary: u16) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = directory.path().join("sentinel.conf");
        let directory_name = directory.path().display();
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {directory_name}\nsentinel monitor main 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
        );
        std::fs::write(&path, configuration).unwrap();
        let arguments = vec![path.display().to_string()];
        let mut server = Server { port, child: None, arguments, directory };
        server.launch();
        server
    }

    /// The port that the sentinels name.
    pub(crate) fn primary(&self) -> u16 {
        let named: Vec<String> =
            redis::from_redis_value(self.sentinels[0].command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]))
                .unwrap();
        named[1].parse().unwrap()
    }
}

/// An authority, a server's certificate for 127.0.0.1 and a client's, made for one test.
pub(crate) struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let made = Self { directory: tempfile::tempdir().unwrap() };
        made.openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-authority -keyout ca.key -out ca.crt");
        std::fs::write(made.directory.path().join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        for name in ["server", "client"] {
            made.openssl(&format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
            made.openssl(&format!(
                "x509 -req -days 2 -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile san -out {name}.crt"
            ));
        }
        made
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(self.directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    pub(crate) fn pem(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}
