//! The built program, as a person and as a client meet it. Real MCP clients meet it in `e2e/`.

mod add;
mod bridge;
mod command;
mod doctor;
mod fake;
mod offers;
mod stdio;
mod support;
mod support_bundle;
mod telemetry;
mod token;
mod trace;
mod up;
