//! The facade's own tools: `health_check` and `list_services`.

use std::sync::Weak;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use serde_json::{Value, json};

use super::report::{ServiceReport, State};
use super::{Registry, Shared};
use crate::auth::Principal;
use crate::tool::Object;

/// One of the facade's own tools.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    which: Which,
    registry: Weak<Shared>,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    HealthCheck,
    ListServices,
}

impl Own {
    /// All of them.
    pub(super) fn all(registry: &Weak<Shared>) -> [Self; 2] {
        [Which::HealthCheck, Which::ListServices].map(|which| Self {
            which,
            registry: registry.clone(),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.which {
            Which::HealthCheck => "health_check",
            Which::ListServices => "list_services",
        }
    }

    pub(crate) fn title(&self) -> &'static str {
        match self.which {
            Which::HealthCheck => "Check the health of all databases",
            Which::ListServices => "List the databases",
        }
    }

    pub(crate) fn description(&self) -> &'static str {
        match self.which {
            Which::HealthCheck => {
                "Tells whether each database can be used now, how fast it answers, and if not, why not."
            }
            Which::ListServices => {
                "Lists the databases behind this server: key (the beginning of the names of its tools), kind, what it holds, product \
                 and version, state, whether writes are offered, how many tools it has, and why it can't be used if it can't."
            }
        }
    }

    pub(crate) fn input_schema() -> Object {
        object(json!({"type": "object", "properties": {}, "additionalProperties": false}))
    }

    pub(crate) fn output_schema(&self) -> Object {
        let mut properties = json!({
            "services": {"type": "array", "items": {"type": "object"}},
            "notices": {"type": "array", "items": {"type": "string"}},
        });
        if matches!(self.which, Which::HealthCheck) {
            properties["status"] =
                json!({"type": "string", "description": "ok, or degraded when a database can't be used"});
        }
        object(json!({"type": "object", "properties": properties}))
    }

    pub(crate) async fn answer(&self, caller: &Principal, arguments: &Object) -> Result<String, Fault> {
        if let Some(name) = arguments.keys().next() {
            return Err(Fault::argument(
                name,
                format!("unknown argument {name:?}: there are none"),
            ));
        }
        let Some(shared) = self.registry.upgrade() else {
            return Err(Fault::new(
                Reason::UpstreamUnavailable,
                "the server is shutting down",
            ));
        };
        let registry = Registry { shared };
        let services = registry.services_of(caller).await;
        let mut answer = match self.which {
            Which::HealthCheck => health(&services),
            Which::ListServices => json!({"services": services}),
        };
        let notices = registry.notices();
        if !notices.is_empty() {
            answer["notices"] = notices.into();
        }
        Ok(answer.to_string())
    }
}

fn health(services: &[ServiceReport]) -> Value {
    let all = services.iter().all(|service| service.state == State::Serving);
    let services: Vec<Value> = services
        .iter()
        .map(|service| {
            let mut entry = json!({"key": service.key, "kind": service.kind, "state": service.state});
            if !service.reason.is_empty() {
                entry["reason"] = service.reason.clone().into();
            }
            if let Some(latency) = service.latency_ms {
                entry["latency_ms"] = latency.into();
            }
            entry
        })
        .collect();
    json!({"status": if all { "ok" } else { "degraded" }, "services": services})
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}
