//! Neo4j.

use mcp_hub_e2e::post;
use mcp_hub_testing::Neo4j;
use serde_json::{Value, json};

use crate::hub::count;
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
