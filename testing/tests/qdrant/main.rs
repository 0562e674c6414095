//! What Qdrant does, as far as the adapter's tests rely on it. The same assertions run against the stand-in and, where one is
//! given, against a real server: that is how it is known that the stand-in tells the truth.

mod changes;
mod collections;
mod filters;
mod points;
mod queries;
mod refusals;
mod setup;
mod texts;
