//! What `kubectl apply` does to an object: a strategic merge of three, as far as Deployments and Services take it.

use serde_json::Value;

/// What tells the items of a list from each other, in the lists that are merged. Others are replaced.
fn key(list: &str, item: &Value) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "ports" if !item["containerPort"].is_null() => Some("containerPort"),
        "ports" => Some("port"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

/// What keeps nothing that the new one does not have: of a volume, another kind of volume; of the strategy, the numbers of another.
fn is_whole(name: &str) -> bool {
    matches!(name, "volumes" | "strategy")
}

/// Makes `live` what `new` says. What `last` had and `new` has not goes; what neither has, somebody else has put there, and stays. `last` is absent
/// when the object was not made by apply.
pub(super) fn patch(live: &mut Value, last: Option<&Value>, new: &Value) {
    let (Some(members), Some(wanted)) = (live.as_object_mut(), new.as_object()) else {
        *live = new.clone();
        return;
    };
    if let Some(last) = last.and_then(Value::as_object) {
        members.retain(|name, _| wanted.contains_key(name) || !last.contains_key(name));
    }
    for (name, value) in wanted {
        let last = last.map(|last| &last[name]).filter(|last| !last.is_null());
        match members.get_mut(name) {
            Some(live) if live.is_array() && value.is_array() => merge(name, live, last, value),
            Some(live) if is_whole(name) => *live = value.clone(),
            Some(live) => patch(live, last, value),
            None => {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The same for the items of a list.
fn merge(name: &str, live: &mut Value, last: Option<&Value>, new: &Value) {
    let (Some(items), Some(wanted)) = (live.as_array_mut(), new.as_array()) else {
        return;
    };
    let Some(key) = wanted.first().and_then(|item| key(name, item)) else {
        items.clone_from(wanted);
        return;
    };
    let find = |list: Option<&Value>, item: &Value| -> Option<Value> {
        list?
            .as_array()?
            .iter()
            .find(|known| known[key] == item[key])
            .cloned()
    };
    items.retain(|item| find(Some(new), item).is_some() || find(last, item).is_none());
    for value in wanted {
        match items.iter_mut().find(|item| item[key] == value[key]) {
            Some(item) if is_whole(name) => *item = value.clone(),
            Some(item) => patch(item, find(last, value).as_ref(), value),
            None => items.push(value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_applied_goes_and_what_others_put_there_stays() {
        let last = json!({"a": 1, "b": {"c": 1}, "containers": [{"name": "x", "image": "1", "command": ["y"]}, {"name": "gone"}]});
        let mut live = last.clone();
        live["d"] = json!("default");
        live["containers"][0]["pull"] = json!("Always");
        live["containers"]
            .as_array_mut()
            .expect("a list")
            .push(json!({"name": "sidecar"}));
        let new = json!({"b": {"e": 2}, "containers": [{"name": "x", "image": "2"}, {"name": "z"}]});
        let mut applied = live.clone();
        patch(&mut applied, Some(&last), &new);
        assert_eq!(
            applied,
            json!({"b": {"e": 2}, "d": "default",
                "containers": [{"name": "x", "image": "2", "pull": "Always"}, {"name": "sidecar"}, {"name": "z"}]})
        );
        patch(&mut live, None, &new);
        assert_eq!(
            live["containers"][0],
            json!({"name": "x", "image": "2", "command": ["y"], "pull": "Always"}),
            "nothing is known of who made it"
        );
        assert_eq!(live["containers"][1], json!({"name": "gone"}));
    }

    #[test]
    fn lists_without_a_key_and_volumes_are_replaced() {
        let mut live = json!({"args": ["a", "b"], "volumes": [{"name": "v", "emptyDir": {}}], "strategy": {"type": "RollingUpdate", "rollingUpdate": {}}});
        patch(
            &mut live,
            None,
            &json!({"args": ["c"], "volumes": [{"name": "v", "configMap": {"name": "m"}}], "strategy": {"type": "Recreate"}}),
        );
        assert_eq!(
            live,
            json!({"args": ["c"], "volumes": [{"name": "v", "configMap": {"name": "m"}}], "strategy": {"type": "Recreate"}})
        );
    }
}
