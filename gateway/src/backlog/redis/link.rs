//! One connection to one server, kept alive: opened, checked, asked every few seconds, replaced when it dies.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, PushInfo, PushKind};
use redis::{ProtocolVersion, RedisConnectionInfo, TlsCertificates};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::options::{Address, Credentials, Mode, Options, OptionsError};

/// Commands that may wait in the client for the socket, so that bursts go out in few writes.
const PIPELINE: usize = 1024;
/// Longest pause between two attempts to connect.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether a link carries commands now.
#[derive(Clone)]
pub(super) enum State {
    /// It doesn't, because.
    Down(Arc<str>),
    /// It does.
    Up(MultiplexedConnection),
}

/// What a link does with pushes.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection that is opened again whenever it is lost.
pub(super) struct Link {
    state: watch::Receiver<State>,
    suspect: Arc<Notify>,
    replace: Arc<Notify>,
    _task: Task,
}

impl Link {
    /// Begins to connect. `lost` is notified whenever the server can't be reached or isn't fit.
    pub(super) fn start(options: Arc<Options>, address: Address, on_push: Option<OnPush>, lost: Arc<Notify>) -> Self {
        let (sender, state) = watch::channel(State::Down(format!("{address}: not connected yet").into()));
        let suspect = Arc::new(Notify::new());
        let replace = Arc::new(Notify::new());
        let signs = Signs { suspect: Arc::clone(&suspect), replace: Arc::clone(&replace), lost };
        let _task = Task::spawn(keep(options, address, on_push, sender, signs));
        Self { state, suspect, replace, _task }
    }

    /// The state now and every change.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// The connection, as soon as there is one; the error is why there is none within `patience`.
    pub(super) async fn connection(&self, patience: Duration) -> Result<MultiplexedConnection, Arc<str>> {
        let mut state = self.state.clone();
        let up = state.wait_for(|state| matches!(state, State::Up(_)));
        let found = match timeout(patience, up).await {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) => State::Down("the link was closed".into()),
            Err(_) => self.state.borrow().clone(),
        };
        match found {
            State::Up(connection) => Ok(connection),
            State::Down(reason) => Err(reason),
        }
    }

    /// Asks the link to look whether its connection still lives, and to replace it.
    pub(super) fn suspect(&self) {
        self.suspect.notify_one();
    }

    /// Gives the connection up for a new one, though it may still live.
    pub(super) fn replace(&self) {
        self.replace.notify_one();
    }

    /// Whether it is up.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }
}

/// What a link's task is told, and tells.
struct Signs {
    suspect: Arc<Notify>,
    replace: Arc<Notify>,
    lost: Arc<Notify>,
}

async fn keep(
    options: Arc<Options>,
    address: Address,
    on_push: Option<OnPush>,
    state: watch::Sender<State>,
    signs: Signs,
) {
    let mut failures = 0u32;
    loop {
        let opened = async {
            let mut connection = connect(&options, &address, on_push.clone(), &signs.suspect).await?;
            check(&options, &mut connection).await?;
            Ok::<_, String>(connection)
        };
        let reason = match timeout(options.connect_timeout, opened).await {
            Ok(Ok(connection)) => {
                failures = 0;
                tracing::debug!(%address, "connected to redis");
                state.send_replace(State::Up(connection.clone()));
                alive(&options, connection, &signs).await
            }
            Ok(Err(reason)) => reason,
            Err(_) => format!("failed to connect within {:?}", options.connect_timeout),
        };
        tracing::warn!(%address, %reason, "lost redis");
        state.send_replace(State::Down(format!("{address}: {reason}").into()));
        signs.lost.notify_one();
        let backoff = (Duration::from_millis(20) * 2u32.pow(failures.min(8))).min(MAX_BACKOFF);
        failures += 1;
        let jittered = backoff.mul_f64(rand::rng().random_range(0.5..1.0));
        sleep(jittered).await;
    }
}

/// Returns when the connection is dead, and why.
async fn alive(options: &Options, mut connection: MultiplexedConnection, signs: &Signs) -> String {
    let ping = redis::cmd("PING");
    loop {
        // A sign of trouble leads to a question at once, else one is asked every few seconds.
        tokio::select! {
            () = signs.replace.notified() => return "its answers didn't match".into(),
            () = signs.suspect.notified() => {}
            () = sleep(options.ping_interval) => {}
        }
        match timeout(options.ping_interval, connection.send_packed_command(&ping)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("no answer to PING within {:?}", options.ping_interval),
        }
    }
}

/// Opens a connection and introduces ourselves.
pub(super) async fn connect(
    options: &Options,
    address: &Address,
    on_push: Option<OnPush>,
    suspect: &Arc<Notify>,
) -> Result<MultiplexedConnection, String> {
    let client = client(options, address, &options.credentials).map_err(|error| error.to_string())?;
    let suspect = Arc::clone(suspect);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.call_timeout))
        .set_pipeline_buffer_size(PIPELINE)
        .set_push_sender(move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                suspect.notify_one();
            } else if let Some(on_push) = &on_push {
                on_push(push);
            }
            Ok::<(), ()>(())
        });
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| error.to_string())
}

/// A client for one server; it doesn't connect yet. Also proves TLS material.
pub(super) fn client(options: &Options, address: &Address, credentials: &Credentials) -> Result<Client, OptionsError> {
    let host = address.host.clone();
    let port = address.port;
    let wanted = match &options.tls {
        None => ConnectionAddr::Tcp(host, port),
        Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    };
    let refused = |error: redis::RedisError| OptionsError::Tls(error.to_string());
    let mut settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    if let Some(username) = &credentials.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &credentials.password {
        settings = settings.set_password(password);
    }
    let info = wanted.into_connection_info().map_err(refused)?;
    let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    match &options.tls {
        None => Client::open(info).map_err(refused),
        Some(tls) => {
            let client_tls = tls
                .identity
                .clone()
                .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key });
            let root_cert = tls.authorities.clone();
            Client::build_with_tls(info, TlsCertificates { client_tls, root_cert }).map_err(refused)
        }
    }
}

/// Refuses servers that can't keep what we promise.
async fn check(options: &Options, connection: &mut MultiplexedConnection) -> Result<(), String> {
    let info: String = redis::cmd("INFO").query_async(connection).await.map_err(|error| error.to_string())?;
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end).unwrap_or_default()
    };
    let version = field("redis_version");
    if version.split('.').next().and_then(|major| major.parse().ok()).is_none_or(|major: u32| major < 7) {
        return Err(format!("redis 7 or newer is needed, this is {version:?}"));
    }
    if field("maxmemory_policy") != "noeviction" {
        let policy = field("maxmemory_policy");
        return Err(format!(
            "maxmemory-policy must be noeviction, not {policy:?}: eviction would lose events unnoticed"
        ));
    }
    let cluster = matches!(options.mode, Mode::Cluster { .. });
    if (field("cluster_enabled") == "1") != cluster {
        return Err(if cluster {
            "it isn't a cluster node".into()
        } else {
            "it is a cluster node: the mode must be cluster".into()
        });
    }
    if field("role") != "master" {
        return Err("it is a replica".into());
    }
    Ok(())
}
