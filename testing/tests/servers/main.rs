//! The servers start, answer, stop, come back and end with their process.

mod jaeger;
mod mariadb;
mod neo4j;
mod postgres;
mod qdrant;
mod victim;
