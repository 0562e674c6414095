//! Who may talk to whom, as a cluster that enforces `NetworkPolicy` objects decides it.
//!
//! [`matrix`] says who should.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::object::{Objects, Workload, list, text};
use super::selector;

mod matrix;

pub(super) use matrix::faults;

/// One end of a connection.
#[derive(Clone, Debug)]
pub(super) enum End<'a> {
    /// A Pod.
    Pod {
        /// Whether it is in the namespace of the manifests.
        is_here: bool,
        /// The labels of its namespace.
        namespace: BTreeMap<&'a str, &'a str>,
        /// Its own labels.
        labels: BTreeMap<&'a str, &'a str>,
        /// What it is made by, which knows the names of its ports.
        workload: Option<Workload<'a>>,
    },
    /// A machine outside of the cluster.
    Outside(Ipv4Addr),
}

impl<'a> End<'a> {
    /// A Pod of a workload.
    fn of(workload: Workload<'a>) -> Self {
        Self::Pod {
            is_here: true,
            namespace: BTreeMap::new(),
            labels: workload.labels(),
            workload: Some(workload),
        }
    }

    /// A Pod beside the hub, with these labels.
    fn here(labels: &[(&'a str, &'a str)]) -> Self {
        Self::Pod {
            is_here: true,
            namespace: BTreeMap::new(),
            labels: labels.iter().copied().collect(),
            workload: None,
        }
    }

    /// A Pod of another namespace.
    fn elsewhere(namespace: &'a str, labels: &[(&'a str, &'a str)]) -> Self {
        Self::Pod {
            is_here: false,
            namespace: BTreeMap::from([("kubernetes.io/metadata.name", namespace)]),
            labels: labels.iter().copied().collect(),
            workload: None,
        }
    }
}

/// Whether a connection from one to the other comes about: the policies of either end can forbid it.
pub(super) fn allowed(objects: &Objects, from: &End<'_>, to: &End<'_>, protocol: &str, port: u16) -> bool {
    let way = Way { to, protocol, port };
    way.is_open(objects, "Egress", from, to) && way.is_open(objects, "Ingress", to, from)
}

/// Where a connection leads.
struct Way<'a> {
    to: &'a End<'a>,
    protocol: &'a str,
    port: u16,
}

impl Way<'_> {
    /// Whether the policies of `own` let it have the connection with `other`. Where none is for it, everything is open.
    fn is_open(&self, objects: &Objects, direction: &str, own: &End<'_>, other: &End<'_>) -> bool {
        let End::Pod {
            is_here: true,
            labels,
            ..
        } = own
        else {
            return true;
        };
        let (rules, peers) = match direction {
            "Egress" => ("egress", "to"),
            _ => ("ingress", "from"),
        };
        let policies = objects.of("NetworkPolicy").map(|policy| &policy["spec"]);
        let mut own = policies
            .filter(|policy| selector::matches(&policy["podSelector"], labels) && is_of(policy, direction))
            .peekable();
        own.peek().is_none()
            || own
                .flat_map(|policy| list(&policy[rules]))
                .any(|rule| self.is_within(&rule["ports"]) && is_among(&rule[peers], other))
    }

    /// Whether the port is one of a rule's. No list is every port.
    fn is_within(&self, ports: &Value) -> bool {
        let Some(ports) = ports.as_array().filter(|ports| !ports.is_empty()) else {
            return true;
        };
        ports.iter().any(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            // A name is that of a port of the Pod that is called.
            let first = match (&port["port"], self.to) {
                (Value::Null, _) => return protocol == self.protocol,
                (
                    named,
                    End::Pod {
                        workload: Some(workload),
                        ..
                    },
                ) => workload.port(named),
                (port, _) => port.as_u64().and_then(|port| u16::try_from(port).ok()),
            };
            let last = port["endPort"].as_u64().and_then(|port| u16::try_from(port).ok());
            protocol == self.protocol
                && first.is_some_and(|first| (first..=last.unwrap_or(first)).contains(&self.port))
        })
    }
}

/// Whether a policy speaks of a direction. One that says nothing speaks of what comes, and of what goes when it has rules for that.
fn is_of(policy: &Value, direction: &str) -> bool {
    match policy["policyTypes"].as_array() {
        Some(types) => types.iter().any(|kind| kind == direction),
        None => direction == "Ingress" || policy["egress"].is_array(),
    }
}

/// Whether an end is one of a rule's. No list is everybody.
fn is_among(peers: &Value, end: &End<'_>) -> bool {
    let Some(peers) = peers.as_array().filter(|peers| !peers.is_empty()) else {
        return true;
    };
    peers.iter().any(|peer| match end {
        End::Outside(address) => is_in_block(&peer["ipBlock"], *address),
        End::Pod { .. } if peer["ipBlock"].is_object() => false,
        End::Pod {
            is_here,
            namespace,
            labels,
            ..
        } => {
            let pods = &peer["podSelector"];
            let is_in_namespace = match &peer["namespaceSelector"] {
                Value::Null => *is_here,
                // The name of the namespace of the manifests is the overlay's matter, so only a selector of all namespaces has it.
                selector if *is_here => selector::matches(selector, &BTreeMap::new()),
                selector => selector::matches(selector, namespace),
            };
            is_in_namespace && (pods.is_null() || selector::matches(pods, labels))
        }
    })
}

fn is_in_block(block: &Value, address: Ipv4Addr) -> bool {
    let within = |cidr: &Value| is_in_network(text(cidr), address).unwrap_or(false);
    within(&block["cidr"]) && !list(&block["except"]).any(within)
}

/// Whether `10.0.0.0/8` has an address; nothing when it is no network of IPv4.
fn is_in_network(cidr: &str, address: Ipv4Addr) -> Option<bool> {
    let (network, length) = cidr.split_once('/')?;
    let network: Ipv4Addr = network.parse().ok()?;
    let length: u32 = length.parse().ok()?;
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(length)?).unwrap_or(0);
    Some(network.to_bits() & mask == address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether a Pod `x` of the namespace, or what `from` is, gets to a Pod `a` on port 80 under one policy for `a`.
    fn is_let_in(rule: &Value, from: &End<'_>) -> bool {
        let mut objects = Objects::read("{}").expect("YAML");
        objects.add(
            json!({"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {
                "podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress"], "ingress": [rule],
            }}),
        );
        allowed(&objects, from, &End::here(&[("app", "a")]), "TCP", 80)
    }

    #[test]
    fn peers_are_decided_as_kubernetes_does() {
        let near = End::here(&[("app", "x")]);
        let far = End::elsewhere("shop", &[("app", "x")]);
        let outside = End::Outside(Ipv4Addr::new(192, 0, 2, 7));
        for (from, expected) in [
            (json!([]), [true, true, true]),
            (json!([{"podSelector": {}}]), [true, false, false]),
            (
                json!([{"podSelector": {"matchLabels": {"app": "x"}}}]),
                [true, false, false],
            ),
            (
                json!([{"podSelector": {"matchLabels": {"app": "y"}}}]),
                [false, false, false],
            ),
            (json!([{"namespaceSelector": {}}]), [true, true, false]),
            (
                json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]),
                [false, true, false],
            ),
            (
                json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}, "podSelector": {"matchLabels": {"app": "y"}}}]),
                [false, false, false],
            ),
            (
                json!([{"ipBlock": {"cidr": "192.0.2.0/24"}}]),
                [false, false, true],
            ),
            (
                json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/30"]}}]),
                [false, false, true],
            ),
            (
                json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/24"]}}]),
                [false, false, false],
            ),
        ] {
            let rule = json!({"from": from});
            assert_eq!(
                [&near, &far, &outside].map(|end| is_let_in(&rule, end)),
                expected,
                "{rule}"
            );
        }
    }

    #[test]
    fn ports_are_decided_as_kubernetes_does() {
        let near = End::here(&[]);
        for (ports, expected) in [
            (json!([]), true),
            (json!([{"protocol": "TCP"}]), true),
            (json!([{"protocol": "UDP"}]), false),
            (json!([{"port": 80}]), true),
            (json!([{"port": 80, "protocol": "UDP"}]), false),
            (json!([{"port": 79, "endPort": 81}]), true),
            (json!([{"port": 81, "endPort": 90}]), false),
            // Of a Pod whose ports have no such name.
            (json!([{"port": "http"}]), false),
        ] {
            assert_eq!(is_let_in(&json!({"ports": ports}), &near), expected, "{ports}");
        }
    }

    #[test]
    fn what_no_policy_is_for_is_open_and_each_end_can_forbid() {
        let (a, b) = (End::here(&[("app", "a")]), End::here(&[("app", "b")]));
        let mut objects = Objects::read("{}").expect("YAML");
        assert!(allowed(&objects, &a, &b, "TCP", 80));
        objects.add(
            json!({"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {
                "podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Egress"],
            }}),
        );
        assert!(!allowed(&objects, &a, &b, "TCP", 80));
        assert!(allowed(&objects, &b, &a, "TCP", 80));
        // Without types a policy is for what comes, and for what goes only with rules on it.
        objects.add(json!({"kind": "NetworkPolicy", "metadata": {"name": "q"}, "spec": {"podSelector": {"matchLabels": {"app": "b"}}}}));
        assert!(allowed(&objects, &b, &End::here(&[]), "TCP", 80));
        assert!(!allowed(&objects, &End::here(&[]), &b, "TCP", 80));
    }
}
