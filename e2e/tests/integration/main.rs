//! The hub as its users meet it: one module for each promise of the README.

mod catalogue;
mod chaos;
mod clients;
mod commands;
mod conformance;
mod demo;
mod discovery;
mod doors;
mod firewall;
mod hub;
mod kind;
mod mariadb;
mod monitoring;
mod neo4j;
mod old_calls;
mod parts;
mod postgres;
mod promises;
mod qdrant;
mod replicas;
mod rollout;
mod secrets;
mod shops;
mod start;
mod traces;
