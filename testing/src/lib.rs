//! Real servers for tests, and how a test waits and skips.
//!
//! [`Postgres`], [`PgBouncer`], [`MariaDb`], [`Neo4j`], [`Qdrant`] and [`Jaeger`] are throw-away servers on loopback that end when
//! the test process ends, however it ends. [`eventually`] takes the place of every sleep. [`required`] is the one way to
//! skip: in CI, where `MCP_HUB_TEST_REQUIRE=1`, it fails the test instead. `cargo xtask test` provides the programs; this
//! crate only looks for them, so `cargo test` works alone as well. [`traces`] are the spans that code under test makes;
//! a [`Collector`] is what processes send theirs to. [`Machines`] are two hosts with a network of their own, [`doctor`] asks a doctor.

mod address;
pub mod collector;
pub mod doctor;
mod engine;
mod guard;
pub mod jaeger;
mod mariadb;
mod memory;
mod neo4j;
mod netns;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod qdrant;
mod serves;
mod settings;
mod shape;
mod skip;
pub mod traces;
mod user;
mod wait;

pub use address::{Address, mysql};
pub use collector::Collector;
pub use engine::docker_host;
pub use guard::Guard;
pub use jaeger::Jaeger;
pub use mariadb::MariaDb;
pub use memory::Memory;
pub use neo4j::Neo4j;
pub use netns::Machines;
pub use pgbouncer::PgBouncer;
pub use port::free_port;
pub use postgres::Postgres;
pub use qdrant::{Qdrant, QdrantOptions};
pub use serves::Serves;
pub use settings::Settings;
pub use shape::filled;
pub use skip::required;
pub use wait::{Condition, eventually};
