//! From a byte stream to a session: startup, authentication, and why it failed in clean words.

use std::sync::Arc;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::{Connection, IDLE, Key, socket};
use mcp_hub_chassis::server::SslMode;

use crate::config::{CONNECT_TIMEOUT, Target};
use crate::error::{Error, ServerError};

/// Logs in. `parameters` are the session's settings, beside those that every session of ours has.
pub(crate) async fn connect(target: Arc<Target>, parameters: &[(&str, &str)]) -> Result<Connection, Error> {
    let login = async {
        let socket = socket::open(&target).await?;
        match log_in(socket, &target, parameters).await {
            Err(Error::Server(error)) if target.sslmode == SslMode::Allow && error.sqlstate == "28000" => {
                let socket = socket::open_with(&target, true).await?;
                log_in(socket, &target, parameters).await
            }
            result => result,
        }
    };
    let result = tokio::time::timeout(CONNECT_TIMEOUT, login).await;
    match result {
        Err(_) => Err(Error::Unavailable {
            verdict: Verdict::TimedOut,
            reason: "timed out".to_owned(),
            source: None,
        }),
        Ok(Err(Error::Server(error))) => Err(refused(error, &target)),
        Ok(Err(Error::Lost(source))) => Err(Error::Unavailable {
            verdict: Verdict::Closed,
            reason: "the server closed the connection".to_owned(),
            source: Some(source),
        }),
        Ok(result) => result,
    }
}

async fn log_in(
    socket: socket::Socket,
    target: &Arc<Target>,
    parameters: &[(&str, &str)],
) -> Result<Connection, Error> {
    let mut connection = Connection {
        socket,
        input: BytesMut::with_capacity(8 * 1024),
        output: BytesMut::new(),
        pending: 1,
        preamble: 0,
        status: IDLE,
        broken: false,
        key: Key {
            target: target.clone(),
            process: 0,
            secret: 0,
        },
        notices: vec![],
        secrets: target.secrets(),
    };
    // What every pooler takes. Strings must mean to the server what they mean to the guard.
    let usual = [
        ("user", target.user.as_str()),
        ("database", target.database.as_str()),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("standard_conforming_strings", "on"),
    ];
    let parameters = usual.into_iter().chain(parameters.iter().copied());
    frontend::startup_message(parameters, &mut connection.output).map_err(Error::Lost)?;
    connection.flush().await?;
    authenticate(&mut connection, target).await?;
    loop {
        match connection.receive().await? {
            Message::BackendKeyData(body) => {
                connection.key.process = body.process_id();
                connection.key.secret = body.secret_key();
            }
            Message::ReadyForQuery(_) => return Ok(connection),
            _ => return Err(Error::Protocol("during login")),
        }
    }
}

async fn authenticate(connection: &mut Connection, target: &Target) -> Result<(), Error> {
    loop {
        match connection.receive().await? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                let password = password(target)?.expose();
                frontend::password_message(password.as_bytes(), &mut connection.output)
                    .map_err(Error::Lost)?;
            }
            Message::AuthenticationMd5Password(body) => {
                let password = password(target)?.expose();
                let hash = md5_hash(target.user.as_bytes(), password.as_bytes(), body.salt());
                frontend::password_message(hash.as_bytes(), &mut connection.output).map_err(Error::Lost)?;
            }
            Message::AuthenticationSasl(body) => {
                let mut mechanisms = body.mechanisms();
                let mut known = false;
                while let Some(mechanism) = mechanisms.next().map_err(Error::Lost)? {
                    known |= mechanism == SCRAM_SHA_256;
                }
                if !known {
                    return Err(unsupported());
                }
                scram(connection, password(target)?).await?;
            }
            _ => return Err(unsupported()),
        }
        connection.flush().await?;
    }
}

async fn scram(connection: &mut Connection, password: &Secret) -> Result<(), Error> {
    let mut scram = ScramSha256::new(password.expose().as_bytes(), ChannelBinding::unsupported());
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut connection.output)
        .map_err(Error::Lost)?;
    connection.flush().await?;
    let Message::AuthenticationSaslContinue(body) = connection.receive().await? else {
        return Err(Error::Protocol("during SCRAM"));
    };
    scram.update(body.data()).map_err(Error::Lost)?;
    frontend::sasl_response(scram.message(), &mut connection.output).map_err(Error::Lost)?;
    connection.flush().await?;
    let Message::AuthenticationSaslFinal(body) = connection.receive().await? else {
        return Err(Error::Protocol("during SCRAM"));
    };
    scram.finish(body.data()).map_err(Error::Lost)
}

fn password(target: &Target) -> Result<&Secret, Error> {
    target.password.as_ref().ok_or_else(|| Error::Unavailable {
        verdict: Verdict::CredentialMissing,
        reason: format!(
            "the server wants a password for role \"{}\", and none is set",
            target.user
        ),
        source: None,
    })
}

fn unsupported() -> Error {
    Error::Unavailable {
        verdict: Verdict::LoginUnsupported,
        reason: "the server wants a kind of login that is not supported".to_owned(),
        source: None,
    }
}

/// A refused login in words that name no address. The server's own message may.
fn refused(error: Box<ServerError>, target: &Target) -> Error {
    let user = &target.user;
    let database = &target.database;
    let text = error.message.to_lowercase();
    let (verdict, reason) = match error.sqlstate.as_str() {
        _ if text.contains("unsupported startup parameter") => return Error::StartupParameter(error),
        // It says so as well where it has no TLS, or where TLS would not help. Otherwise we have come with it where it has any.
        "28000"
            if target.sslmode == SslMode::Disable
                && (text.contains("no encryption") || text.contains("ssl off")) =>
        {
            (
                Verdict::TlsRequired,
                format!(
                    "the server does not let role \"{user}\" into database \"{database}\" without TLS from here"
                ),
            )
        }
        "28000" if text.contains("pg_hba") => (
            Verdict::HostDenied,
            format!(
                "the server does not let role \"{user}\" into database \"{database}\" from here (pg_hba.conf)"
            ),
        ),
        "28000" if text.contains("client certificate") => (
            Verdict::TlsRefused,
            format!("login refused for role \"{user}\": the server wants a client certificate"),
        ),
        "28000" | "28P01" => (
            Verdict::LoginRefused,
            format!("login refused for role \"{user}\""),
        ),
        // PgBouncer has one code for everything.
        "08P01" if text.contains("no such database") => (
            Verdict::DatabaseMissing,
            format!("database \"{database}\" does not exist"),
        ),
        "08P01" if text.contains("no such user") || text.contains("auth") => (
            Verdict::LoginRefused,
            format!("login refused for role \"{user}\""),
        ),
        "3D000" => (
            Verdict::DatabaseMissing,
            format!("database \"{database}\" does not exist"),
        ),
        "42501" => (
            Verdict::DatabaseDenied,
            format!("role \"{user}\" may not connect to database \"{database}\""),
        ),
        // `jit` came with version 11, and version 12 is the oldest that can be asked.
        "42704" => (
            Verdict::VersionUnsupported,
            "the server lacks a setting that PostgreSQL has since 11, and the oldest that can be asked is 12"
                .to_owned(),
        ),
        "53300" => (
            Verdict::ConnectionLimit,
            "the server has no connection left".to_owned(),
        ),
        "57P03" => (
            Verdict::Starting,
            "the server is starting up or shutting down".to_owned(),
        ),
        sqlstate => (
            Verdict::NotWorking,
            format!("the server refused the connection (SQLSTATE {sqlstate})"),
        ),
    };
    Error::Unavailable {
        verdict,
        reason,
        source: Some(std::io::Error::other(error.message)),
    }
}
