//! The way to the server, looked at from here: its host, its port, what answers there, the login, and what the login may do.

use std::time::SystemTime;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::doctor::database::{self, Examined, Way, since_epoch};
use mcp_hub_chassis::doctor::probe::Server;
use mcp_hub_chassis::doctor::probe::protocol::Spoken;
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::status::LOOK_TIMEOUT;

use crate::config::{Config, Role, Target};
use crate::database::Database;
use crate::error::Error;
use crate::traced::Shown;

/// Looks at the way to the server, by connections of its own. `key` is the service's.
pub async fn examine(config: Config, key: &str, scope: Scope) -> Vec<Finding> {
    let target = match config.check().and_then(|()| config.target(Role::Reader)) {
        Ok(target) => target,
        Err(error) => return database::unsettled(key, error.verdict(), error.to_string()),
    };
    if let Some(setting) = empty_secret(&config, &target) {
        return database::unsettled(key, Verdict::SecretEmpty, format!("the file of {setting}"));
    }
    let socket = format!("{}/.s.PGSQL.{}", target.host, target.port);
    let way = if target.host.starts_with('/') {
        Way::Socket(&socket)
    } else {
        let (host, port) = named_by(&config);
        Way::Network {
            server: Server::new(key, &target.host, target.port).named_by(host, port),
            speaks: &[Spoken::Postgres],
        }
    };
    let lifecycle = Lifecycle::new();
    let database = Database::new(config, key, lifecycle.clone());
    let mut findings = database::examine(&database, key, &way, &scope).await;
    if database.is_behind_pooler() {
        findings.push(way.finding(key, Hop::Login, Verdict::Pooler));
    }
    lifecycle.stop();
    findings
}

/// The settings that name host and port.
fn named_by(config: &Config) -> (&'static str, &'static str) {
    let urls = [
        ("POSTGRES_URL", config.url.is_some()),
        ("POSTGRES_URL_FILE", config.url_file.is_some()),
    ];
    (
        database::named_by(("POSTGRES_HOST", config.host.is_some()), urls),
        database::named_by(("POSTGRES_PORT", config.port.is_some()), urls),
    )
}

/// The setting whose file has nothing in it.
fn empty_secret(config: &Config, target: &Target) -> Option<&'static str> {
    let writer = config.target(Role::Writer).ok().filter(|_| config.allow_writes);
    let written = writer.as_ref().and_then(|writer| writer.password.as_ref());
    database::empty_file([
        (
            "POSTGRES_PASSWORD_FILE",
            config.password_file.as_ref().and(target.password.as_ref()),
        ),
        (
            "POSTGRES_WRITE_PASSWORD_FILE",
            config.write_password_file.as_ref().and(written),
        ),
    ])
}

#[tonic::async_trait]
impl Examined for Database {
    fn verdict(error: &Error) -> Verdict {
        error.verdict()
    }

    fn setting(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::LoginRefused => "POSTGRES_USER and POSTGRES_PASSWORD",
            Verdict::CredentialMissing => "POSTGRES_PASSWORD_FILE",
            Verdict::DatabaseMissing | Verdict::DatabaseDenied => "POSTGRES_DB",
            Verdict::PoolerDenied => "POSTGRES_POOLER",
            Verdict::TlsMissing | Verdict::TlsRequired => "POSTGRES_SSLMODE",
            Verdict::TlsUnknownAuthority | Verdict::TlsFiles => "POSTGRES_SSLROOTCERT",
            Verdict::TlsRefused => "POSTGRES_SSLCERT",
            Verdict::WrongProtocol => "POSTGRES_PORT",
            _ => "",
        }
    }

    async fn log_in_to_write(&self) -> Option<Result<(), Error>> {
        let config = self.config();
        if !config.allow_writes || config.write_user.is_none() {
            return None;
        }
        let login = async { self.write(None, LOOK_TIMEOUT).await?.rollback().await };
        Some(login.await.map(drop))
    }

    async fn time(&self) -> Result<Option<SystemTime>, Error> {
        const SQL: &str = "select extract(epoch from pg_catalog.clock_timestamp())::text";
        let mut transaction = self.read(None, LOOK_TIMEOUT).await?;
        let rows = transaction.rows(Shown::ours("SELECT"), SQL, &[]).await?;
        transaction.rollback().await?;
        let seconds = rows.first().and_then(|row| row.text(0)?.parse().ok());
        Ok(seconds.and_then(since_epoch))
    }
}
