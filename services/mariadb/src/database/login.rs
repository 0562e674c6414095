//! From settings to a connection that has logged in, and why it failed in clean words.

use std::io;

use mcp_hub_chassis::BoxError;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::server::SslMode;
use rustls::CertificateError;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::config::{CONNECT_TIMEOUT, Target};
use crate::error::{Error, ServerError};

/// How many prepared statements the driver may keep. A call adds few, so that what [`Session::is_worn`](super::session::Session::is_worn)
/// allows never gets there.
const STATEMENTS: usize = 512;

/// Logs in, and nothing more: the session is as the server makes it.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::Server`] for a database that is not there or that the user may not use.
pub(super) async fn connect(target: &Target) -> Result<MySqlConnection, Error> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options(target).connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(judge(error, target)),
        Err(_) => Err(unavailable(Verdict::TimedOut, "timed out", None)),
    }
}

/// Ends a connection in the background's time: the server is told, so that it need not notice.
pub(super) async fn close(connection: MySqlConnection) {
    // The result is of no use to anybody, and a peer that does not take it must not hold us.
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, connection.close()).await;
}

fn options(target: &Target) -> MySqlConnectOptions {
    let system = target.sslrootcert.as_deref() == Some("system".as_ref());
    let authority = target.sslrootcert.as_ref().filter(|_| !system);
    let mode = match target.sslmode {
        SslMode::Disable => MySqlSslMode::Disabled,
        // libpq: the system's authorities vouch for everybody, so that only the name makes a difference.
        SslMode::VerifyFull => MySqlSslMode::VerifyIdentity,
        SslMode::Require | SslMode::VerifyCa if system => MySqlSslMode::VerifyIdentity,
        SslMode::VerifyCa => MySqlSslMode::VerifyCa,
        SslMode::Require if authority.is_some() => MySqlSslMode::VerifyCa,
        SslMode::Require => MySqlSslMode::Required,
        SslMode::Allow | SslMode::Prefer => MySqlSslMode::Preferred,
    };
    let mut options = MySqlConnectOptions::new()
        .username(&target.user)
        .ssl_mode(mode)
        .statement_cache_capacity(STATEMENTS)
        // What the session is set to is all said in one place, `session`.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        // Callers' statements are nothing for our log.
        .disable_statement_logging();
    options = if target.host.starts_with('/') {
        options.socket(&target.host)
    } else {
        options.host(&target.host).port(target.port)
    };
    if let Some(password) = &target.password {
        options = options.password(password.expose());
    }
    if let Some(database) = &target.database {
        options = options.database(database);
    }
    if let Some(authority) = authority {
        options = options.ssl_ca(authority);
    }
    if let (Some(certificate), Some(key)) = (&target.sslcert, &target.sslkey) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    options
}

impl Target {
    /// What must never be in an answer, as far as the server might quote it. Short hosts are words and stay.
    pub(super) fn secrets(&self) -> Vec<String> {
        let password = self.password.iter().map(Secret::expose);
        let host = std::iter::once(self.host.as_str()).filter(|host| host.contains('.'));
        password
            .chain(host)
            .filter(|secret| secret.len() >= 4)
            .map(str::to_owned)
            .collect()
    }
}

fn unavailable(verdict: Verdict, reason: impl Into<String>, source: Option<BoxError>) -> Error {
    Error::Unavailable {
        verdict,
        reason: reason.into(),
        source,
    }
}

/// Why a login failed, without address or password.
fn judge(error: sqlx::Error, target: &Target) -> Error {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast::<MySqlDatabaseError>() {
            Ok(error) => refused(&error, target),
            Err(other) => unavailable(Verdict::NotWorking, "the login failed", Some(other)),
        },
        sqlx::Error::Io(error) => {
            let (verdict, reason) = match error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            {
                Some(error) => tls(error),
                None => network(error.kind(), target),
            };
            unavailable(verdict, reason, Some(error.into()))
        }
        sqlx::Error::Tls(error) => {
            let (verdict, reason) = match error.downcast_ref::<rustls::Error>() {
                Some(error) => tls(error),
                None if error.to_string().contains("does not support TLS") => (
                    Verdict::TlsMissing,
                    "the server does not offer TLS, and sslmode asks for it",
                ),
                None => (
                    Verdict::TlsFiles,
                    "TLS: the certificates of the settings, or the server's name, can't be used",
                ),
            };
            unavailable(verdict, reason, Some(error))
        }
        sqlx::Error::Protocol(text) => {
            let (verdict, reason) = match text.split_once("unknown authentication plugin: ") {
                Some((_, plugin)) => (Verdict::LoginUnsupported, plugin_is_unknown(plugin, target)),
                None if text.contains("cleartext") => (
                    Verdict::LoginUnsupported,
                    format!(
                        "login of user \"{}\" refused: the server wants the password in clear text, which is not sent",
                        target.user
                    ),
                ),
                None => (
                    Verdict::WrongProtocol,
                    "the server does not speak the protocol of MySQL".to_owned(),
                ),
            };
            unavailable(verdict, reason, Some(text.into()))
        }
        // The driver is built without RSA (see Cargo.toml).
        sqlx::Error::Configuration(error) if error.to_string().contains("RSA") => unavailable(
            Verdict::LoginNeedsTls,
            format!(
                "login of user \"{}\" refused: its authentication (caching_sha2_password or sha256_password) needs TLS: set \
                 sslmode to require, or to prefer when the server offers TLS",
                target.user
            ),
            Some(error),
        ),
        other => unavailable(
            Verdict::SettingWrong,
            "the settings of the login can't be used",
            Some(other.into()),
        ),
    }
}

fn plugin_is_unknown(plugin: &str, target: &Target) -> String {
    // The name of a plugin is a word; what else stands there is the driver's.
    let plugin: String = plugin
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .collect();
    format!(
        "login of user \"{}\" refused: the driver does not know its authentication plugin {plugin}; give the user a password of \
         mysql_native_password (MariaDB) or caching_sha2_password (MySQL)",
        target.user
    )
}

fn refused(error: &MySqlDatabaseError, target: &Target) -> Error {
    let user = &target.user;
    let (verdict, reason) = match error.number() {
        // No right to the database, no such database: whether a caller or the settings named it is known above.
        1044 | 1049 => return Error::Server(Box::new(ServerError::read(error))),
        1045 | 1698 => (
            Verdict::LoginRefused,
            format!("login refused for user \"{user}\": wrong password, or no right to log in from here"),
        ),
        1040 | 1203 | 1226 => (
            Verdict::ConnectionLimit,
            "the server has too many connections".to_owned(),
        ),
        1129 => (
            Verdict::LoginBlocked,
            "the server has blocked this host after too many failed connections; FLUSH HOSTS on the server lifts that".to_owned(),
        ),
        1130 => (
            Verdict::HostDenied,
            format!("the server does not let user \"{user}\" log in from this host"),
        ),
        1820 | 1862 => (
            Verdict::PasswordExpired,
            format!("the password of user \"{user}\" has expired"),
        ),
        3118 | 4151 => (Verdict::AccountLocked, format!("user \"{user}\" is locked")),
        3159 => (
            Verdict::TlsRequired,
            "the server takes connections with TLS only: set sslmode to require".to_owned(),
        ),
        1053 | 1079 | 1152 => (Verdict::Starting, "the server is shutting down".to_owned()),
        number => (
            Verdict::NotWorking,
            format!("login refused for user \"{user}\" (error {number})"),
        ),
    };
    unavailable(verdict, reason, Some(format!("{error}").into()))
}

fn network(kind: io::ErrorKind, target: &Target) -> (Verdict, &'static str) {
    let is_file = matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
    if is_file && !target.host.starts_with('/') {
        return (
            Verdict::TlsFiles,
            "TLS: the certificates of the settings can't be read",
        );
    }
    match kind {
        io::ErrorKind::ConnectionRefused => (Verdict::Refused, "connection refused"),
        io::ErrorKind::TimedOut => (Verdict::TimedOut, "timed out"),
        io::ErrorKind::NotFound => (Verdict::Refused, "there is no such socket"),
        io::ErrorKind::PermissionDenied => (Verdict::Unreachable, "the socket may not be used"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            (Verdict::Unreachable, "no route to the host")
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => (Verdict::Closed, "the server closed the connection"),
        // What a look-up of names that fails is depends on the platform.
        _ => (Verdict::NameNotFound, "the host can't be found or reached"),
    }
}

fn tls(error: &rustls::Error) -> (Verdict, &'static str) {
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                Verdict::TlsWrongName,
                "TLS: the server's certificate is for another host name",
            ),
            CertificateError::UnknownIssuer => (
                Verdict::TlsUnknownAuthority,
                "TLS: nobody trusted has signed the server's certificate; sslrootcert names who is",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                (Verdict::TlsExpired, "TLS: the server's certificate has expired")
            }
            _ => (Verdict::TlsInvalid, "TLS: the server's certificate is not valid"),
        },
        rustls::Error::AlertReceived(_) => (
            Verdict::TlsRefused,
            "TLS: the server refused the connection; it may want a client certificate",
        ),
        _ => (Verdict::TlsFailed, "TLS: the handshake failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            host: "10.0.0.5".to_owned(),
            port: 3306,
            user: "u".to_owned(),
            password: Some("hunter22".to_owned().into()),
            database: None,
            sslmode: SslMode::Prefer,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
        }
    }

    #[test]
    fn an_unknown_plugin_says_what_to_do() {
        let error =
            sqlx::Error::Protocol("unknown authentication plugin: client_ed25519 (at x.rs:1)".to_owned());
        let Error::Unavailable { reason, .. } = judge(error, &target()) else {
            panic!("another error")
        };
        assert!(reason.contains("plugin client_ed25519;"), "{reason}");
    }

    #[test]
    fn nothing_of_the_address_is_told() {
        let causes = [
            sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionRefused, "10.0.0.5:3306")),
            sqlx::Error::Tls("10.0.0.5".into()),
            sqlx::Error::Protocol("10.0.0.5".to_owned()),
            sqlx::Error::Configuration("10.0.0.5".into()),
        ];
        for cause in causes {
            let Error::Unavailable { reason, .. } = judge(cause, &target()) else {
                panic!("another error")
            };
            assert!(!reason.contains("10.0.0.5"), "{reason}");
        }
    }
}
