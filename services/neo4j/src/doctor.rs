//! The way to the server, looked at from here: its host, its port, what answers there, the login, what the login may do, and whether the
//! servers that it sends its clients to can be reached.

use std::time::SystemTime;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::doctor::database::{self, Examined, Way, since_epoch};
use mcp_hub_chassis::doctor::probe::protocol::Spoken;
use mcp_hub_chassis::doctor::probe::{self, Server};
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::status::LOOK_TIMEOUT;

use crate::config::{Address, Config, Role, Target};
use crate::database::Database;
use crate::error::Error;

/// Looks at the way to the server, by connections of its own. `key` is the service's.
pub async fn examine(config: Config, key: &str, scope: Scope) -> Vec<Finding> {
    let target = match config.check().and_then(|()| config.target(Role::Reader)) {
        Ok(target) => target,
        Err(error) => return database::unsettled(key, error.verdict(), error.to_string()),
    };
    if let Some(setting) = empty_secret(&config, &target) {
        return database::unsettled(key, Verdict::SecretEmpty, format!("the file of {setting}"));
    }
    let named_by = if config.uri.is_some() {
        "NEO4J_URI"
    } else {
        "NEO4J_URI_FILE"
    };
    let Address { host, port } = &target.address;
    let way = Way::Network {
        server: Server::new(key, host, *port).named_by(named_by, named_by),
        speaks: &[Spoken::Bolt],
    };
    let lifecycle = Lifecycle::new();
    let database = Database::new(config, key, lifecycle.clone());
    let mut findings = database::examine(&database, key, &way, &scope).await;
    if target.routing {
        findings.extend(advertised(&database, key, &target, &scope).await);
    }
    lifecycle.stop();
    findings
}

/// The setting whose file has nothing in it.
fn empty_secret(config: &Config, target: &Target) -> Option<&'static str> {
    let writer = config.target(Role::Writer).ok().filter(|_| config.allow_writes);
    let written = writer.as_ref().and_then(|writer| writer.password.as_ref());
    database::empty_file([
        (
            "NEO4J_PASSWORD_FILE",
            config.password_file.as_ref().and(target.password.as_ref()),
        ),
        (
            "NEO4J_WRITE_PASSWORD_FILE",
            config.write_password_file.as_ref().and(written),
        ),
    ])
}

/// Each server that the cluster sends its clients to, as far as it is another than the one of the settings.
async fn advertised(database: &Database, key: &str, target: &Target, scope: &Scope) -> Vec<Finding> {
    // Where the server can't be asked, the login has said why.
    let Ok(addresses) = database.advertised().await else {
        return vec![];
    };
    let others = addresses.iter().filter(|address| **address != target.address);
    let looks = others.map(|address| look(key, address, scope));
    futures_util::future::join_all(looks).await
}

async fn look(key: &str, address: &Address, scope: &Scope) -> Finding {
    let server = Server::new(key, &address.host, address.port);
    let reached = probe::reach(&server, scope).await;
    let took = reached.findings.iter().map(|finding| finding.took).sum();
    if reached.stream.is_some() {
        return server
            .of_port(Hop::Port, Verdict::Ok)
            .with_detail("an address that the server advertises")
            .after(took);
    }
    let why = reached.findings.iter().find(|finding| finding.failed());
    let why = why.map_or_else(String::new, |why| why.verdict.meaning().to_owned());
    server
        .of_port(Hop::Port, Verdict::AdvertisedUnreachable)
        .with_detail(why)
        .after(took)
}

#[tonic::async_trait]
impl Examined for Database {
    fn verdict(error: &Error) -> Verdict {
        error.verdict()
    }

    fn setting(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::LoginRefused => "NEO4J_USER and NEO4J_PASSWORD",
            Verdict::CredentialMissing => "NEO4J_PASSWORD_FILE",
            Verdict::DatabaseMissing | Verdict::DatabaseDenied => "NEO4J_DATABASE",
            Verdict::TlsMissing | Verdict::TlsRequired | Verdict::WrongProtocol => "NEO4J_URI",
            Verdict::TlsUnknownAuthority | Verdict::TlsFiles => "NEO4J_SSLROOTCERT",
            _ => "",
        }
    }

    async fn log_in_to_write(&self) -> Option<Result<(), Error>> {
        let config = self.config();
        if !config.allow_writes || config.write_user.is_none() {
            return None;
        }
        let login = async { self.write(None, LOOK_TIMEOUT).await?.rollback().await };
        Some(login.await)
    }

    async fn time(&self) -> Result<Option<SystemTime>, Error> {
        const CYPHER: &str = "RETURN datetime.realtime().epochMillis / 1000.0";
        let mut transaction = self.read(None, LOOK_TIMEOUT).await?;
        let rows = transaction.rows("RETURN", CYPHER, vec![]).await?;
        transaction.rollback().await?;
        let seconds = rows.first().map(|row| row.get::<f64>(0)).transpose()?;
        Ok(seconds.and_then(since_epoch))
    }
}

/// A cluster can't be had: here a server that only speaks of one takes its place. A real one that stands alone names the address by which
/// it was reached, as the integration tests show.
#[cfg(test)]
mod tests {
    use mcp_hub_testing::doctor::{scope, told};

    use super::*;
    use crate::database::routing::tests::{ROUTE, nobody, table};
    use crate::wire::fake::{self, success};

    #[tokio::test]
    async fn advertised_addresses_that_can_not_be_reached_are_told_one_by_one() {
        let lifecycle = Lifecycle::new();
        let (gone, there) = (
            nobody(),
            fake::serve(&lifecycle, |_, _| vec![success(vec![])]).await,
        );
        let route = table(300, &[&gone], &[&gone, &there]);
        let seed = fake::serve(&lifecycle, move |tag, _| match tag {
            ROUTE => vec![route.clone()],
            _ => vec![success(vec![])],
        })
        .await;
        let config = crate::config::tests::config(&["--uri", &format!("neo4j://{seed}")]);
        let findings = examine(config.clone(), "graph", scope()).await;
        assert_eq!(
            told(&findings)[..3],
            ["host ok", "port ok", "login advertised-unreachable"]
        );
        let advertised: Vec<(&str, &str)> = findings[3..]
            .iter()
            .map(|finding| (finding.subject.as_str(), finding.verdict.code()))
            .collect();
        assert_eq!(advertised.len(), 2);
        assert!(advertised.contains(&(&format!("graph: {gone}"), "advertised-unreachable")));
        assert!(advertised.contains(&(&format!("graph: {there}"), "ok")));
        // Who asks this one server only has nothing to do with it.
        let config = crate::config::tests::config(&["--uri", &format!("bolt://{seed}")]);
        assert_eq!(
            told(&examine(config, "graph", scope()).await)[..2],
            ["host ok", "port ok"]
        );
        lifecycle.stop();
    }
}
