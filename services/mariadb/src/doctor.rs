//! The way to the server, looked at from here: its host, its port, what answers there, the login, and what the login may do.

use std::time::SystemTime;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::doctor::database::{self, Examined, Way, since_epoch};
use mcp_hub_chassis::doctor::probe::Server;
use mcp_hub_chassis::doctor::probe::protocol::{Greeting, Spoken};
use mcp_hub_chassis::doctor::{Finding, Scope, Verdict};
use mcp_hub_chassis::status::LOOK_TIMEOUT;

use crate::config::{Config, Role, Target};
use crate::database::Database;
use crate::error::Error;

/// Looks at the way to the server, by connections of its own. `key` is the service's.
pub async fn examine(config: Config, key: &str, scope: Scope) -> Vec<Finding> {
    let target = match config.check().and_then(|()| config.target(Role::Reader)) {
        Ok(target) => target,
        Err(error) => return database::unsettled(key, error.verdict(), error.to_string()),
    };
    if let Some(setting) = empty_secret(&config, &target) {
        let detail = format!("the file of the setting {setting}");
        return database::unsettled(key, Verdict::SecretEmpty, detail);
    }
    let way = if target.host.starts_with('/') {
        Way::Socket(&target.host)
    } else {
        let (host, port) = named_by(&config, key);
        Way::Network {
            server: Server::new(key, &target.host, target.port).named_by(host, port),
            speaks: &[Spoken::Greeting(Greeting::Mysql)],
        }
    };
    let lifecycle = Lifecycle::new();
    let database = Database::new(config, key, lifecycle.clone());
    let findings = database::examine(&database, key, &way, &scope).await;
    lifecycle.stop();
    findings
}

/// The variables that name host and port.
fn named_by(config: &Config, key: &str) -> (&'static str, &'static str) {
    let [url, file, host, port] = if key == "mysql" {
        ["MYSQL_URL", "MYSQL_URL_FILE", "MYSQL_HOST", "MYSQL_PORT"]
    } else {
        ["MARIADB_URL", "MARIADB_URL_FILE", "MARIADB_HOST", "MARIADB_PORT"]
    };
    let urls = [(url, config.url.is_some()), (file, config.url_file.is_some())];
    (
        database::named_by((host, config.host.is_some()), urls),
        database::named_by((port, config.port.is_some()), urls),
    )
}

/// The setting whose file has nothing in it.
fn empty_secret(config: &Config, target: &Target) -> Option<&'static str> {
    let writer = config.target(Role::Writer).ok().filter(|_| config.allow_writes);
    let written = writer.as_ref().and_then(|writer| writer.password.as_ref());
    database::empty_file([
        (
            "password-file",
            config.password_file.as_ref().and(target.password.as_ref()),
        ),
        (
            "write-password-file",
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
            Verdict::LoginRefused => "user and password",
            Verdict::CredentialMissing => "password-file",
            Verdict::DatabaseMissing | Verdict::DatabaseDenied => "database",
            Verdict::TlsMissing | Verdict::TlsRequired => "sslmode",
            Verdict::TlsUnknownAuthority | Verdict::TlsFiles => "sslrootcert",
            Verdict::TlsRefused => "sslcert",
            Verdict::WrongProtocol => "port",
            _ => "",
        }
    }

    async fn log_in_to_write(&self) -> Option<Result<(), Error>> {
        let config = self.config();
        if !config.allow_writes || config.write_user.is_none() {
            return None;
        }
        // The pool connects with the lease.
        let login = async { self.write(None, LOOK_TIMEOUT).await?.rollback().await };
        Some(login.await)
    }

    async fn time(&self) -> Result<Option<SystemTime>, Error> {
        // Not NOW(), which a setting of the session can stop.
        const SQL: &str = "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) AS CHAR)";
        let mut transaction = self.read(None, LOOK_TIMEOUT).await?;
        let rows = transaction.rows("SELECT", SQL, &[]).await?;
        transaction.rollback().await?;
        let seconds = rows.first().and_then(|row| row.text(0)?.parse().ok());
        Ok(seconds.and_then(since_epoch))
    }
}
