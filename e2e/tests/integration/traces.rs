//! One trace from a client's call to the statement in the database, asked of a real Jaeger.
//!
//! The facades and the adapters are processes, and each tells Jaeger what it does; what is checked is what Jaeger's query API has.
//! [`calls`] is the tree of a call of each engine by each door, [`failures`] what traces show of what went wrong, [`told`] what the
//! databases learn of them, [`exporter`] what a collector that is away costs, [`strangers`] what callers can't do, and [`ids`] how one
//! comes from an answer or a log line to the trace. What is planted in values, tokens and passwords is looked for in all of them.

mod calls;
mod client;
mod engine;
mod exporter;
mod failures;
mod ids;
mod stage;
mod strangers;
mod told;
mod tree;
