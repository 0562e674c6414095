//! The adapters inside the hub: which there are, and their start on loopback ports of their own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mcp_hub_chassis::config::{self, Sources};
use mcp_hub_chassis::doctor::{Examination, Finding, Hop, Scope};
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::file::{self, Table, TableError};

/// The sample database in the data folder.
const SAMPLE_FILE: &str = "sample.sqlite";

/// What a model is told of it.
const SAMPLE_DESCRIPTION: &str = "sample data: a small web shop with customers, products, orders and reviews";

/// A kind of database that the hub has an adapter for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB.
    Mariadb,
    /// MySQL, by the adapter of MariaDB.
    Mysql,
    /// Neo4j.
    Neo4j,
    /// PostgreSQL.
    Postgres,
    /// Qdrant.
    Qdrant,
    /// A SQLite file.
    Sqlite,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Mariadb,
        Self::Mysql,
        Self::Neo4j,
        Self::Postgres,
        Self::Qdrant,
        Self::Sqlite,
    ];

    /// The kinds that have an adapter of their own.
    pub fn adapters() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| *kind != Self::Mysql)
    }

    /// The kind's name, which is also the key of the one that the environment describes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
            Self::Neo4j => "neo4j",
            Self::Postgres => "postgres",
            Self::Qdrant => "qdrant",
            Self::Sqlite => "sqlite",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The names of all kinds, for people.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The command line of the adapter as a process of its own, for the reference.
    pub fn program(self) -> clap::Command {
        use mcp_hub_chassis::adapter::command;
        match self {
            Self::Mariadb | Self::Mysql => {
                command::<mcp_hub_mariadb::Config>("mcp-hub-mariadb", mcp_hub_mariadb::PORT)
            }
            Self::Neo4j => command::<mcp_hub_neo4j::Config>("mcp-hub-neo4j", mcp_hub_neo4j::PORT),
            Self::Postgres => command::<mcp_hub_postgres::Config>("mcp-hub-postgres", mcp_hub_postgres::PORT),
            Self::Qdrant => command::<mcp_hub_qdrant::Config>("mcp-hub-qdrant", mcp_hub_qdrant::PORT),
            Self::Sqlite => command::<mcp_hub_sqlite::Config>("mcp-hub-sqlite", mcp_hub_sqlite::PORT),
        }
    }

    /// The port of the adapter as a process of its own.
    pub const fn port(self) -> u16 {
        match self {
            Self::Mariadb | Self::Mysql => mcp_hub_mariadb::PORT,
            Self::Neo4j => mcp_hub_neo4j::PORT,
            Self::Postgres => mcp_hub_postgres::PORT,
            Self::Qdrant => mcp_hub_qdrant::PORT,
            Self::Sqlite => mcp_hub_sqlite::PORT,
        }
    }

    /// Reads its settings; the variables are those of the kind with `key` in place of their first part.
    fn load(self, key: &str, sources: Sources) -> Result<Config, config::Error> {
        let sources = Sources {
            rename: Some((self.prefix(), format!("{}_", key.to_uppercase()))),
            ..sources
        };
        match self {
            Self::Mariadb | Self::Mysql => Ok(Config::Mariadb(Box::new(sources.load()?))),
            Self::Neo4j => Ok(Config::Neo4j(Box::new(sources.load()?))),
            Self::Postgres => Ok(Config::Postgres(Box::new(sources.load()?))),
            Self::Qdrant => Ok(Config::Qdrant(Box::new(sources.load()?))),
            Self::Sqlite => Ok(Config::Sqlite(sources.load()?)),
        }
    }

    /// The first part of its adapter's variables' names.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Mariadb | Self::Mysql => "MARIADB_",
            Self::Neo4j => "NEO4J_",
            Self::Postgres => "POSTGRES_",
            Self::Qdrant => "QDRANT_",
            Self::Sqlite => "SQLITE_",
        }
    }
}

/// The settings of one adapter.
#[derive(Clone, Debug)]
enum Config {
    Mariadb(Box<mcp_hub_mariadb::Config>),
    Neo4j(Box<mcp_hub_neo4j::Config>),
    Postgres(Box<mcp_hub_postgres::Config>),
    Qdrant(Box<mcp_hub_qdrant::Config>),
    Sqlite(mcp_hub_sqlite::Config),
}

impl Config {
    fn is_configured(&self) -> bool {
        match self {
            Self::Mariadb(config) => config.is_configured(),
            Self::Neo4j(config) => config.is_configured(),
            Self::Postgres(config) => config.is_configured(),
            Self::Qdrant(config) => config.is_configured(),
            Self::Sqlite(config) => config.is_configured(),
        }
    }

    async fn examine(self, key: &str, scope: Scope) -> Vec<Finding> {
        match self {
            Self::Mariadb(config) => mcp_hub_mariadb::examine(*config, key, scope).await,
            Self::Neo4j(config) => mcp_hub_neo4j::examine(*config, key, scope).await,
            Self::Postgres(config) => mcp_hub_postgres::examine(*config, key, scope).await,
            Self::Qdrant(config) => mcp_hub_qdrant::examine(*config, key, scope).await,
            Self::Sqlite(config) => mcp_hub_sqlite::examine(config, key, scope).await,
        }
    }

    async fn serve(self, key: &str, listener: TcpListener, lifecycle: Lifecycle) -> Result<(), BoxError> {
        match self {
            Self::Mariadb(config) => mcp_hub_mariadb::serve(*config, key, listener, lifecycle).await,
            Self::Neo4j(config) => mcp_hub_neo4j::serve(*config, key, listener, lifecycle).await,
            Self::Postgres(config) => mcp_hub_postgres::serve(*config, key, listener, lifecycle).await,
            Self::Qdrant(config) => mcp_hub_qdrant::serve(*config, key, listener, lifecycle).await,
            Self::Sqlite(config) => mcp_hub_sqlite::serve(config, key, listener, lifecycle).await,
        }
    }
}

/// The databases that the hub itself stands in front of, by key.
#[derive(Debug, Default)]
pub struct Databases(BTreeMap<String, Database>);

#[derive(Debug)]
struct Database {
    description: String,
    config: Config,
}

impl Databases {
    /// Those that the environment and a settings file name. A database of the file named `orders` also reads the variables `ORDERS_*`
    /// that stand for `POSTGRES_*`, so that a password need not be in the file.
    pub fn configured(file: Option<&Path>) -> Result<Self> {
        let mut databases = BTreeMap::new();
        for kind in Kind::ALL {
            let config =
                kind.load(kind.name(), Sources::environment())
                    .map_err(|error| Error::Environment {
                        kind: kind.name(),
                        reason: one_line(&error),
                    })?;
            if config.is_configured() {
                let description = String::new();
                databases.insert(kind.name().to_owned(), Database { description, config });
            }
        }
        let Some(path) = file else {
            return Ok(Self(databases));
        };
        for table in file::databases(path)? {
            let key = table.key.clone();
            let database = Database::of(table).map_err(|source| Error::Database {
                path: path.to_owned(),
                key: key.clone(),
                source,
            })?;
            databases.insert(key, database);
        }
        Ok(Self(databases))
    }

    /// One for each adapter, with writes, in front of a database that is not there.
    pub(crate) fn of_each_adapter() -> Result<Self> {
        let mut databases = BTreeMap::new();
        for kind in Kind::adapters() {
            let mut settings = toml::Table::new();
            settings.insert("allow-writes".to_owned(), true.into());
            let config = kind.load(kind.name(), Sources::file(settings))?;
            let description = String::new();
            databases.insert(kind.name().to_owned(), Database { description, config });
        }
        Ok(Self(databases))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the sample database, which is made in `folder` unless it is there. Returns its key.
    pub fn add_sample(&mut self, folder: &Path) -> Result<&'static str> {
        let path = folder.join(SAMPLE_FILE);
        mcp_hub_sqlite::sample::create(&path).map_err(|source| Error::Sample {
            path: path.clone(),
            source,
        })?;
        let usual = Kind::Sqlite.name();
        let key = if self.0.contains_key(usual) {
            "sample"
        } else {
            usual
        };
        let database = Database {
            description: SAMPLE_DESCRIPTION.to_owned(),
            config: Config::Sqlite(mcp_hub_sqlite::Config::for_file(&path)),
        };
        self.0.insert(key.to_owned(), database);
        Ok(key)
    }

    /// Adds a look at the way to each, by its adapter.
    pub(crate) fn examine(self, examination: &mut Examination<'_>, scope: &Scope) {
        for (key, database) in self.0 {
            let (subject, scope) = (key.clone(), scope.clone());
            examination.add(Hop::Host, subject, async move {
                database.config.examine(&key, scope).await
            });
        }
    }

    /// Starts the adapters and adds them to `upstreams`.
    pub async fn start(self, upstreams: &mut Upstreams, lifecycle: &Lifecycle) -> Result<Adapters> {
        let tasks = FuturesUnordered::new();
        for (key, database) in self.0 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
            let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (address, listener) = bound.map_err(|source| Error::Loopback {
                key: key.clone(),
                source,
            })?;
            let upstream = Upstream {
                description: database.description,
                ..Upstream::at(format!("http://{address}"))
            };
            upstreams.add(&key, upstream).map_err(Error::Upstreams)?;
            let task_lifecycle = lifecycle.clone();
            tasks.push(lifecycle.spawn(async move {
                let served = database.config.serve(&key, listener, task_lifecycle).await;
                served.map_err(|source| Error::Adapter { key, source })
            }));
        }
        Ok(Adapters { tasks })
    }
}

impl Database {
    fn of(table: Table) -> Result<Self, TableError> {
        let sources = Sources {
            file: Some(table.settings),
            ..Sources::environment()
        };
        let config = table
            .kind
            .load(&table.key, sources)
            .map_err(|error| TableError::Settings(one_line(&error)))?;
        if !config.is_configured() {
            return Err(TableError::Nowhere);
        }
        Ok(Self {
            description: table.description,
            config,
        })
    }
}

/// The adapters at work.
#[derive(Debug)]
pub struct Adapters {
    tasks: FuturesUnordered<JoinHandle<Result<()>>>,
}

impl Adapters {
    /// Resolves when an adapter fails. A database that is down is no failure.
    pub async fn failure(mut self) -> Error {
        while let Some(ended) = self.tasks.next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(panicked) => return Error::Panicked(panicked),
            }
        }
        std::future::pending().await
    }
}

/// What is wrong, without the usage that belongs to a command line.
fn one_line(error: &config::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn database(text: &str) -> Result<Database, String> {
        let table = Table {
            key: "orders".to_owned(),
            kind: Kind::Postgres,
            description: "web shop".to_owned(),
            settings: text.parse().expect("TOML"),
        };
        Database::of(table).map_err(|error| error.to_string())
    }

    /// Whether a service is an adapter for tests only, as its manifest says.
    fn is_fixture(folder: &Path) -> bool {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let told = ["metadata", "mcp-hub", "fixture"]
            .iter()
            .try_fold(&manifest["package"], |value, name| value.get(name));
        told.and_then(toml::Value::as_bool).unwrap_or_default()
    }

    #[test]
    fn every_service_but_the_fixtures_has_a_kind() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
        let services = std::fs::read_dir(folder).expect("the services");
        let (mut adapters, mut fixtures) = (BTreeSet::new(), BTreeSet::new());
        for service in services {
            let service = service.expect("an entry");
            let name = service.file_name().into_string().expect("UTF-8");
            if is_fixture(&service.path()) {
                fixtures.insert(name);
            } else {
                adapters.insert(name);
            }
        }
        let kinds: BTreeSet<String> = Kind::adapters().map(|kind| kind.name().to_owned()).collect();
        assert_eq!(adapters, kinds);
        assert_eq!(fixtures, BTreeSet::from(["testkit".to_owned()]));
    }

    #[test]
    fn a_table_sets_the_adapter_by_its_long_names() {
        let database = database("host = 'db'\nport = 5433\npassword_file = '/run/secrets/p'").expect("valid");
        let Config::Postgres(config) = database.config else {
            panic!("not postgres: {database:?}");
        };
        assert_eq!((config.host.as_deref(), config.port), (Some("db"), Some(5433)));
        assert_eq!(config.password_file.as_deref(), Some(Path::new("/run/secrets/p")));
    }

    #[test]
    fn a_wrong_table_is_one_line() {
        assert_eq!(
            database("db = 'x'").expect_err("refused"),
            "it does not say where the database is"
        );
        let error = database("hots = 'x'").expect_err("refused");
        assert!(
            error.starts_with(r#"unknown setting "hots"; known are: url, "#),
            "{error}"
        );
        let error = database("host = 'x'\nport = 'y'").expect_err("refused");
        assert!(
            error.starts_with("invalid value 'y' for '--port <PORT>'"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
}
