//! Neo4j.

use mcp_hub_e2e::{ask, post, request};
use mcp_hub_testing::Neo4j;
use serde_json::{Value, json};

use crate::hub::{Hub, count};
use crate::promises::{self, Asking, Subject};

const CYPHER: Asking = Asking {
    tool: "query",
    argument: "cypher",
    trial: ("return 2", || json!([2])),
};

fn subject(neo4j: &Neo4j) -> Subject<'static> {
    Subject {
        key: "neo4j",
        environment: vec![
            ("NEO4J_URI", neo4j.url().to_owned()),
            ("NEO4J_USER", neo4j.user().to_owned()),
            ("NEO4J_PASSWORD", neo4j.password().to_owned()),
        ],
        asking: CYPHER,
        secrets: vec![neo4j.password().to_owned(), "127.0.0.1".to_owned()],
    }
}

#[tokio::test]
async fn it_joins_when_its_address_is_set() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let statement = "return 9007199254740993, null, 'žluť', datetime('2024-02-29T10:00:00.123456789[Europe/Prague]'), {a: [1, 2.5]}";
    let row = json!([
        "9007199254740993",
        null,
        "žluť",
        "2024-02-29T10:00:00.123456789+01:00[Europe/Prague]",
        {"a": [1, 2.5]}
    ]);
    promises::it_joins(&subject(neo4j), "Neo4j", statement, row).await;
}

#[tokio::test]
async fn one_that_is_down_is_listed_with_the_reason_and_joins_when_it_is_up() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    neo4j.stop().await;
    let subject = subject(&neo4j);
    promises::one_that_is_down_joins_when_it_is_up(&subject, async || neo4j.start_again().await).await;
}

#[tokio::test]
async fn a_client_that_dies_takes_its_statement_along() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let running = async |mark: &str| {
        let question = json!({
            "statement": "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery CONTAINS $mark RETURN count(*)",
            "parameters": {"mark": mark},
        });
        let login = (neo4j.user(), neo4j.password());
        let url = format!("{}/db/neo4j/query/v2", neo4j.http_url());
        let answer = post(&url, login, &question).await.expect("an answer");
        let values: &Vec<Value> = answer["data"]["values"].as_array().expect("rows");
        count(values)
    };
    let statement = |mark: &str| {
        format!("unwind range(1, 10000000000) as n with n where n < 0 return count(n), '{mark}'")
    };
    promises::a_client_that_dies_takes_its_statement_along(&subject(neo4j), statement, running).await;
}

/// A Community server has one database for data, and the one of the system.
#[tokio::test]
async fn two_in_the_settings_file_are_two_services() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let settings = ["neo4j", "system"].map(|database| {
        format!(
            "uri = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\ndatabase = \"{database}\"",
            neo4j.url(),
            neo4j.user(),
            neo4j.password()
        )
    });
    let settings = [&*settings[0], &*settings[1]];
    promises::two_of_a_kind_are_two_services(
        "neo4j",
        CYPHER,
        settings,
        "call db.info() yield name return name",
        [json!(["neo4j"]), json!(["system"])],
    )
    .await;
}

#[tokio::test]
async fn labels_are_documents_prompts_know_them_and_a_long_query_tells_its_progress() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let create = json!({"statement": "CREATE (:Offered {name: 'a'})-[:OFFERED_TO {at: date()}]->(:Offered)"});
    let login = (neo4j.user(), neo4j.password());
    let url = format!("{}/db/neo4j/query/v2", neo4j.http_url());
    post(&url, login, &create).await.expect("creates");
    let environment = [
        ("NEO4J_URI", neo4j.url()),
        ("NEO4J_USER", neo4j.user()),
        ("NEO4J_PASSWORD", neo4j.password()),
    ];
    let hub = Hub::start(&[], &environment).await;
    let door = hub.url("/mcp");
    let headers = [("MCP-Protocol-Version", "2025-11-25")];
    let asked = async |method: &str, params| {
        let answer = ask(&door, &headers, method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error:#}"))
    };
    let document = async |uri: &str| -> Value {
        let read = asked("resources/read", json!({"uri": uri})).await;
        let text = read["contents"][0]["text"].as_str().expect("a text");
        serde_json::from_str(text).expect("JSON")
    };
    let listed = asked("resources/list", json!({})).await;
    for uri in [
        "mcphub://neo4j/labels/Offered",
        "mcphub://neo4j/relationships/OFFERED_TO",
    ] {
        let resources = listed["resources"].as_array().expect("a list");
        assert!(
            resources.iter().any(|resource| resource["uri"] == uri),
            "{listed}"
        );
    }
    let label = document("mcphub://neo4j/labels/Offered").await;
    let tool = asked(
        "tools/call",
        json!({"name": "neo4j_schema", "arguments": {"labels": ["Offered"]}}),
    )
    .await;
    assert_eq!(label, tool["structuredContent"], "what the tool answers");
    let of_type = document("mcphub://neo4j/relationships/OFFERED_TO").await;
    assert_eq!(
        (&of_type["properties"][0]["type"], &of_type["patterns"][0]["end"]),
        (&json!("DATE"), &json!("Offered"))
    );

    let completion = json!({
        "ref": {"type": "ref/prompt", "name": "neo4j_explore_graph"},
        "argument": {"name": "label", "value": "offe"},
    });
    let completed = asked("completion/complete", completion).await;
    assert_eq!(completed["completion"]["values"], json!(["Offered"]));
    let prompt = asked(
        "prompts/get",
        json!({"name": "neo4j_explore_graph", "arguments": {"label": "Offered"}}),
    )
    .await;
    let text = prompt["messages"][0]["content"]["text"].as_str().expect("a text");
    assert!(
        text.contains("(\"Offered\")-[\"OFFERED_TO\"]->(\"Offered\")"),
        "{text}"
    );

    let cypher = "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) as sum";
    let call = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "neo4j_query",
            "arguments": {"cypher": cypher, "timeout_ms": 2_500},
            "_meta": {"progressToken": 7},
        },
    });
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let told = request("POST", &door, &headers, &call.to_string())
        .await
        .expect("an answer")
        .body;
    assert!(
        told.contains("\"message\":\"2 s: waiting for the database\""),
        "{told}"
    );
    assert!(told.contains("STATEMENT_TIMED_OUT"), "{told}");
}
