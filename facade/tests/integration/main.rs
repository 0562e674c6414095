//! The facade from outside: real sockets in front, real gRPC behind.

mod adapter;
mod auth;
mod cable;
mod call;
mod catalog;
mod client;
mod doors;
mod faults;
#[path = "../../src/fixture.rs"]
mod fixture;
mod hostile;
mod hub;
mod liars;
mod lifetime;
mod refresh;
mod requests;
mod shop;
mod sse;
mod stdio;
mod tools;
mod versions;
