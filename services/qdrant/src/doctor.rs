//! The way to the server, looked at from here: its host, its port, what answers there, the API key, and what the key may do.

use mcp_hub_chassis::doctor::database::{self, Examined, Way};
use mcp_hub_chassis::doctor::probe::Server;
use mcp_hub_chassis::doctor::probe::protocol::Spoken;
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::status::LOOK_TIMEOUT;
use qdrant_client::qdrant::CollectionExistsRequest;

use crate::config::{Config, Role, Target};
use crate::database::Database;
use crate::error::{Error, ServerError};

/// Looks at the way to the server, by a connection of its own. `key` is the service's.
pub async fn examine(config: Config, key: &str, scope: Scope) -> Vec<Finding> {
    if !config.is_configured() {
        return database::unsettled(key, Verdict::SettingMissing, "QDRANT_HOST is not set");
    }
    let target = match config.check().and_then(|()| config.target()) {
        Ok(target) => target,
        Err(error) => return database::unsettled(key, error.verdict(), error.to_string()),
    };
    match empty_secret(&config) {
        Ok(None) => {}
        Ok(Some(setting)) => {
            return database::unsettled(key, Verdict::SecretEmpty, format!("the file of {setting}"));
        }
        Err(error) => return database::unsettled(key, error.verdict(), error.to_string()),
    }
    let (host, port) = named_by(&config, &target);
    let way = Way::Network {
        server: Server::new(key, &target.host, target.port).named_by(host, port),
        speaks: if target.tls {
            &[Spoken::Tls, Spoken::Http2]
        } else {
            &[Spoken::Http2]
        },
    };
    let database = Database::new(config, key);
    let mut findings = database::examine(&database, key, &way, &scope).await;
    if target.moved {
        findings.push(way.finding(key, Hop::Port, Verdict::RestPortMapped));
    }
    // A port that is closed is one thing; that its neighbour of REST is open says what is to be done.
    let closed = findings
        .iter_mut()
        .find(|finding| finding.hop == Hop::Port && finding.failed());
    if let Some(finding) = closed
        && database.only_rest_answers(&target).await
    {
        *finding = way
            .finding(key, Hop::Port, Verdict::RestForGrpc)
            .with_detail(format!("the port of REST, {}, answers", target.rest_port))
            .after(finding.took);
    }
    findings
}

/// The settings that name host and port.
fn named_by(config: &Config, target: &Target) -> (&'static str, &'static str) {
    let urls = [
        ("QDRANT_URL", config.url.is_some()),
        ("QDRANT_URL_FILE", config.url_file.is_some()),
    ];
    let port = if config.grpc_port == Some(target.port) {
        "QDRANT_GRPC_PORT"
    } else {
        database::named_by(("QDRANT_PORT", config.port.is_some()), urls)
    };
    (
        database::named_by(("QDRANT_HOST", config.host.is_some()), urls),
        port,
    )
}

/// The setting whose file has nothing in it. Without the key that reads, a server may be asked; without the one that writes, that is a
/// mistake.
fn empty_secret(config: &Config) -> Result<Option<&'static str>, Error> {
    config.api_key(Role::Reader)?;
    let writes = config.allow_writes && config.has_write_key();
    let is_empty = writes && config.api_key(Role::Writer)?.is_none();
    Ok(is_empty.then_some("QDRANT_WRITE_API_KEY_FILE"))
}

#[tonic::async_trait]
impl Examined for Database {
    fn verdict(error: &Error) -> Verdict {
        error.verdict()
    }

    fn setting(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::LoginRefused => "QDRANT_API_KEY",
            Verdict::CredentialMissing => "QDRANT_API_KEY_FILE",
            Verdict::TlsMissing | Verdict::TlsRequired => "QDRANT_URL",
            Verdict::TlsUnknownAuthority | Verdict::TlsFiles => "QDRANT_SSLROOTCERT",
            Verdict::RestForGrpc | Verdict::WrongProtocol => "QDRANT_GRPC_PORT",
            _ => "",
        }
    }

    async fn log_in_to_write(&self) -> Option<Result<(), Error>> {
        if !self.config().allow_writes || !self.config().has_write_key() {
            return None;
        }
        // Something that needs a key and changes nothing.
        let asked = self
            .write(LOOK_TIMEOUT)
            .send(CollectionExistsRequest::default())
            .await;
        Some(match asked {
            Ok(_) | Err(Error::Server(ServerError { .. })) => Ok(()),
            Err(error) => Err(error),
        })
    }
}
