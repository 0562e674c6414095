//! What kustomize printed, as the rules look at it: objects by kind and name, and the Pods that workloads make.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use serde_json::Value;

/// The label that tells the hub's own Pods from those of databases and telemetry.
pub(super) const PART_OF: &str = "app.kubernetes.io/part-of";
/// Which part of the hub a Pod is: `facade`, or the kind of its database.
pub(super) const COMPONENT: &str = "app.kubernetes.io/component";
/// The hub's own [`PART_OF`].
pub(super) const HUB: &str = "mcp-hub";
/// The hub's process in a Pod.
pub(super) const CONTAINER: &str = "mcp-hub";
/// The component that is the door for clients.
pub(super) const FACADE: &str = "facade";

/// Everything that an overlay comes to.
#[derive(Clone, Debug)]
pub(super) struct Objects(Vec<Value>);

impl Objects {
    /// Reads documents.
    pub(super) fn read(yaml: &str) -> anyhow::Result<Self> {
        serde_saphyr::from_multiple(yaml)
            .map(Self)
            .context("what kustomize printed")
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// Those of a kind.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// One of a kind.
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of(kind).find(|object| object["metadata"]["name"] == name)
    }

    /// Everything that makes Pods.
    pub(super) fn workloads(&self) -> impl Iterator<Item = Workload<'_>> {
        self.0.iter().filter_map(Workload::of)
    }

    /// What makes the hub's own Pods that serve.
    pub(super) fn processes(&self) -> impl Iterator<Item = Workload<'_>> {
        self.workloads()
            .filter(|workload| workload.is_hub() && workload.is_for_good())
    }

    /// The hub's adapters.
    pub(super) fn adapters(&self) -> impl Iterator<Item = Workload<'_>> {
        self.processes()
            .filter(|workload| workload.label(COMPONENT) != FACADE)
    }

    /// The objects, to break rules with.
    #[cfg(test)]
    pub(super) fn find_mut(&mut self, kind: &str, name: &str) -> &mut Value {
        self.0
            .iter_mut()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// One more.
    #[cfg(test)]
    pub(super) fn add(&mut self, object: Value) {
        self.0.push(object);
    }

    /// One less.
    #[cfg(test)]
    pub(super) fn remove(&mut self, kind: &str, name: &str) {
        let before = self.0.len();
        self.0
            .retain(|object| object["kind"] != kind || object["metadata"]["name"] != name);
        assert_eq!(self.0.len() + 1, before, "no {kind} {name}");
    }
}

/// `Deployment mcp-hub`.
pub(super) fn title(object: &Value) -> String {
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

impl From<Vec<Value>> for Objects {
    fn from(objects: Vec<Value>) -> Self {
        Self(objects)
    }
}

/// Something that makes Pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload<'a> {
    /// The object.
    pub(super) object: &'a Value,
    /// Labels of the Pods and what is in them.
    template: &'a Value,
}

impl fmt::Display for Workload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&title(self.object))
    }
}

impl<'a> Workload<'a> {
    fn of(object: &'a Value) -> Option<Self> {
        let template = match text(&object["kind"]) {
            "Pod" => object,
            "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"],
            _ => &object["spec"]["template"],
        };
        template["spec"].is_object().then_some(Self { object, template })
    }

    /// Its name.
    pub(super) fn name(self) -> &'a str {
        text(&self.object["metadata"]["name"])
    }

    /// The Pods' own description.
    pub(super) fn pod(self) -> &'a Value {
        &self.template["spec"]
    }

    /// The Pods' labels.
    pub(super) fn labels(self) -> BTreeMap<&'a str, &'a str> {
        let labels = self.template["metadata"]["labels"].as_object();
        let labels = labels.into_iter().flatten();
        labels.map(|(name, value)| (&**name, text(value))).collect()
    }

    /// One of the labels, empty when it is not there.
    pub(super) fn label(self, name: &str) -> &'a str {
        text(&self.template["metadata"]["labels"][name])
    }

    /// Whether the Pods are the hub's own.
    pub(super) fn is_hub(self) -> bool {
        self.label(PART_OF) == HUB
    }

    /// Whether the Pods are to run until they are told to end.
    pub(super) fn is_for_good(self) -> bool {
        !matches!(text(&self.object["kind"]), "Job" | "CronJob" | "Pod")
    }

    /// What runs in a Pod, what only begins it included.
    pub(super) fn containers(self) -> impl Iterator<Item = &'a Value> + Clone {
        list(&self.pod()["containers"]).chain(list(&self.pod()["initContainers"]))
    }

    /// The hub's process.
    pub(super) fn process(self) -> Option<&'a Value> {
        self.containers().find(|container| container["name"] == CONTAINER)
    }

    /// The number of a port of the Pod, which is a number or the name of a container's.
    pub(super) fn port(self, port: &Value) -> Option<u16> {
        if let Some(number) = port.as_u64() {
            return u16::try_from(number).ok();
        }
        let ports = self.containers().flat_map(|container| list(&container["ports"]));
        let mut named = ports.filter(|known| known["name"].is_string() && known["name"] == *port);
        u16::try_from(named.next()?["containerPort"].as_u64()?).ok()
    }
}

/// The items of a list, none when it is not there.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().into_iter().flatten()
}

/// A text, empty when it is not there.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
