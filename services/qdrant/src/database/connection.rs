//! The one connection to the server: made at the first call, made again when it broke, replaced when the settings change.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::metrics::pool::Pool;
use mcp_hub_chassis::tls::{self, Check, Options};
use mcp_hub_chassis::trace::{OpenTelemetrySpanExt as _, attribute};
use mcp_hub_chassis::{server, trace};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tracing::{Instrument as _, Span};

use super::diagnosis::{self, Found};
use super::transport::Transport;
use crate::config::{CONNECT_TIMEOUT, Config, Role, Target};
use crate::error::Error;

/// How often the server is asked whether it is still there, also between calls, and how long it may take to say so: a connection whose
/// other end is gone without a word costs a call no more than both.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest error of the server, in bytes. It comes in headers and repeats what it was sent; a longer one than the usual 16 KiB would
/// end the connection, and with it the calls of everybody else.
const LONGEST_ERROR: u32 = 1024 * 1024;

/// Calls that waited for the same attempt to connect share its failure, when it took longer than the first of these. Each of them
/// makes the connection try again, which happens at once.
const SLOW_FAILURE: Duration = Duration::from_secs(1);
const SHARED_FOR: Duration = Duration::from_millis(50);

/// The connection, and what it was made with.
pub(super) struct Connection {
    config: Config,
    /// `mcp-hub/<key>`
    user_agent: String,
    pool: Pool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// The API keys as they were last read.
    keys: HashMap<Role, Option<Secret>>,
    told: bool,
}

#[derive(Clone)]
struct Open {
    target: Target,
    channel: Channel,
    answered: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn new(config: Config, name: &str, pool: Pool) -> Self {
        Self {
            config,
            pool,
            user_agent: format!("mcp-hub/{name}"),
            state: Mutex::default(),
        }
    }

    /// The way to the server for a call.
    pub(super) fn transport(&self, role: Role) -> Result<Transport, Error> {
        let mut state = self.state();
        let key = if let Some(key) = state.keys.get(&role) {
            key.clone()
        } else {
            let key = self.config.api_key(role)?;
            state.keys.insert(role, key.clone());
            key
        };
        let open = if let Some(open) = &state.open {
            open.clone()
        } else {
            let open = self.open(self.config.target()?)?;
            if !std::mem::replace(&mut state.told, true) {
                tell(&open.target, key.is_some());
            }
            state.open = Some(open.clone());
            open
        };
        drop(state);
        Transport::new(
            open.channel,
            role,
            key,
            open.answered,
            &open.target.host,
            open.target.port,
        )
    }

    /// Takes over what the settings' files say now.
    pub(super) fn renew_if_changed(&self) {
        let mut state = self.state();
        // A file that can't be read for a moment changes nothing; the next call says so if it stays.
        if let (Some(open), Ok(target)) = (&state.open, self.config.target())
            && open.target != target
        {
            tracing::info!("the address of the server has changed: the connection is replaced");
            state.open = None;
        }
        for (role, key) in &mut state.keys {
            if let Ok(now) = self.config.api_key(*role)
                && *key != now
            {
                tracing::info!("the API key has changed");
                *key = now;
            }
        }
    }

    /// Whether the key that a call went with is no longer the one of the settings.
    pub(super) fn key_changed(&self, role: Role, transport: &Transport) -> bool {
        self.renew_if_changed();
        let state = self.state();
        state
            .keys
            .get(&role)
            .is_some_and(|key| !transport.has_key(key.as_ref()))
    }

    /// What a connection that broke before the first answer says of the server: mostly that it is none of gRPC.
    pub(super) async fn explain(&self, error: Error) -> Error {
        let target = self.state().open.as_ref().map(|open| open.target.clone());
        let Some(target) = target else { return error };
        let (verdict, reason) = match diagnosis::look(&target, target.port).await {
            Found::Rest => (
                Verdict::RestForGrpc,
                format!(
                    "port {} is Qdrant's REST port, and the adapter needs its gRPC port: set QDRANT_GRPC_PORT, \
                     which is 6334 unless the server has another",
                    target.port
                ),
            ),
            Found::Tls if !target.tls => (
                Verdict::TlsRequired,
                "the server speaks TLS: give its address as QDRANT_URL with https://".to_owned(),
            ),
            Found::Http => (
                Verdict::WrongProtocol,
                "the server speaks HTTP, but is not Qdrant".to_owned(),
            ),
            Found::Tls | Found::Nothing => return error,
        };
        Error::Unavailable {
            verdict,
            reason,
            source: Some(error.into()),
        }
    }

    fn open(&self, target: Target) -> Result<Open, Error> {
        let wrong = |error: tonic::transport::Error| Error::Unavailable {
            verdict: Verdict::SettingWrong,
            reason: "the host is no name that a server could have".to_owned(),
            source: Some(error.into()),
        };
        let address = if target.host.contains(':') {
            format!("[{}]:{}", target.host, target.port)
        } else {
            format!("{}:{}", target.host, target.port)
        };
        let scheme = if target.tls { "https" } else { "http" };
        let origin: Uri =
            format!("{scheme}://{address}")
                .parse()
                .map_err(|error: http::uri::InvalidUri| Error::Unavailable {
                    verdict: Verdict::SettingWrong,
                    reason: "the host is no name that a server could have".to_owned(),
                    source: Some(error.into()),
                })?;
        // TLS is the connector's, with the chassis's words for what fails; for tonic's own, the address would be of https.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .and_then(|endpoint| endpoint.user_agent(self.user_agent.clone()))
            .map_err(wrong)?
            .origin(origin)
            .http2_max_header_list_size(LONGEST_ERROR)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .http2_adaptive_window(true);
        let connector = Connector {
            target: target.clone(),
            pool: self.pool.clone(),
            failed: Arc::default(),
        };
        let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let connector = connector.clone();
            // The channel makes it for a call, and in the span of that call's statement.
            let span = trace::internal("acquire connection");
            span.set_attribute(attribute::POOL_CONNECTED, true);
            let connect = async move { connector.connect().await.map(TokioIo::new) };
            connect.instrument(span)
        }));
        Ok(Open {
            target,
            channel,
            answered: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the operator should know of the settings, once.
fn tell(target: &Target, key: bool) {
    if target.moved {
        tracing::info!("port 6333 is Qdrant's REST: its gRPC is dialled, at port 6334 of the same host");
    }
    if key && !target.tls && target.is_remote() {
        tracing::warn!("the API key travels unencrypted: use QDRANT_URL with https://");
    }
}

/// Opens streams to the server.
#[derive(Clone)]
struct Connector {
    target: Target,
    pool: Pool,
    /// When the last attempt failed that took long, and why.
    failed: Arc<Mutex<Option<(Instant, Verdict, String)>>>,
}

impl Connector {
    async fn connect(&self) -> Result<Box<dyn Stream>, Error> {
        let connected = self.try_connect().await;
        if let Err(error) = &connected {
            trace::fail(&Span::current(), error.reason_name());
        }
        connected
    }

    async fn try_connect(&self) -> Result<Box<dyn Stream>, Error> {
        if let Some((verdict, reason)) = self.just_failed() {
            return Err(Error::Unreachable {
                verdict,
                reason,
                source: None,
            });
        }
        let begun = Instant::now();
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, open(&self.target)).await;
        let error = match stream {
            Ok(Ok(stream)) => {
                self.pool.connected(begun.elapsed());
                return Ok(stream);
            }
            Ok(Err(error)) => error,
            Err(_) => Error::Unreachable {
                verdict: Verdict::TimedOut,
                reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
                source: None,
            },
        };
        let Error::Unreachable {
            verdict,
            reason,
            source,
        } = error
        else {
            return Err(error);
        };
        let (verdict, reason) = match diagnosis::of_unreachable(&self.target).await {
            Some(reason) => (Verdict::RestForGrpc, reason),
            None => (verdict, reason),
        };
        if begun.elapsed() >= SLOW_FAILURE {
            *self.failed() = Some((Instant::now(), verdict, reason.clone()));
        }
        Err(Error::Unreachable {
            verdict,
            reason,
            source,
        })
    }

    fn just_failed(&self) -> Option<(Verdict, String)> {
        let failed = self.failed();
        let (at, verdict, reason) = failed.as_ref()?;
        (at.elapsed() < SHARED_FOR).then(|| (*verdict, reason.clone()))
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, Verdict, String)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream can do.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens a stream to the server's gRPC, as the target wants it.
async fn open(target: &Target) -> Result<Box<dyn Stream>, Error> {
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    if !target.tls {
        return Ok(Box::new(stream));
    }
    match secure(target, stream).await {
        Ok(stream) => Ok(stream),
        Err(error) => {
            let (verdict, reason) = match &error {
                tls::Error::Handshake(_) => (
                    Verdict::TlsMissing,
                    "the server does not speak TLS here: switch it on there, or use http://".to_owned(),
                ),
                error => (error.verdict(), error.to_string()),
            };
            Err(Error::Unavailable {
                verdict,
                reason,
                source: Some(error.into()),
            })
        }
    }
}

/// Speaks TLS on a stream to the server.
pub(super) async fn secure(target: &Target, stream: TcpStream) -> Result<Box<dyn Stream>, tls::Error> {
    let options = Options {
        check: Check::Everything,
        authorities: target.sslrootcert.as_deref(),
        client: None,
    };
    let stream = tls::connect(&options, &target.host, stream).await?;
    Ok(Box::new(stream))
}

/// Why no stream can be had, without an address.
fn unreachable(error: io::Error) -> Error {
    Error::Unreachable {
        verdict: server::verdict(&error),
        reason: server::unreachable(&error).to_owned(),
        source: Some(error.into()),
    }
}

/// An API key as a header.
pub(super) fn header(key: &Secret) -> Result<HeaderValue, Error> {
    let mut header = HeaderValue::from_str(key.expose()).map_err(|error| Error::Refused {
        verdict: Verdict::LoginRefused,
        reason: format!("the API key has characters that none can have: {error}"),
    })?;
    header.set_sensitive(true);
    Ok(header)
}
