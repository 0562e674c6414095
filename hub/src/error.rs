//! What can go wrong in the command. Each text is read by the person at the terminal, or by a client of the bridge.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mcp_hub_chassis::{BoxError, config, fault};
use mcp_hub_facade::auth::token;
use reqwest::StatusCode;

use crate::file::TableError;
use crate::message::NoMessage;
use crate::trace::Trace;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command can't do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The metrics' address can't be listened on.
    #[error("{0}")]
    Metrics(mcp_hub_chassis::BoxError),
    /// A file can't be read.
    #[error("can't read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody knows where data goes.
    #[error("there is no home folder for data; name a folder with --data-dir")]
    NoHome,
    /// The settings file has a table that means nothing.
    #[error("{} has an unknown table [{table}]; known are [database.<key>]", path.display())]
    UnknownTable {
        /// The file.
        path: PathBuf,
        /// The table's name.
        table: String,
    },
    /// The settings file can't be read.
    #[error("the settings file")]
    File(#[from] config::Error),
    /// A database of the settings file can't be used.
    #[error("{} says of [database.{key}]", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The database's key.
        key: String,
        /// Why.
        source: TableError,
    },
    /// The environment's settings of a kind of database can't be used.
    #[error("the environment's settings for {kind}: {reason}")]
    Environment {
        /// The kind of database.
        kind: &'static str,
        /// What is wrong with them.
        reason: String,
    },
    /// The sample database can't be made.
    #[error("can't make the sample database {}; --data-dir names another folder", path.display())]
    Sample {
        /// The file.
        path: PathBuf,
        /// Why.
        source: mcp_hub_sqlite::Error,
    },
    /// An adapter can't have a port.
    #[error("can't listen on loopback for the {key} adapter")]
    Loopback {
        /// The adapter's key.
        key: String,
        /// Why.
        source: io::Error,
    },
    /// The port is taken.
    #[error("{address} is in use{by}; choose another port with --port, or any free one with --port 0")]
    PortInUse {
        /// The address.
        address: SocketAddr,
        /// Who has it, " by python3 (process 4711)", or nothing.
        by: String,
    },
    /// The listener has no address.
    #[error("can't tell the address of the listener")]
    NoAddress(#[source] io::Error),
    /// The upstreams can't be used.
    #[error("can't use the upstreams")]
    Upstreams(#[source] mcp_hub_facade::upstream::file::Error),
    /// The facade failed.
    #[error(transparent)]
    Facade(mcp_hub_facade::Error),
    /// An adapter failed.
    #[error("the {key} adapter failed")]
    Adapter {
        /// Its key.
        key: String,
        /// Why.
        source: BoxError,
    },
    /// An adapter's task died.
    #[error("an adapter ended early")]
    Panicked(#[source] tokio::task::JoinError),
    /// Options that belong together were not given so.
    #[error("{0}")]
    Usage(&'static str),

    /// stdin or stdout failed.
    #[error("can't speak on stdin and stdout")]
    Stdio(#[source] io::Error),
    /// stdin failed.
    #[error("can't read stdin")]
    Stdin(#[source] io::Error),
    /// stdout failed.
    #[error("can't write to stdout")]
    Stdout(#[source] io::Error),
    /// stderr failed.
    #[error("can't write to stderr")]
    Stderr(#[source] io::Error),
    /// A file can't be written.
    #[error("can't write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tokens file can't be used.
    #[error("can't use the tokens file {}", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// Why.
        source: token::Error,
    },
    /// A token has this name.
    #[error("there is a token {name:?} already: choose another name, or revoke it first")]
    TokenTaken {
        /// The name.
        name: String,
    },
    /// No token has this name.
    #[error("there is no token {name:?}{hint}")]
    NoToken {
        /// The name.
        name: String,
        /// The names that there are, "; there are: ..", or nothing.
        hint: String,
    },
    /// A token can't be made.
    #[error("can't make a token")]
    NoRandomness(#[source] token::NoRandomness),
    /// An argument of a tool can't be read.
    #[error("{0:?} is no argument; give one JSON object, or name=value pairs")]
    Argument(String),
    /// An argument of a prompt can't be read.
    #[error("{0:?} is no argument; give name=value pairs")]
    PromptArgument(String),
    /// The tool does not exist.
    #[error("there is no tool {name:?}{hint}")]
    NoTool {
        /// Its name.
        name: String,
        /// Names that are like it, "; did you mean ..?", or nothing.
        hint: String,
    },
    /// The tool answered with an error.
    #[error("{}", followed(text, trace.as_ref()))]
    Tool {
        /// The error.
        text: String,
        /// The trace of the call.
        trace: Option<Trace>,
    },
    /// A call that was to be traced failed before the hub had answered.
    #[error("{}", followed(&fault::chain(.error), Some(.trace)))]
    Traced {
        /// Why.
        error: Box<Self>,
        /// The trace of the call.
        trace: Trace,
    },
    /// The hub can't serve calls.
    #[error("the hub at {0} is not ready")]
    NotReady(String),
    /// The hub that these settings start can't serve calls.
    #[error("the hub")]
    Unwell(#[source] mcp_hub_chassis::healthcheck::Error),
    /// A support bundle can't be written.
    #[error("can't write {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Doctor found something that does not work, or can't say what it found.
    #[error(transparent)]
    Doctor(mcp_hub_chassis::doctor::Error),
    /// An adapter can't be added to a checkout.
    #[error("can't add to {}", path.display())]
    Add {
        /// The checkout, or the file of it.
        path: PathBuf,
        /// Why.
        source: crate::add::Problem,
    },
    /// What the hub would listen on can't be printed.
    #[error("can't print what the hub would listen on")]
    Listens(#[source] mcp_hub_chassis::listens::Error),

    /// The HTTP client can't be made.
    #[error("can't set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The certificates can't be used.
    #[error("{} has no certificates in PEM", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
    },
    /// The token can't be sent.
    #[error("{} has a token that HTTP can't carry", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
    /// The hub does not take connections.
    #[error("can't reach mcp-hub at {address} ({cause}); is it running?")]
    Unreachable {
        /// Its address.
        address: String,
        /// Why.
        cause: String,
    },
    /// The TLS handshake failed.
    #[error(
        "can't trust mcp-hub at {address} ({cause}); if its authority is your own, name its certificate with --ca-file"
    )]
    Untrusted {
        /// Its address.
        address: String,
        /// Why.
        cause: String,
    },
    /// The hub went away before it answered.
    #[error(
        "mcp-hub at {address} hung up before it answered ({cause}); whether the call was carried out is not known"
    )]
    Lost {
        /// Its address.
        address: String,
        /// Why.
        cause: String,
    },
    /// The hub does not answer.
    #[error("mcp-hub at {address} did not answer in time")]
    Silent {
        /// Its address.
        address: String,
    },
    /// The hub went away while it answered.
    #[error("the answer of mcp-hub broke off")]
    Interrupted(#[source] reqwest::Error),
    /// The event stream broke off or is none.
    #[error("the event stream of mcp-hub broke off")]
    Stream(#[source] sse_stream::Error),
    /// A subscription's stream is over.
    #[error("the event stream of mcp-hub ended; subscribe again")]
    StreamEnded,
    /// The answer had no message for the request.
    #[error("mcp-hub ended its answer without a result")]
    NoAnswer,
    /// The answer is no JSON-RPC.
    #[error("mcp-hub answered something else than JSON-RPC")]
    Answer(#[source] NoMessage),
    /// Bytes are not in base64.
    #[error("mcp-hub sent bytes that are not in base64")]
    Base64(#[source] base64::DecodeError),
    /// The hub wants authorization.
    #[error(
        "mcp-hub asks who calls (HTTP 401): give a valid token with --token-file, or a header with --header; who runs the hub makes \
         one with \"mcp-hub token new\""
    )]
    Unauthorized,
    /// The hub is elsewhere.
    #[error("mcp-hub is elsewhere: use the address {location}")]
    Moved {
        /// Where it says it is.
        location: String,
    },
    /// The answer is an HTTP error.
    #[error("mcp-hub answered HTTP {status}: {text}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The first line of its body.
        text: String,
    },
    /// The answer is a JSON-RPC error.
    #[error("{}", followed(&format!("mcp-hub answered: {message} ({code})"), trace.as_ref()))]
    Rpc {
        /// Its code.
        code: i64,
        /// Its text.
        message: String,
        /// The trace of the request.
        trace: Option<Trace>,
    },
}

/// A text, and behind it what is known of the trace.
fn followed(text: &str, trace: Option<&Trace>) -> String {
    match trace.map(|trace| trace.beside(text)) {
        Some(lines) if !lines.is_empty() => format!("{}\n{lines}", text.trim_end()),
        _ => text.to_owned(),
    }
}

impl Error {
    pub(crate) fn add(path: &Path, source: crate::add::Problem) -> Self {
        Self::Add {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }
}
