//! An adapter in two versions at once: three endpoints that are rolled from one to the other and back, one by one. At each step every
//! call of every client, old or new, is answered, and by descriptors that are those of the endpoint that answered.

use std::net::SocketAddr;

use mcp_hub_facade::registry::State;
use mcp_hub_facade::upstream::Upstream;
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_testing::eventually;
use prost_reflect::ReflectMessage as _;
use serde_json::{Value, json};

use crate::adapter::{Adapter, Plan};
use crate::hub::{Hub, SOON};

/// How often each call is made at each step: each endpoint gets some of them.
const CALLS: usize = 9;

/// An adapter that answers with what it was asked, field by field, and with its version.
fn version(number: &str, source: &str) -> Plan {
    let number = number.to_owned();
    let head = "// ShopService sells.\nservice ShopService {\n";
    Plan::new(&format!("{head}{source}"))
        .status(|status| status.adapter_version.clone_from(&number))
        .handle(move |mut received| {
            let number = number.clone();
            async move {
                for field in received.response.descriptor().fields() {
                    let asked = received.message.get_field_by_name(field.name());
                    if field.name() == "version" {
                        received
                            .response
                            .set_field(&field, prost_reflect::Value::String(number.clone()));
                    } else if let Some(asked) = asked {
                        received.response.set_field(&field, asked.into_owned());
                    }
                }
                Ok(received.response)
            }
        })
}

/// An RPC that reads.
fn read(name: &str) -> String {
    format!(
        "// Looks it up.\nrpc {name}(Request) returns (Response) {{
           option idempotency_level = NO_SIDE_EFFECTS; option (mcphub.tool.v1.tool) = {{}}; }}\n"
    )
}

const MESSAGES: &str = "message Request { string name = 1; optional string city = 2; }
    message Response { string name = 1; string city = 2; string version = 3; }";

/// Three endpoints of one upstream.
struct Three {
    hub: Hub,
    adapters: Vec<Option<Adapter>>,
    addresses: Vec<SocketAddr>,
}

impl Three {
    async fn of(plan: impl Fn() -> Plan) -> Self {
        let (mut adapters, mut addresses) = (vec![], vec![]);
        for _ in 0..3 {
            let adapter = plan().start().await;
            addresses.push(adapter.address);
            adapters.push(Some(adapter));
        }
        let mut upstreams = Upstreams::default();
        let upstream = Upstream {
            addresses: addresses
                .iter()
                .map(|address| format!("http://{address}"))
                .collect(),
            ..Upstream::at("http://127.0.0.1:1")
        };
        upstreams.add("shop", upstream).expect("usable");
        let three = Self {
            hub: Hub::start(upstreams, 3600).await,
            adapters,
            addresses,
        };
        three.complete().await;
        three
    }

    /// Replaces one endpoint.
    async fn roll(&mut self, index: usize, plan: Plan) {
        self.adapters[index].take().expect("an adapter").stop().await;
        eventually(SOON, async || self.endpoints().await == "2 of 3").await;
        self.adapters[index] = Some(plan.start_at(self.addresses[index]).await);
        self.complete().await;
    }

    async fn complete(&self) {
        eventually(SOON, async || {
            let service = self.hub.service("shop").await;
            service.endpoints == "3 of 3" && service.state == State::Serving
        })
        .await;
    }

    async fn endpoints(&self) -> String {
        self.hub.service("shop").await.endpoints
    }

    /// Calls a tool again and again; gives the versions that answered, sorted. Every answer has `expected`.
    async fn answers(&self, tool: &str, arguments: &Value, expected: &Value) -> Vec<String> {
        let mut versions = vec![];
        // The catalogue follows within a moment.
        eventually(SOON, async || self.hub.registry.catalog().tool(tool).is_some()).await;
        for _ in 0..CALLS {
            let outcome = self.hub.call(tool, arguments.clone()).await;
            assert!(!outcome.is_error, "{tool} {arguments}: {}", outcome.text);
            let mut answer = outcome.structured.expect("an answer");
            let answer = answer.as_object_mut().expect("an object");
            let version = answer.remove("version").expect("a version");
            versions.push(version.as_str().expect("a text").to_owned());
            assert_eq!(
                &Value::Object(answer.clone()),
                expected,
                "{tool} {arguments} of {version}"
            );
        }
        versions.sort();
        versions.dedup();
        versions
    }

    fn has(&self, tool: &str, property: &str) -> bool {
        self.hub.tool(tool).input_schema["properties"]
            .get(property)
            .is_some()
    }
}

#[tokio::test]
async fn a_tool_that_is_new_is_listed_when_all_have_it_and_called_where_it_is() {
    let old = || version("1", &format!("{}}}{MESSAGES}", read("Find")));
    let new = || version("2", &format!("{}{}}}{MESSAGES}", read("Count"), read("Find")));
    let (arguments, expected) = (
        json!({"name": "n", "city": "c"}),
        json!({"name": "n", "city": "c"}),
    );
    let mut three = Three::of(old).await;
    three.hub.lists(&["shop_find"]).await;
    for index in 0..3 {
        three.roll(index, new()).await;
        let listed: &[&str] = if index == 2 {
            &["shop_count", "shop_find"]
        } else {
            &["shop_find"]
        };
        three.hub.lists(listed).await;
        assert_eq!(three.answers("shop_count", &arguments, &expected).await, ["2"]);
        let versions = three.answers("shop_find", &arguments, &expected).await;
        assert_eq!(versions.len(), if index == 2 { 1 } else { 2 }, "{versions:?}");
    }
    // And back: it goes from the list with the first, and is called where it still is until the last.
    for index in 0..3 {
        three.roll(index, old()).await;
        three.hub.lists(&["shop_find"]).await;
        three.answers("shop_find", &arguments, &expected).await;
        if index < 2 {
            assert_eq!(three.answers("shop_count", &arguments, &expected).await, ["2"]);
        } else {
            eventually(SOON, async || {
                three.hub.registry.catalog().tool("shop_count").is_none()
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_field_that_is_new_reaches_those_that_know_it() {
    let old = || version("1", &format!("{}}}{MESSAGES}", read("Find")));
    let messages =
        "message Request { string name = 1; optional string city = 2; optional string colour = 3; }
        message Response { string name = 1; string city = 2; string version = 3; string colour = 4; }";
    let new = || version("2", &format!("{}}}{messages}", read("Find")));
    let (plain, coloured) = (
        json!({"name": "n", "city": "c"}),
        json!({"name": "n", "city": "c", "colour": "red"}),
    );
    let mut three = Three::of(old).await;
    for index in 0..3 {
        three.roll(index, new()).await;
        // The list changes once, with the last.
        eventually(SOON, async || three.has("shop_find", "colour") == (index == 2)).await;
        let versions = three.answers("shop_find", &plain, &plain).await;
        assert_eq!(versions.len(), if index == 2 { 1 } else { 2 }, "{versions:?}");
        // A client that has the list of a replica that is further already.
        assert_eq!(three.answers("shop_find", &coloured, &coloured).await, ["2"]);
    }
    for index in 0..3 {
        three.roll(index, old()).await;
        eventually(SOON, async || three.has("shop_find", "colour") == (index < 2)).await;
        three.answers("shop_find", &plain, &plain).await;
        if index < 2 {
            assert_eq!(three.answers("shop_find", &coloured, &coloured).await, ["2"]);
        }
    }
    let outcome = three.hub.call("shop_find", coloured).await;
    assert!(
        outcome.text.starts_with("unknown argument \"colour\""),
        "{}",
        outcome.text
    );
}

#[tokio::test]
async fn a_number_means_what_the_endpoint_means_by_it() {
    let old = || version("1", &format!("{}}}{MESSAGES}", read("Find")));
    let messages = "message Request { optional string city = 1; string name = 2; }
        message Response { string version = 1; string name = 2; string city = 3; }";
    let new = || version("2", &format!("{}}}{messages}", read("Find")));
    let asked = json!({"name": "n", "city": "c"});
    let mut three = Three::of(old).await;
    for index in 0..3 {
        three.roll(index, new()).await;
        let versions = three.answers("shop_find", &asked, &asked).await;
        assert_eq!(versions.len(), if index == 2 { 1 } else { 2 }, "{versions:?}");
    }
}

#[tokio::test]
async fn a_version_that_contradicts_the_listed_one_is_not_asked() {
    let tool = |options: &str| {
        format!(
            "// Looks it up.\nrpc Find(Request) returns (Response) {{ {options} option (mcphub.tool.v1.tool) = {{}}; }}\n"
        )
    };
    let reads = "option idempotency_level = NO_SIDE_EFFECTS;";
    let old = || version("1", &format!("{}}}{MESSAGES}", tool(reads)));
    for source in [
        // Whoever was let in to read does not write.
        format!("{}}}{MESSAGES}", tool("")),
        // Another type in the request, another one in the answer.
        format!(
            "{}}}{}",
            tool(reads),
            MESSAGES.replace("optional string city = 2", "optional bytes city = 2")
        ),
        format!(
            "{}}}{}",
            tool(reads),
            MESSAGES.replace(
                "string city = 2; string version",
                "repeated string city = 2; string version"
            )
        ),
        // An argument that nobody knew has to be given.
        format!(
            "{}}}{}",
            tool(reads),
            MESSAGES.replace(
                "optional string city = 2;",
                "optional string city = 2; string more = 4;"
            )
        ),
    ] {
        let asked = json!({"name": "n", "city": "c"});
        let mut three = Three::of(old).await;
        for index in 0..2 {
            three.roll(index, version("2", &source)).await;
            assert_eq!(
                three.answers("shop_find", &asked, &asked).await,
                ["1"],
                "{source}"
            );
        }
        // With the last of the old the new one is the tool.
        three.roll(2, version("2", &source)).await;
        let digest = three.hub.tool("shop_find");
        assert!(!digest.read_only || source.contains("NO_SIDE_EFFECTS"));
    }
}
