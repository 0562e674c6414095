//! The servers: each by address, by its programs, by getting those, or in a container.

use std::path::Path;

use anyhow::Context as _;
use mcp_hub_programs::{MariaDb, Neo4j, Qdrant, names, variable};

use super::container::Container;
use super::{apt, jaeger as modules, neo4j as jars, qdrant as stand_in};

/// A server, or the programs to start one. The tests look for programs in the places where this did.
#[derive(Debug)]
pub(crate) struct Server {
    /// For people.
    pub(crate) how: String,
    /// When it is one.
    pub(crate) container: Option<Container>,
}

/// The first way that works.
struct Ways<Get, Run> {
    /// The variable that may hold an address.
    url: &'static str,
    /// Looks for the programs and says where they are.
    find: fn() -> Option<String>,
    /// Where that looked, for people.
    places: &'static str,
    /// Gets the programs.
    get: Get,
    /// Starts a container.
    run: Run,
}

impl<Get, Run> Ways<Get, Run>
where
    Get: FnOnce() -> anyhow::Result<()>,
    Run: FnOnce() -> anyhow::Result<Container>,
{
    fn first(self) -> anyhow::Result<Server> {
        let here = |how| Server { how, container: None };
        if variable(self.url).is_some() {
            return Ok(here(format!("the server that {} names", self.url)));
        }
        if let Some(how) = (self.find)() {
            return Ok(here(how));
        }
        let got =
            (self.get)().and_then(|()| (self.find)().context("what was installed has no such programs"));
        let error = match got {
            Ok(how) => return Ok(here(how)),
            Err(error) => error,
        };
        let container = (self.run)()
            .with_context(|| format!("no {}; no {}; {error:#}; no container", self.url, self.places))?;
        Ok(Server {
            how: "a container; tests that stop the server are left out".to_owned(),
            container: Some(container),
        })
    }
}

/// PostgreSQL.
pub(crate) fn postgres(install: bool) -> anyhow::Result<Server> {
    Ways {
        url: names::POSTGRES_URL,
        find: || Some(mcp_hub_programs::postgres()?.display().to_string()),
        places: "initdb, postgres and pg_ctl in MCP_HUB_TEST_POSTGRES_BIN, on the PATH or in /usr/lib/postgresql",
        get: || apt::install(&["postgresql"], install),
        run: Container::postgres,
    }
    .first()
}

/// MariaDB.
pub(crate) fn mariadb(install: bool) -> anyhow::Result<Server> {
    Ways {
        url: names::MARIADB_URL,
        find: || Some(MariaDb::find()?.server.display().to_string()),
        places: "mariadb-install-db and mariadbd in MCP_HUB_TEST_MARIADB_BIN, on the PATH or in /usr/sbin",
        get: || apt::install(&["mariadb-server"], install),
        run: Container::mariadb,
    }
    .first()
}

/// Neo4j.
pub(crate) fn neo4j(root: &Path, install: bool) -> anyhow::Result<Server> {
    Ways {
        url: names::NEO4J_URL,
        find: || {
            let neo4j = Neo4j::find().filter(|neo4j| jars::suits(&neo4j.java))?;
            Some(format!("{}, {}", neo4j.library.display(), neo4j.java.display()))
        },
        places: "Java 17 or later with Neo4j's jars in MCP_HUB_TEST_NEO4J_LIB or the user's cache",
        get: || jars::get(root, install),
        run: Container::neo4j,
    }
    .first()
}

/// Qdrant: a real one where there is its program, else the stand-in.
pub(crate) fn qdrant() -> anyhow::Result<Server> {
    let server = Ways {
        url: names::QDRANT_URL,
        find: || {
            let Qdrant { program, real } = Qdrant::find()?;
            let kind = if real { "a real server" } else { "the stand-in" };
            Some(format!("{kind}, {}", program.display()))
        },
        places: "program of a server in MCP_HUB_TEST_QDRANT_BIN",
        get: stand_in::get,
        run: Container::qdrant,
    }
    .first()?;
    stand_in::tidy()?;
    Ok(server)
}

/// nginx, by program or package; in a container it could not reach the replicas on this machine's loopback.
pub(crate) fn nginx(install: bool) -> anyhow::Result<Server> {
    if mcp_hub_programs::nginx().is_none() {
        apt::install(&["nginx"], install)?;
    }
    let program = mcp_hub_programs::nginx().context("the package brought no program nginx")?;
    Ok(Server {
        how: program.display().to_string(),
        container: None,
    })
}

/// Caddy, by program or package; in a container it could not reach the replicas on this machine's loopback.
pub(crate) fn caddy(install: bool) -> anyhow::Result<Server> {
    if mcp_hub_programs::caddy().is_none() {
        apt::install_server("caddy", install)?;
    }
    let program = mcp_hub_programs::caddy().context("the package brought no program caddy")?;
    Ok(Server {
        how: program.display().to_string(),
        container: None,
    })
}

/// The library that shows a program another time.
pub(crate) fn clock(install: bool) -> anyhow::Result<String> {
    if mcp_hub_programs::clock().is_none() {
        apt::install(&["libfaketime"], install)?;
    }
    let library = mcp_hub_programs::clock().context("the package brought no libfaketimeMT.so.1")?;
    Ok(library.display().to_string())
}

/// The programs that make network namespaces and the rules of a firewall.
pub(crate) fn firewall(install: bool) -> anyhow::Result<String> {
    const PROGRAMS: [(&str, &str); 3] = [("iptables", "iptables"), ("nft", "nftables"), ("ip", "iproute2")];
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| mcp_hub_programs::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        apt::install(&missing, install)?;
    }
    Ok("iptables, nft and ip".to_owned())
}

/// Prometheus, by program or package; in a container it could not reach the programs on this machine's loopback.
pub(crate) fn prometheus(install: bool) -> anyhow::Result<Server> {
    if mcp_hub_programs::prometheus().is_none() {
        apt::install(&["prometheus"], install)?;
    }
    let program = mcp_hub_programs::prometheus().context("the package brought no program prometheus")?;
    Ok(Server {
        how: program.display().to_string(),
        container: None,
    })
}

/// PgBouncer, by program or package; a container could not reach the server that the tests start.
pub(crate) fn pgbouncer(install: bool) -> anyhow::Result<Server> {
    if mcp_hub_programs::pgbouncer().is_none() {
        apt::install(&["pgbouncer"], install)?;
    }
    let program = mcp_hub_programs::pgbouncer().context("the package brought no program pgbouncer")?;
    Ok(Server {
        how: program.display().to_string(),
        container: None,
    })
}

/// Jaeger, by program; a container could not be stopped and started by the tests.
pub(crate) fn jaeger() -> anyhow::Result<Server> {
    if mcp_hub_programs::jaeger().is_none() {
        modules::get().context("no program of a Jaeger 2 in MCP_HUB_TEST_JAEGER_BIN, in the user's cache or on the PATH, and none can be built")?;
    }
    let program = mcp_hub_programs::jaeger().context("what was built is no program")?;
    modules::tidy()?;
    Ok(Server {
        how: program.display().to_string(),
        container: None,
    })
}
