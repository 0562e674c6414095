//! The built program, as a person and as a client meet it. Real MCP clients meet it in `e2e/`.

mod bridge;
mod command;
mod fake;
mod offers;
mod stdio;
mod support;
mod telemetry;
mod token;
mod trace;
mod up;
