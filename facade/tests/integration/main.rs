//! The facade from outside: real sockets in front, real gRPC behind.

mod client;
mod doors;
mod sse;
mod stdio;
