//! The methods that spans and metrics are named by. A caller can ask for any path; names and labels are only those of methods that exist.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::{KeyValue, Value};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::{attribute, code_name};

/// Stands for all methods that do not exist.
const OTHER: &str = "_OTHER";

/// The services that tell of the server itself. Everybody asks them all the time.
const SILENT_SERVICES: [&str; 2] = ["grpc.health.", "grpc.reflection."];

/// Methods of ours that are like them.
const SILENT_METHODS: [&str; 2] = [
    "mcphub.adapter.v1.AdapterService/GetStatus",
    "mcphub.resource.v1.ResourceService/WatchResources",
];

/// A method, with what is the same in all measurements of it.
#[derive(Debug)]
pub(super) struct Method {
    name: Arc<str>,
    ok: [KeyValue; 2],
}

impl Method {
    fn new(name: &str) -> Self {
        let name = Arc::<str>::from(name);
        let ok = [
            KeyValue::new(attribute::RPC_METHOD, name.clone()),
            KeyValue::new(attribute::RPC_RESPONSE_STATUS_CODE, code_name(tonic::Code::Ok)),
        ];
        Self { name, ok }
    }

    /// Its full name: `mcphub.postgres.v1.PostgresService/Query`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The name as a value, without a copy of it.
    pub(super) fn value(&self) -> Value {
        Value::from(self.name.clone())
    }

    /// Whether it is one that does not exist.
    pub(super) fn is_other(&self) -> bool {
        &*self.name == OTHER
    }

    /// The attributes of a call that went well.
    pub(super) fn ok(&self) -> &[KeyValue] {
        &self.ok
    }

    /// The attributes of a call that failed.
    pub(super) fn failed(&self, code: &'static str, error_type: &'static str) -> [KeyValue; 3] {
        [
            self.ok[0].clone(),
            KeyValue::new(attribute::RPC_RESPONSE_STATUS_CODE, code),
            KeyValue::new(attribute::ERROR_TYPE, error_type),
        ]
    }
}

/// The methods of a server.
#[derive(Debug)]
pub(crate) struct Methods {
    known: HashMap<String, Arc<Method>>,
    other: Arc<Method>,
}

impl Methods {
    /// The methods of these services.
    ///
    /// # Errors
    /// The descriptors are damaged.
    pub(crate) fn of_services(
        names: &[&'static str],
        descriptors: &[&'static [u8]],
    ) -> Result<Self, prost::DecodeError> {
        let mut known = HashMap::new();
        for descriptors in descriptors {
            for file in FileDescriptorSet::decode(*descriptors)?.file {
                for service in &file.service {
                    let service_name = format!("{}.{}", file.package(), service.name());
                    if !names.contains(&service_name.as_str()) {
                        continue;
                    }
                    for method in &service.method {
                        let name = format!("{service_name}/{}", method.name());
                        known.insert(name.clone(), Arc::new(Method::new(&name)));
                    }
                }
            }
        }
        let other = Arc::new(Method::new(OTHER));
        Ok(Self { known, other })
    }

    /// The method of a path; none for those that make neither spans nor metrics.
    pub(super) fn of(&self, path: &str) -> Option<Arc<Method>> {
        let name = path.strip_prefix('/').unwrap_or(path);
        let silent =
            SILENT_METHODS.contains(&name) || SILENT_SERVICES.iter().any(|service| name.starts_with(service));
        (!silent).then(|| self.known.get(name).unwrap_or(&self.other).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_exist_have_names() {
        let descriptors = mcp_hub_proto::completion::v1::DESCRIPTORS;
        let service = "mcphub.completion.v1.CompletionService";
        let methods = Methods::of_services(&[service], &[descriptors]).expect("read");
        let name = |path: &str| methods.of(path).map(|method| method.name().to_owned());
        let complete = format!("{service}/Complete");
        assert_eq!(name(&format!("/{complete}")), Some(complete));
        for unknown in [
            "/mcphub.completion.v1.CompletionService/Invented",
            "/",
            "",
            "*",
            "/a/b/c",
        ] {
            assert_eq!(name(unknown).as_deref(), Some(OTHER), "{unknown}");
        }
        for silent in [
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "/mcphub.adapter.v1.AdapterService/GetStatus",
            "/mcphub.resource.v1.ResourceService/WatchResources",
        ] {
            assert_eq!(name(silent), None, "{silent}");
        }
    }
}
