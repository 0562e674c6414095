//! MariaDB, and the same adapter under the name of MySQL.

use mcp_hub_e2e::{Door, Session};
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
