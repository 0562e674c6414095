//! From a byte stream to a connection: the version, the login, and why it failed in clean words.

use std::io;

use bytes::BytesMut;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::chunks::Chunks;
use super::message::Request;
use super::packstream::{Entries, Packed};
use super::{Connection, State, Version, socket};
use crate::config::{Address, CONNECT_TIMEOUT, Target};
use crate::error::{EXPIRED, Error, ServerError};

/// What a server's port for Bolt recognises a client by.
const MAGIC: [u8; 4] = [0x60, 0x60, 0xB0, 0x17];

/// The versions that we speak, the best first, as the handshake has them: how many minor versions below, minor, major.
const VERSIONS: Versions = [[0, 8, 8, 5], [0, 0, 4, 4], [0; 4], [0; 4]];

/// How a server that speaks TLS only says that it does not understand: the beginning of an alert, of whatever version.
fn is_tls_alert(answer: [u8; 4]) -> bool {
    matches!(answer, [0x15, 3, 0..=4, _])
}

/// What a handshake offers.
pub(super) type Versions = [[u8; 4]; 4];

/// How the database sees us where it does not see the adapter's name.
const AGENT: &str = concat!("mcp-hub/", env!("CARGO_PKG_VERSION"));

/// Logs in to the server at `address`.
///
/// # Errors
/// [`Error::Unavailable`] with a clean reason.
pub(crate) async fn connect(target: &Target, address: &Address) -> Result<Connection, Error> {
    connect_as(target, address, VERSIONS).await
}

/// The same, with a choice of versions.
pub(super) async fn connect_as(
    target: &Target,
    address: &Address,
    versions: Versions,
) -> Result<Connection, Error> {
    let login = async {
        let socket = socket::open(target, address).await?;
        log_in(socket, target, versions).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, login).await {
        Err(_) => Err(Error::Unreachable {
            verdict: Verdict::TimedOut,
            reason: "timed out".to_owned(),
            source: None,
        }),
        Ok(Err(Error::Server(error))) => {
            tracing::debug!(code = error.code, message = error.message, "the login is refused");
            Err(refused(&error, target))
        }
        Ok(Err(Error::Lost(source))) => Err(Error::Unavailable {
            verdict: Verdict::Closed,
            reason: "the server closed the connection".to_owned(),
            source: Some(source),
        }),
        Ok(result) => result,
    }
}

async fn log_in(
    mut socket: socket::Socket,
    target: &Target,
    versions: Versions,
) -> Result<Connection, Error> {
    let mut hello = MAGIC.to_vec();
    hello.extend(versions.as_flattened());
    socket.write_all(&hello).await.map_err(Error::Lost)?;
    socket.flush().await.map_err(Error::Lost)?;
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).await.map_err(Error::Lost)?;
    let version = agreed(answer)?;
    let mut connection = Connection {
        socket,
        input: BytesMut::with_capacity(8 * 1024),
        chunks: Chunks::default(),
        output: BytesMut::new(),
        pending: std::collections::VecDeque::new(),
        state: State::Ready,
        secrets: target.secrets(),
        received: 0,
    };
    let mut authentication = authentication(target);
    let mut extra: Entries = vec![("user_agent".to_owned(), AGENT.into())];
    if target.routing {
        extra.push(("routing".to_owned(), routing_context(target)));
    }
    if version >= (5, 3) {
        let agent = Packed::Map(vec![("product".to_owned(), AGENT.into())]);
        extra.push(("bolt_agent".to_owned(), agent));
    }
    if version < (5, 0) {
        // Instants as seconds since 1970 in UTC, as version 5 has them anyway: local ones are ambiguous twice a year.
        extra.push(("patch_bolt".to_owned(), vec!["utc"].into()));
    }
    if version >= (5, 1) {
        connection.queue(Request::Hello, vec![Packed::Map(extra)]);
        connection.queue(Request::Logon, vec![Packed::Map(authentication)]);
    } else {
        extra.append(&mut authentication);
        connection.queue(Request::Hello, vec![Packed::Map(extra)]);
    }
    connection.flush().await?;
    let metadata = Packed::Map(connection.success().await?);
    let login = if version >= (5, 1) {
        Packed::Map(connection.success().await?)
    } else {
        metadata
    };
    // The server lets such a user in and then forbids whatever is asked.
    if login.get("credentials_expired").and_then(Packed::as_bool) == Some(true) {
        return Err(Error::Refused {
            verdict: Verdict::PasswordExpired,
            reason: EXPIRED.to_owned(),
        });
    }
    Ok(connection)
}

/// What a server that routes learns of us: by which address we came, and what the URI says behind its question mark.
pub(crate) fn routing_context(target: &Target) -> Packed {
    let mut context: Entries = vec![("address".to_owned(), target.address.to_string().into())];
    let options = target.context.iter();
    context.extend(options.map(|(key, value)| (key.clone(), value.as_str().into())));
    Packed::Map(context)
}

fn authentication(target: &Target) -> Entries {
    let text = |key: &str, value: &str| (key.to_owned(), Packed::from(value));
    match &target.password {
        Some(password) => vec![
            text("scheme", "basic"),
            text("principal", &target.user),
            text("credentials", Secret::expose(password)),
        ],
        None => vec![text("scheme", "none")],
    }
}

/// The version that the server chose, if it is one of ours.
fn agreed(answer: [u8; 4]) -> Result<Version, Error> {
    let (verdict, reason) = match answer {
        [0, 0, minor @ 0..=8, 5] => return Ok((5, minor)),
        [0, 0, 4, 4] => return Ok((4, 4)),
        [0, 0, 0, 0] => (
            Verdict::VersionUnsupported,
            "the server speaks none of Bolt's versions 4.4 and 5.0 to 5.8",
        ),
        [b'H', b'T', b'T', b'P'] => (
            Verdict::WrongProtocol,
            "this port speaks HTTP, not Bolt: Neo4j's Bolt port is 7687 by default",
        ),
        answer if is_tls_alert(answer) => (
            Verdict::TlsRequired,
            "the server speaks TLS only: use a scheme with +s",
        ),
        _ => (Verdict::WrongProtocol, "what answers there is no Neo4j server"),
    };
    Err(Error::Unavailable {
        verdict,
        reason: reason.to_owned(),
        source: Some(io::Error::other(format!(
            "the handshake's answer is {answer:02x?}"
        ))),
    })
}

/// A refused login in words that name no address. The server's own message may.
fn refused(error: &ServerError, target: &Target) -> Error {
    let user = &target.user;
    let (verdict, reason) = match error.code.as_str() {
        "Neo.ClientError.Security.Unauthorized" if target.password.is_none() => (
            Verdict::CredentialMissing,
            "the server wants a password, and none is set".to_owned(),
        ),
        "Neo.ClientError.Security.Unauthorized" => (
            Verdict::LoginRefused,
            format!("login refused for user \"{user}\""),
        ),
        "Neo.ClientError.Security.CredentialsExpired" => (Verdict::PasswordExpired, EXPIRED.to_owned()),
        "Neo.ClientError.Security.AuthenticationRateLimit" => (
            Verdict::LoginBlocked,
            format!("too many wrong logins of user \"{user}\": the server takes none for some seconds"),
        ),
        code if code.starts_with("Neo.ClientError.Security.") => (
            Verdict::LoginRefused,
            format!("the server refused the login ({code})"),
        ),
        code => {
            return Error::Unavailable {
                verdict: Verdict::Starting,
                reason: format!("the server takes no login now ({code})"),
                source: None,
            };
        }
    };
    Error::Refused { verdict, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bolt_server_is_named() {
        assert_eq!(agreed([0, 0, 8, 5]).expect("ours"), (5, 8));
        assert_eq!(agreed([0, 0, 4, 4]).expect("ours"), (4, 4));
        for (answer, part) in [
            (*b"HTTP", "7687"),
            ([0; 4], "none of Bolt's versions"),
            ([0, 0, 0, 6], "no Neo4j server"),
            ([0x15, 3, 1, 0], "TLS only"),
        ] {
            let error = agreed(answer).expect_err("not ours");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
