//! What a label selector matches, as Kubernetes decides it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{list, text};

/// Whether a selector of `matchLabels` and `matchExpressions` matches. An empty one matches everything; an absent one is the caller's matter.
pub(super) fn matches(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    is_within(&selector["matchLabels"], labels)
        && list(&selector["matchExpressions"]).all(|expression| {
            let value = labels.get(text(&expression["key"]));
            let is_listed =
                || list(&expression["values"]).any(|listed| value.is_some_and(|value| listed == value));
            match text(&expression["operator"]) {
                "In" => is_listed(),
                "NotIn" => !is_listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Whether the labels have each of `wanted`, as the selector of a Service says it.
pub(super) fn is_within(wanted: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let wanted = wanted.as_object().into_iter().flatten();
    wanted
        .into_iter()
        .all(|(name, value)| labels.get(&**name).is_some_and(|label| value == label))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_operator_is_decided_as_kubernetes_does() {
        let labels = BTreeMap::from([("app", "mcp-hub"), ("tier", "a")]);
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "mcp-hub"}}), true),
            (json!({"matchLabels": {"app": "mcp-hub", "zone": "x"}}), false),
            (json!({"matchLabels": {"app": "mcp-hub-postgres"}}), false),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "mcp-hub"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}),
                true,
            ),
            // What has no such label is not in.
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["x"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "zone", "operator": "Like"}]}),
                false,
            ),
            (
                json!({"matchLabels": {"app": "mcp-hub"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
                false,
            ),
        ] {
            assert_eq!(matches(&selector, &labels), expected, "{selector}");
        }
    }
}
