//! A small hub that breaks no rule, to break rules with: a facade, two adapters of one kind, a database in the cluster and Prometheus.

use serde_json::Value;

use super::object::Objects;

/// The hub.
pub(super) fn hub() -> Objects {
    Objects::read(include_str!("fixture/hub.yaml")).expect("YAML")
}

/// The hub with a value where `path` says.
pub(super) fn with(kind: &str, name: &str, path: &str, value: Value) -> Objects {
    let mut hub = hub();
    set(&mut hub, kind, name, path, value);
    hub
}

/// Puts a value where `path` says. `null` takes away what is there.
pub(super) fn set(objects: &mut Objects, kind: &str, name: &str, path: &str, value: Value) {
    let object = objects.find_mut(kind, name);
    let (parent, last) = path.rsplit_once('/').expect("a path");
    // A key has its slashes escaped, as JSON Pointers have.
    let last = last.replace("~1", "/");
    match object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{name} has no {parent}"))
    {
        Value::Array(items) => {
            let at: usize = last.parse().expect("an index");
            if value.is_null() {
                items.remove(at);
            } else if at == items.len() {
                items.push(value);
            } else {
                items[at] = value;
            }
        }
        Value::Object(members) if value.is_null() => {
            members
                .remove(&last)
                .unwrap_or_else(|| panic!("{name} has no {path}"));
        }
        parent => parent[&last] = value,
    }
}
