//! What is known of each upstream, for `list_services`, `health_check` and the hub's start-up table.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, State as DatabaseState};

use super::catalog::Catalog;
use crate::upstream::backend::Backend;

/// One upstream as `list_services` and the hub's start-up table show it.
#[derive(Clone, Debug, serde::Serialize, PartialEq)]
pub struct ServiceReport {
    /// Its key.
    pub key: String,
    /// The kind of database; empty until the adapter has been reached once.
    pub kind: String,
    /// The operator's description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it can be used.
    pub state: State,
    /// Why it can't, without address or password; empty when it can.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether that is known: false while an adapter that has just started is asking its database for the first time.
    #[serde(skip)]
    pub settled: bool,
    /// The product and its version; empty until the database has been reached once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub product: String,
    /// The name of the connected database.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// "read only" or "read write"; empty until the adapter has been reached once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// What the login may do beyond what the mode needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub posture: Vec<String>,
    /// The version of the adapter; empty until it has been reached once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub adapter_version: String,
    /// How many of its endpoints serve, "2 of 3"; empty where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoints: String,
    /// How many tools it has in the catalogue.
    pub tools: usize,
    /// How many prompts it has there.
    #[serde(skip_serializing_if = "is_zero")]
    pub prompts: usize,
    /// Tools and prompts that were left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How long the adapter took to tell its status, in milliseconds; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// Whether an upstream can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It answers, and so does its database.
    Serving,
    /// The adapter answers, its database does not.
    Unavailable,
    /// The adapter can't be reached.
    Unreachable,
    /// The adapter answers, but what it offers can't be understood.
    Incompatible,
}

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Serving => "serving",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Incompatible => "incompatible",
        })
    }
}

impl ServiceReport {
    /// Asks the adapter of an upstream now.
    pub(super) async fn of(backend: &Arc<Backend>, catalog: &Catalog) -> Self {
        let endpoints = backend.endpoints();
        let answers = join_all(endpoints.iter().map(|endpoint| endpoint.ask_status())).await;
        let answers: Vec<(GetStatusResponse, Duration)> = answers.into_iter().flatten().collect();
        let known: Vec<_> = endpoints.iter().map(|endpoint| endpoint.state()).collect();

        let says_serving = |status: &GetStatusResponse| status.state() == DatabaseState::Serving;
        let connected = || {
            endpoints
                .iter()
                .zip(&known)
                .filter(|(_, state)| state.is_connected())
        };
        let serving = connected()
            .filter(|(endpoint, state)| state.serving && !endpoint.is_broken())
            .count();
        let broken = connected().any(|(endpoint, _)| endpoint.is_broken());
        let fresh = answers
            .iter()
            .find(|(status, _)| says_serving(status))
            .or(answers.first());
        let mut settled = true;
        let (state, reason) = if connected().next().is_none() {
            (State::Unreachable, backend.problem())
        } else if !known.iter().any(|state| state.reflection.is_some()) {
            (State::Incompatible, backend.problem())
        } else if serving == 0 && broken {
            let reason = "it is connected, but its last calls failed: it is tried again now and then";
            (State::Unavailable, reason.to_owned())
        } else if serving > 0 || fresh.is_some_and(|(status, _)| says_serving(status)) {
            (State::Serving, String::new())
        } else {
            let reason = fresh
                .map(|(status, _)| status.reason.clone())
                .filter(|reason| !reason.is_empty());
            settled = reason.is_some();
            let unsaid = || "its database can't be used now".to_owned();
            (State::Unavailable, reason.unwrap_or_else(unsaid))
        };
        let latency = answers
            .iter()
            .map(|(_, latency)| latency.as_secs_f64() * 1000.0)
            .reduce(f64::min);
        let status = fresh
            .map(|(status, _)| status.clone())
            .or_else(|| backend.status())
            .unwrap_or_default();
        let mode = match status.mode() {
            Mode::Unspecified => "",
            Mode::ReadOnly => "read only",
            Mode::ReadWrite => "read write",
        };
        let (tools, prompts) = catalog.counts(&backend.key);
        Self {
            key: backend.key.clone(),
            description: backend.description(),
            state,
            reason,
            settled,
            product: format!("{} {}", status.product, status.product_version)
                .trim()
                .to_owned(),
            database: status.database,
            mode: mode.to_owned(),
            posture: status.posture,
            adapter_version: status.adapter_version,
            endpoints: if known.len() > 1 {
                format!("{serving} of {}", known.len())
            } else {
                String::new()
            },
            tools,
            prompts,
            left_out: catalog.left_out(&backend.key).to_vec(),
            latency_ms: latency.map(|latency| (latency * 100.0).round() / 100.0),
            kind: status.kind,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
