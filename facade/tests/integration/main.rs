//! The facade from outside: real sockets in front, real gRPC behind.

mod adapter;
mod answers;
mod auth;
mod balance;
mod broken;
mod cable;
mod call;
mod catalog;
mod changes;
mod client;
mod completions;
mod doors;
mod faults;
#[path = "../../src/fixture.rs"]
mod fixture;
mod floods;
mod foreign;
mod hostile;
mod hub;
mod leaving;
mod liars;
mod lifetime;
mod offers;
mod prompts;
mod refresh;
mod relay;
mod requests;
mod resources;
mod session;
mod shelf;
mod shop;
mod sse;
mod starting;
mod stdio;
mod tools;
mod versions;
