//! The fixtures as their callers have them: gRPC on a loopback port.

mod restart;
mod stream;
mod support;
mod surface;
mod trace;
