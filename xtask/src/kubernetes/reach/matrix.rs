//! Who should talk to whom in a hub, and whether the policies say the same.

use std::net::Ipv4Addr;

use super::super::environment::{Environment, Secrets, database_ports, endpoint};
use super::super::object::{COMPONENT, FACADE, Objects, Workload, list, text};
use super::super::selector;
use super::{End, allowed};

/// Pods that say they may call adapters.
const CLIENT: (&str, &str) = ("mcp-hub/client", "true");
/// An address for documentation: a machine that is nobody's.
const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// A port that nothing here listens on.
const NOTHING: u16 = 4711;
/// Ports of the world that nothing of a hub has to do with.
const FOREIGN: [u16; 3] = [22, 443, 6443];
/// Who reads metrics, by its name.
const PROMETHEUS: &str = "prometheus";
/// Pages for people, which ask who comes.
const PAGES: [(&str, &str); 2] = [("mcp-hub", "http"), ("grafana", "http")];

/// What is open that should not be, and what is closed that should be open.
pub(in super::super) fn faults(objects: &Objects) -> Vec<String> {
    let mut table = Table {
        objects,
        faults: vec![],
    };
    for target in objects.workloads() {
        table.strangers(target);
        if target.is_hub() && target.is_for_good() {
            table.entry(target);
        }
    }
    for process in objects.processes() {
        table.exit(process);
    }
    table.faults
}

struct Table<'a> {
    objects: &'a Objects,
    faults: Vec<String>,
}

impl<'a> Table<'a> {
    fn expect(
        &mut self,
        is_to_be: bool,
        from: (&str, &End<'_>),
        to: (&str, &End<'_>),
        protocol: &str,
        port: u16,
    ) {
        if allowed(self.objects, from.1, to.1, protocol, port) != is_to_be {
            let can = if is_to_be { "can't" } else { "can" };
            self.faults
                .push(format!("{} {can} call {} on {protocol} {port}", from.0, to.0));
        }
    }

    /// Who is nobody gets to the pages for people and to nothing else.
    fn strangers(&mut self, target: Workload<'a>) {
        let end = End::of(target);
        let strangers = [
            ("a Pod beside the hub", End::here(&[("app", "stranger")])),
            (
                "a Pod of another namespace",
                End::elsewhere("shop", &[("app", "mcp-hub"), CLIENT]),
            ),
            ("a machine outside", End::Outside(SOMEWHERE)),
        ];
        for (what, stranger) in &strangers {
            for (name, port) in ports(target) {
                let is_page = PAGES.contains(&(target.name(), name));
                self.expect(is_page, (what, stranger), (target.name(), &end), "TCP", port);
            }
            self.expect(false, (what, stranger), (target.name(), &end), "TCP", NOTHING);
        }
    }

    /// Who gets to a process of the hub.
    fn entry(&mut self, target: Workload<'a>) {
        let end = End::of(target);
        let is_facade = target.label(COMPONENT) == FACADE;
        let client = ("a labelled client", End::here(&[CLIENT]));
        for (name, port) in ports(target) {
            let is_for_clients = matches!(name, "grpc" | "http");
            self.expect(
                is_for_clients,
                (client.0, &client.1),
                (target.name(), &end),
                "TCP",
                port,
            );
            for other in self.objects.workloads() {
                let is_facade_calling = other.is_hub() && other.label(COMPONENT) == FACADE;
                let is_labelled = other.label(CLIENT.0) == CLIENT.1;
                let is_to_be = match name {
                    "grpc" => is_facade_calling || is_labelled,
                    "relay" => is_facade_calling,
                    "metrics" => other.name() == PROMETHEUS,
                    "http" if is_facade && is_labelled => true,
                    // The door is open to all; who has no business there is kept by his own policy, or is not.
                    "http" if is_facade && !(other.is_hub() && other.is_for_good()) => continue,
                    _ => false,
                };
                self.expect(
                    is_to_be,
                    (other.name(), &End::of(other)),
                    (target.name(), &end),
                    "TCP",
                    port,
                );
            }
        }
    }

    /// Where a process of the hub gets to, beside the other processes.
    fn exit(&mut self, process: Workload<'a>) {
        let from = (process.name(), &End::of(process));
        let dns = (
            "the cluster's DNS",
            &End::elsewhere("kube-system", &[("k8s-app", "kube-dns")]),
        );
        for protocol in ["UDP", "TCP"] {
            self.expect(true, from, dns, protocol, 53);
        }
        let Some(environment) = self.environment(process) else {
            // What is missing is another rule's matter.
            return;
        };
        let own = database_ports(&environment);
        // The port that a kind usually has may be open for each of the kind.
        let usual = self.database_ports(process.label(COMPONENT));
        let outside = ("a machine outside", &End::Outside(SOMEWHERE));
        for port in self.database_ports("").into_iter().chain(FOREIGN) {
            if own.contains(&port) || !usual.contains(&port) {
                self.expect(own.contains(&port), from, outside, "TCP", port);
            }
        }
        let named = named(&environment);
        for target in self
            .objects
            .workloads()
            .filter(|target| !target.is_hub() && target.is_for_good())
        {
            let services = self.services(target);
            let end = End::of(target);
            for (_, port) in ports(target) {
                let is_named = services.iter().any(|(service, published, inner)| {
                    *inner == port && named.contains(&(service, *published))
                });
                // Of what it names anyway another port is not worth a rule, nor is another database of its kind.
                let is_own = own.contains(&port)
                    || services
                        .iter()
                        .any(|(service, ..)| named.iter().any(|(host, _)| host == service));
                if is_named || !is_own {
                    self.expect(is_named, from, (target.name(), &end), "TCP", port);
                }
            }
        }
    }

    fn environment(&self, process: Workload<'_>) -> Option<Environment> {
        Environment::of(self.objects, process.process()?, Secrets::Bare).ok()
    }

    /// The ports of the databases of a kind, or of all when it is empty, each once.
    fn database_ports(&self, kind: &str) -> Vec<u16> {
        let environments = self
            .objects
            .adapters()
            .filter(|adapter| kind.is_empty() || adapter.label(COMPONENT) == kind)
            .filter_map(|adapter| self.environment(adapter));
        let mut ports: Vec<u16> = environments
            .flat_map(|environment| database_ports(&environment))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// The Services of a workload's Pods: name, port, port of the Pod.
    fn services(&self, target: Workload<'a>) -> Vec<(&'a str, u16, u16)> {
        let services = self.objects.of("Service").filter(|service| {
            let selector = &service["spec"]["selector"];
            selector.is_object() && selector::is_within(selector, &target.labels())
        });
        let ports = services.flat_map(|service| {
            list(&service["spec"]["ports"]).filter_map(move |port| {
                let published = u16::try_from(port["port"].as_u64()?).ok()?;
                let inner = if port["targetPort"].is_null() {
                    &port["port"]
                } else {
                    &port["targetPort"]
                };
                Some((text(&service["metadata"]["name"]), published, target.port(inner)?))
            })
        });
        ports.collect()
    }
}

/// What a process's variables name: hosts and ports, in whichever form.
fn named(environment: &Environment) -> Vec<(&str, u16)> {
    let addresses = environment.iter().filter_map(|(_, value)| {
        let (host, port) = endpoint(value)?;
        Some((host, port?))
    });
    let pairs = environment.iter().filter_map(|(name, host)| {
        let kind = name.strip_suffix("_HOST")?;
        let port = environment.get(&format!("{kind}_PORT"))?.parse().ok()?;
        Some((host, port))
    });
    addresses.chain(pairs).collect()
}

/// Names and numbers of a workload's ports.
fn ports(workload: Workload<'_>) -> impl Iterator<Item = (&str, u16)> {
    let ports = workload
        .containers()
        .flat_map(|container| list(&container["ports"]));
    ports.filter_map(|port| {
        Some((
            text(&port["name"]),
            u16::try_from(port["containerPort"].as_u64()?).ok()?,
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kubernetes::fixture;

    /// The faults after a change of a policy.
    fn after(name: &str, path: &str, value: Value) -> Vec<String> {
        let mut hub = fixture::hub();
        fixture::set(&mut hub, "NetworkPolicy", name, path, value);
        faults(&hub)
    }

    fn has(found: &[String], expected: &str) {
        assert!(
            found.iter().any(|fault| fault == expected),
            "no {expected:?} in {found:#?}"
        );
    }

    #[test]
    fn a_good_hub_is_open_and_closed_where_it_should() {
        assert_eq!(faults(&fixture::hub()), [""; 0]);
    }

    #[test]
    fn an_adapter_that_anybody_calls_is_found() {
        let found = after("mcp-hub-postgres", "/spec/ingress/0/from", Value::Null);
        has(
            &found,
            "a Pod beside the hub can call mcp-hub-postgres on TCP 50051",
        );
        has(
            &found,
            "a Pod of another namespace can call mcp-hub-postgres on TCP 50051",
        );
        has(&found, "a machine outside can call mcp-hub-postgres on TCP 50051");
        let hub = json!([{"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "mcp-hub"}}}]);
        let found = after("mcp-hub-postgres", "/spec/ingress/0/from", hub);
        // The other adapter may not leave its own Pod.
        assert_eq!(
            found,
            ["a labelled client can't call mcp-hub-postgres on TCP 50051"]
        );
    }

    #[test]
    fn adapters_that_call_each_other_are_found() {
        let mut hub = fixture::hub();
        let anybody = json!({"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "mcp-hub"}}});
        fixture::set(
            &mut hub,
            "NetworkPolicy",
            "mcp-hub-postgres",
            "/spec/ingress/0/from/0",
            anybody,
        );
        fixture::set(
            &mut hub,
            "NetworkPolicy",
            "mcp-hub-orders",
            "/spec/egress/0/ports/1",
            json!({"port": 50051}),
        );
        has(
            &faults(&hub),
            "mcp-hub-orders can call mcp-hub-postgres on TCP 50051",
        );
    }

    #[test]
    fn a_facade_that_is_locked_out_or_in_is_found() {
        // What a label transformer makes of matchLabels.
        let path = "/spec/ingress/0/from/0/podSelector/matchLabels/zone";
        let found = after("mcp-hub-orders", path, json!("x"));
        assert_eq!(found, ["mcp-hub can't call mcp-hub-orders on TCP 50051"]);
        let found = after("mcp-hub", "/spec/egress/1", Value::Null);
        has(&found, "mcp-hub can't call mcp-hub-postgres on TCP 50051");
        has(&found, "mcp-hub can't call mcp-hub-orders on TCP 50051");
        let found = after("mcp-hub", "/spec/ingress/0/from", json!([{"podSelector": {}}]));
        has(
            &found,
            "a Pod of another namespace can't call mcp-hub on TCP 8000",
        );
        has(&found, "a machine outside can't call mcp-hub on TCP 8000");
        let found = after("mcp-hub", "/spec/ingress/1/from", Value::Null);
        has(&found, "a labelled client can call mcp-hub on TCP 8001");
        let found = after("mcp-hub", "/spec/ingress/0/ports", Value::Null);
        has(&found, "a machine outside can call mcp-hub on TCP 4711");
    }

    #[test]
    fn the_way_to_the_database_is_its_own() {
        let found = after("mcp-hub-postgres", "/spec/egress/0", Value::Null);
        assert_eq!(
            found,
            [
                "mcp-hub-postgres can't call a machine outside on TCP 5432",
                "mcp-hub-postgres can't call postgres on TCP 5432"
            ]
        );
        let found = after("mcp-hub-postgres", "/spec/egress/0/ports/1", json!({"port": 443}));
        assert_eq!(found, ["mcp-hub-postgres can call a machine outside on TCP 443"]);
        let found = after("mcp-hub", "/spec/egress/3", json!({"ports": [{"port": 5432}]}));
        assert_eq!(found, ["mcp-hub can call a machine outside on TCP 5432"]);
        let found = after("postgres", "/spec/ingress/0/from", Value::Null);
        has(&found, "a machine outside can call postgres on TCP 5432");
    }

    #[test]
    fn metrics_are_for_prometheus_and_names_for_all() {
        let found = after("mcp-hub-metrics", "/spec/ingress/0/from", Value::Null);
        has(&found, "a Pod beside the hub can call mcp-hub-orders on TCP 9090");
        let found = after("mcp-hub-metrics", "/spec/ingress/0", Value::Null);
        has(&found, "prometheus can't call mcp-hub on TCP 9090");
        let found = after("mcp-hub", "/spec/egress/2/ports/0", Value::Null);
        assert_eq!(found, ["mcp-hub can't call the cluster's DNS on UDP 53"]);
    }
}
