//! What the hub promises of every database, told once. The modules of the databases say how theirs is reached and asked.

use std::time::Duration;

use mcp_hub_e2e::{Door, Session, get};
use mcp_hub_testing::eventually;
use serde_json::{Value, json};

use crate::hub::{Hub, rows, text};

/// The tool that asks a database for rows.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    /// Its name behind the key.
    pub(crate) tool: &'static str,
    /// The argument that says what is wanted: a statement, or a collection.
    pub(crate) argument: &'static str,
    /// Something to ask that works at once, and its one row.
    pub(crate) trial: (&'static str, fn() -> Value),
}

/// Asking with SQL.
pub(crate) const SQL: Asking = Asking {
    tool: "query",
    argument: "sql",
    trial: ("select 2", || json!([2])),
};

impl Asking {
    fn of(self, key: &str) -> String {
        format!("{key}_{}", self.tool)
    }

    fn arguments(self, what: &str) -> Value {
        json!({ self.argument: what })
    }
}

/// A database as the promises need to know it.
pub(crate) struct Subject<'a> {
    /// The key of its service.
    pub(crate) key: &'a str,
    /// The variables that name it.
    pub(crate) environment: Vec<(&'a str, String)>,
    /// How it is asked.
    pub(crate) asking: Asking,
    /// What no answer may hold.
    pub(crate) secrets: Vec<String>,
}

impl Subject<'_> {
    async fn hub(&self, arguments: &[&str]) -> Hub {
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Hub::start(arguments, &environment).await
    }

    async fn query(&self, session: &mut Session, statement: &str) -> Value {
        let arguments = self.asking.arguments(statement);
        session.call(&self.asking.of(self.key), arguments).await
    }
}

/// A database that is named by its host joins, says what it is, and its values arrive exactly.
pub(crate) async fn it_joins(subject: &Subject<'_>, product: &str, statement: &str, row: Value) {
    let hub = subject.hub(&[]).await;
    assert!(hub.banner.contains(product), "{}", hub.banner);
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    assert_eq!(rows(&subject.query(&mut session, statement).await), [row]);
    session.close().await;
}

/// A database that is down when the hub starts is listed with the reason, disturbs no other, and joins when it is up.
pub(crate) async fn one_that_is_down_joins_when_it_is_up(subject: &Subject<'_>, start: impl AsyncFnOnce()) {
    let hub = subject.hub(&["--sample"]).await;
    let line = hub
        .banner
        .lines()
        .find(|line| line.trim_start().starts_with(subject.key))
        .expect("it is listed");
    assert!(line.contains("unavailable"), "{}", hub.banner);
    assert!(
        hub.banner.contains("refused") || hub.banner.contains("refuses"),
        "the reason: {}",
        hub.banner
    );
    assert_eq!(get(hub.port, "/readyz").await.expect("an answer"), 200);

    let Some(mut session) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    let others = session.call("sqlite_query", json!({"sql": "select 1"})).await;
    assert_eq!(rows(&others), [json!([1])]);
    let (trial, row) = subject.asking.trial;
    let down = subject.query(&mut session, trial).await;
    assert_eq!(down["isError"], true, "{down}");
    for secret in &subject.secrets {
        assert!(!down.to_string().contains(secret), "{secret} in {down}");
    }

    start().await;
    let mut session = Some(session);
    let answer = eventually(Duration::from_secs(30), async || {
        let session = session.as_mut().expect("a session");
        let result = subject.query(session, trial).await;
        if result["isError"] == true {
            Err(text(&result).to_owned())
        } else {
            Ok(result)
        }
    })
    .await;
    assert_eq!(rows(&answer), [row()]);
    session.take().expect("a session").close().await;
}

/// A client that dies without a word takes its statement along, through every door. `statement` makes a long one with a mark in it,
/// `running` counts those with the mark.
pub(crate) async fn a_client_that_dies_takes_its_statement_along(
    subject: &Subject<'_>,
    statement: impl Fn(&str) -> String,
    running: impl AsyncFn(&str) -> u64,
) {
    let hub = subject.hub(&[]).await;
    let tool = subject.asking.of(subject.key);
    for (number, door) in [
        Door::Sse(hub.url("/sse")),
        Door::Http(hub.url("/mcp")),
        Door::HttpLegacy(hub.url("/mcp")),
    ]
    .iter()
    .enumerate()
    {
        let Some(mut dying) = Session::python(door).await else {
            return;
        };
        let mark = format!("call number {number}");
        dying
            .begin(&tool, subject.asking.arguments(&statement(&mark)))
            .await;
        eventually(Duration::from_secs(10), async || running(&mark).await == 1).await;
        // SIGKILL: the client says nothing any more.
        drop(dying);
        eventually(Duration::from_secs(2), async || running(&mark).await == 0).await;
    }
}

/// Two databases of one kind, named in mcp-hub.toml, are two services. `settings` are the lines of each
/// table, `expected` is the row of each.
pub(crate) async fn two_of_a_kind_are_two_services(
    kind: &str,
    asking: Asking,
    settings: [&str; 2],
    statement: &str,
    expected: [Value; 2],
) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mcp-hub.toml");
    let [orders, billing] = settings;
    let text = format!(
        "[database.orders]\nkind = \"{kind}\"\ndescription = \"the web shop\"\n{orders}\n\n\
         [database.billing]\nkind = \"{kind}\"\n{billing}\n"
    );
    std::fs::write(&file, text).expect("a file");
    let hub = Hub::start(&["--config", &file.display().to_string()], &[]).await;
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    let instructions = session.connection["instructions"].to_string();
    assert!(instructions.contains("the web shop"), "{instructions}");
    for (key, expected) in ["orders", "billing"].iter().zip(expected) {
        let result = session.call(&asking.of(key), asking.arguments(statement)).await;
        assert_eq!(rows(&result), [expected], "{key}");
    }
    session.close().await;
}
