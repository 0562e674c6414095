//! The other end of a door, as traces show it: what is known of a client beside who it is.
//!
//! All of it comes from outside, so that it is short and nothing depends on it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use rmcp::model::{Implementation, InitializeRequestParams};
use sha2::{Digest as _, Sha256};

use super::shown;

/// What a client is connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// HTTP.
    Tcp,
    /// The standard input and output of a process.
    Pipe,
}

impl Transport {
    /// As `network.transport` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Pipe => "pipe",
        }
    }
}

/// The client at the other end: of one request, or of a stream as long as it lasts.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(super) transport: Transport,
    pub(super) address: Option<IpAddr>,
    pub(super) user_agent: Option<String>,
    session: OnceLock<String>,
    introduced: ArcSwapOption<Introduced>,
}

/// What a client says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduced {
    pub(super) name: String,
    pub(super) version: String,
    /// The version of MCP that it has asked for, when it said what it is at the beginning of a stream.
    pub(super) protocol: Option<String>,
}

impl From<&Implementation> for Introduced {
    fn from(client: &Implementation) -> Self {
        Self {
            name: shown(&client.name),
            version: shown(&client.version),
            protocol: None,
        }
    }
}

impl Remote {
    /// A client of HTTP, by the address that it has as far as proxies are trusted.
    pub(crate) fn http(address: IpAddr, headers: &http::HeaderMap) -> Self {
        let user_agent = headers.get(http::header::USER_AGENT);
        Self {
            address: Some(address),
            user_agent: user_agent.and_then(|agent| agent.to_str().ok()).map(shown),
            ..Self::by(Transport::Tcp)
        }
    }

    /// The process at the other end of our pipes.
    pub(crate) fn pipe() -> Self {
        Self::by(Transport::Pipe)
    }

    fn by(transport: Transport) -> Self {
        Self {
            transport,
            address: None,
            user_agent: None,
            session: OnceLock::new(),
            introduced: ArcSwapOption::empty(),
        }
    }

    /// It has a session of this id. Whoever knows the id can write to the stream, so that a digest of it is shown.
    pub(crate) fn opened(&self, session_id: &str) {
        let digest = Sha256::digest(session_id);
        let short = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        // A stream has one id.
        let _ = self.session.set(short.collect());
    }

    /// The digest of its session's id; `None` without a session.
    pub(super) fn session(&self) -> Option<&str> {
        self.session.get().map(String::as_str)
    }

    /// It says what it is; the last word counts.
    pub(super) fn introduce(&self, request: &InitializeRequestParams) {
        let introduced = Introduced {
            protocol: Some(shown(request.protocol_version.as_str())),
            ..Introduced::from(&request.client_info)
        };
        self.introduced.store(Some(Arc::new(introduced)));
    }

    /// What it has said that it is.
    pub(super) fn introduced(&self) -> Option<Arc<Introduced>> {
        self.introduced.load_full()
    }
}
