//! What spans and metrics say of the process that they come from.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_semantic_conventions::resource::{
    HOST_NAME, PROCESS_PID, SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION,
};

use super::variable::Variables;

/// The process: as it knows itself, below what `OTEL_RESOURCE_ATTRIBUTES` and, for the name, `OTEL_SERVICE_NAME` say. Where it runs in
/// Kubernetes it learns by the former.
pub(super) fn of(service: &str, variables: &Variables<'_>) -> Resource {
    let pid = i64::from(std::process::id());
    let known = [
        KeyValue::new(SERVICE_NAME, service.to_owned()),
        KeyValue::new(SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(
            SERVICE_INSTANCE_ID,
            uuid::Builder::from_random_bytes(rand::random())
                .into_uuid()
                .to_string(),
        ),
        KeyValue::new(PROCESS_PID, pid),
    ];
    let said = variables
        .pairs(&["OTEL_RESOURCE_ATTRIBUTES"])
        .into_iter()
        .map(|(key, value)| KeyValue::new(Key::new(key), value));
    let name = variables
        .text("OTEL_SERVICE_NAME")
        .map(|name| KeyValue::new(SERVICE_NAME, name));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(known.into_iter().chain(host()))
        .with_attributes(said)
        .with_attributes(name)
        .build()
}

/// The host's name, where it costs nothing to learn. In a pod it is the pod's.
fn host() -> Option<KeyValue> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(KeyValue::new(HOST_NAME, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(variables: &[(&str, &str)]) -> impl Fn(&'static str) -> Option<String> + use<> {
        let find = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let resource = of("mcp-hub-orders", &Variables::new(&find));
        move |key| {
            resource
                .get(&Key::from_static_str(key))
                .map(|value| value.to_string())
        }
    }

    #[test]
    fn the_process_knows_itself() {
        let attribute = resource(&[]);
        assert_eq!(attribute(SERVICE_NAME).as_deref(), Some("mcp-hub-orders"));
        assert_eq!(
            attribute(SERVICE_VERSION).as_deref(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(attribute("telemetry.sdk.language").as_deref(), Some("rust"));
        let instance = attribute(SERVICE_INSTANCE_ID).expect("an id");
        let id = uuid::Uuid::parse_str(&instance).expect("a UUID");
        assert_eq!(id.get_version_num(), 4);
        assert_ne!(resource(&[])(SERVICE_INSTANCE_ID), Some(instance));
    }

    #[test]
    fn what_is_said_wins_and_the_name_of_its_own_most() {
        let said = "service.name=a,service.instance.id=i,k8s.pod.name=p%20q";
        let attribute = resource(&[("OTEL_RESOURCE_ATTRIBUTES", said)]);
        assert_eq!(attribute(SERVICE_NAME).as_deref(), Some("a"));
        assert_eq!(attribute(SERVICE_INSTANCE_ID).as_deref(), Some("i"));
        assert_eq!(attribute("k8s.pod.name").as_deref(), Some("p q"));
        let attribute = resource(&[("OTEL_RESOURCE_ATTRIBUTES", said), ("OTEL_SERVICE_NAME", "b")]);
        assert_eq!(attribute(SERVICE_NAME).as_deref(), Some("b"));
        let attribute = resource(&[("OTEL_RESOURCE_ATTRIBUTES", said), ("OTEL_SERVICE_NAME", "")]);
        assert_eq!(attribute(SERVICE_NAME).as_deref(), Some("a"));
    }
}
