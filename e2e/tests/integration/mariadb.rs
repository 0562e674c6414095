//! MariaDB, and the same adapter under the name of MySQL.

use mcp_hub_e2e::{Door, Session, ask, request};
use mcp_hub_testing::MariaDb;
use serde_json::json;
use tokio::sync::Mutex;

use crate::hub::{Hub, count, rows};
use crate::promises::{self, SQL, Subject};

fn subject(key: &'static str, environment: Vec<(&'static str, String)>) -> Subject<'static> {
    Subject {
        key,
        environment,
        asking: SQL,
        secrets: vec!["testpassword".to_owned(), "127.0.0.1".to_owned()],
    }
}

/// By the names that a Secret for the one or the other gives.
#[tokio::test]
async fn it_joins_under_either_name_when_its_host_is_set() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let address = mariadb.address();
    let variables = [
        (
            "mariadb",
            [
                "MARIADB_HOST",
                "MARIADB_PORT",
                "MARIADB_USER",
                "MARIADB_PASSWORD",
                "MARIADB_DATABASE",
            ],
        ),
        (
            "mysql",
            [
                "MYSQL_HOST",
                "MYSQL_PORT",
                "MYSQL_USER",
                "MYSQL_PASSWORD",
                "MYSQL_DATABASE",
            ],
        ),
    ];
    let values = [
        address.host().to_owned(),
        address.port().to_string(),
        address.user().to_owned(),
        address.password().to_owned(),
        "information_schema".to_owned(),
    ];
    for (key, names) in variables {
        let environment = names.into_iter().zip(values.clone()).collect();
        let statement = "select 18446744073709551615, cast('0000-00-00' as date), timediff('800:00:00', '-30:00:01'), 'žluť'";
        let row = json!(["18446744073709551615", "0000-00-00", "830:00:01", "žluť"]);
        promises::it_joins(&subject(key, environment), "MariaDB", statement, row).await;
    }
}

#[tokio::test]
async fn one_that_is_down_is_listed_with_the_reason_and_joins_when_it_is_up() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    mariadb.stop().await;
    let subject = subject("mariadb", vec![("MARIADB_URL", mariadb.url().to_owned())]);
    promises::one_that_is_down_joins_when_it_is_up(&subject, async || mariadb.start_again().await).await;
}

#[tokio::test]
async fn a_client_that_dies_takes_its_statement_along() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let subject = subject("mariadb", vec![("MARIADB_URL", mariadb.url().to_owned())]);
    let hub = Hub::start(&[], &[("MARIADB_URL", mariadb.url())]).await;
    let Some(watcher) = Session::python(&Door::HttpLegacy(hub.url("/mcp"))).await else {
        return;
    };
    let watcher = Mutex::new(watcher);
    let running = async |mark: &str| {
        let question = json!({
            "sql": "select count(*) from information_schema.processlist where id <> connection_id() and info like ?",
            "params": [format!("%{mark}%")],
        });
        let answer = watcher.lock().await.call("mariadb_query", question).await;
        count(&rows(&answer))
    };
    let statement = |mark: &str| format!("select '{mark}', sleep(50)");
    promises::a_client_that_dies_takes_its_statement_along(&subject, statement, running).await;
    watcher.into_inner().close().await;
}

#[tokio::test]
async fn two_in_the_settings_file_are_two_services() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let settings = [
        format!("url = \"{}\"", mariadb.url_of("information_schema")),
        format!("url = \"{}\"", mariadb.url_of("app")),
    ];
    let databases = [json!(["information_schema"]), json!(["app"])];
    let settings = [&*settings[0], &*settings[1]];
    promises::two_of_a_kind_are_two_services("mariadb", SQL, settings, "select database()", databases).await;
}

/// Under the name of MySQL, so that the key is seen in each name and address.
#[tokio::test]
async fn tables_are_documents_prompts_know_them_and_a_long_query_tells_its_progress() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let url = mariadb.url_of("information_schema");
    let hub = Hub::start(&[], &[("MYSQL_URL", &url)]).await;
    let door = hub.url("/mcp");
    let headers = [("MCP-Protocol-Version", "2025-11-25")];
    let asked = async |method: &str, params| {
        let answer = ask(&door, &headers, method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error:#}"))
    };
    let uri = "mcphub://mysql/information_schema/SCHEMATA";
    let read = asked("resources/read", json!({"uri": uri})).await;
    let text = read["contents"][0]["text"].as_str().expect("a text");
    let document: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let arguments = json!({"table_name": "SCHEMATA", "database": "information_schema"});
    let tool = asked(
        "tools/call",
        json!({"name": "mysql_describe_table", "arguments": arguments}),
    )
    .await;
    assert_eq!(document, tool["structuredContent"], "what the tool answers");

    let templates = asked("resources/templates/list", json!({})).await;
    let template = &templates["resourceTemplates"][0]["uriTemplate"];
    assert_eq!(template, "mcphub://mysql/{schema}/{table}");
    let completion = json!({
        "ref": {"type": "ref/resource", "uri": template},
        "argument": {"name": "table", "value": "schemat"},
        "context": {"arguments": {"schema": "information_schema"}},
    });
    let completed = asked("completion/complete", completion).await;
    assert_eq!(completed["completion"]["values"], json!(["SCHEMATA"]));

    let prompt = asked(
        "prompts/get",
        json!({"name": "mysql_explore", "arguments": {"question": "What is here?"}}),
    )
    .await;
    let text = prompt["messages"][0]["content"]["text"].as_str().expect("a text");
    assert!(
        text.contains("connected to \"information_schema\"") && text.contains("What is here?"),
        "{text}"
    );

    let call = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "mysql_query",
            "arguments": {"sql": "select sleep(2.5)", "timeout_ms": 100_000},
            "_meta": {"progressToken": "token"},
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
    assert!(
        told.contains("\"total\":100") && told.contains("\"rows\":[[0]]"),
        "{told}"
    );
}
