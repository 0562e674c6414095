//! Where the programs of the servers are that tests start, for those who start them (`mcp-hub-testing`) and those who
//! provide them (`cargo xtask`): both look in the same places, so what one finds the other finds.
//!
//! A folder named in the environment comes first, then the PATH, then where the usual package puts them.

mod clock;
mod environment;
mod jaeger;
mod mariadb;
mod neo4j;
mod postgres;
mod prometheus;
mod proxy;
mod qdrant;
mod sources;

pub use clock::clock;
pub use environment::{cache, find, variable};
pub use jaeger::{JaegerBuild, jaeger};
pub use mariadb::MariaDb;
pub use neo4j::Neo4j;
pub use postgres::{pgbouncer, postgres};
pub use prometheus::{prometheus, promtool};
pub use proxy::{caddy, nginx};
pub use qdrant::{Ports as QdrantPorts, Qdrant, StandIn as QdrantStandIn};

/// The variables by which tests are given a server, or the programs to start one.
pub mod names {
    /// A PostgreSQL: `postgres://postgres@HOST:PORT/postgres`.
    pub const POSTGRES_URL: &str = "MCP_HUB_TEST_POSTGRES_URL";
    /// The folder with PostgreSQL's programs.
    pub const POSTGRES_BIN: &str = "MCP_HUB_TEST_POSTGRES_BIN";
    /// A MariaDB: `mysql://root:PASSWORD@HOST:PORT/DATABASE`.
    pub const MARIADB_URL: &str = "MCP_HUB_TEST_MARIADB_URL";
    /// The folder with MariaDB's programs.
    pub const MARIADB_BIN: &str = "MCP_HUB_TEST_MARIADB_BIN";
    /// A real MySQL, in the same form.
    pub const MYSQL_URL: &str = "MCP_HUB_TEST_MYSQL_URL";
    /// A Neo4j: `bolt://neo4j:PASSWORD@HOST:PORT`.
    pub const NEO4J_URL: &str = "MCP_HUB_TEST_NEO4J_URL";
    /// That server's HTTP: `http://HOST:PORT`; port 7474 of the same host when it is not set.
    pub const NEO4J_HTTP_URL: &str = "MCP_HUB_TEST_NEO4J_HTTP_URL";
    /// The folder with Neo4j's jars.
    pub const NEO4J_LIB: &str = "MCP_HUB_TEST_NEO4J_LIB";
    /// A Qdrant's gRPC: `http://HOST:PORT`.
    pub const QDRANT_URL: &str = "MCP_HUB_TEST_QDRANT_URL";
    /// That server's REST: `http://HOST:PORT`; port 6333 of the same host when it is not set.
    pub const QDRANT_REST_URL: &str = "MCP_HUB_TEST_QDRANT_REST_URL";
    /// The program of a real Qdrant server.
    pub const QDRANT_BIN: &str = "MCP_HUB_TEST_QDRANT_BIN";
    /// The program of a Jaeger of version 2.
    pub const JAEGER_BIN: &str = "MCP_HUB_TEST_JAEGER_BIN";
}
