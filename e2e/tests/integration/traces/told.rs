//! What the databases learn of the trace: a slow statement leads to whoever sent it.

use mcp_hub_e2e::post;
use mcp_hub_testing::jaeger::Kind;
use mcp_hub_testing::traces::Caller;
use mcp_hub_testing::{Neo4j, eventually};
use serde_json::{Value, json};

use super::client::{Named, Sse};
use super::engine::Engine;
use super::stage::{PLANTED, SOON, Stage, cancelled};

/// A statement of this engine with a mark in it, which runs for longer than any test.
type Slow = fn(mark: &str) -> Value;

/// What the database says of the running statement with this mark; `None` when there is none.
trait Watch: AsyncFn(&Stage, &str) -> Option<String> {}

impl<F: AsyncFn(&Stage, &str) -> Option<String>> Watch for F {}

#[tokio::test]
async fn postgres_shows_it_beside_the_statement() {
    let Some(engine) = Engine::postgres().await else {
        return;
    };
    let slow = |mark: &str| json!({"sql": format!("select '{mark}' from pg_sleep(50)")});
    let watch = async |stage: &Stage, mark: &str| {
        let sql = "select query from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like $1";
        of_sql(stage, "postgres_query", sql, mark).await
    };
    the_database_is_told(engine, slow, watch).await;
}

#[tokio::test]
async fn mariadb_shows_it_beside_the_statement() {
    let Some(engine) = Engine::mariadb().await else {
        return;
    };
    let slow = |mark: &str| json!({"sql": format!("select '{mark}', sleep(50)")});
    let watch = async |stage: &Stage, mark: &str| {
        let sql =
            "select info from information_schema.processlist where id <> connection_id() and info like ?";
        of_sql(stage, "mariadb_query", sql, mark).await
    };
    the_database_is_told(engine, slow, watch).await;
}

#[tokio::test]
async fn neo4j_shows_it_beside_the_transaction() {
    let (Some(engine), Some(neo4j)) = (Engine::neo4j().await, Neo4j::shared().await) else {
        return;
    };
    let slow = |mark: &str| json!({"cypher": format!("unwind range(1, 10000000000) as n with n where n < 0 return count(n), '{mark}'")});
    let url = format!("{}/db/neo4j/query/v2", neo4j.http_url());
    let watch = async |_: &Stage, mark: &str| {
        let question = json!({
            "statement": "SHOW TRANSACTIONS YIELD currentQuery, metaData WHERE currentQuery CONTAINS $mark RETURN metaData",
            "parameters": {"mark": mark},
        });
        let answer = post(&url, (neo4j.user(), neo4j.password()), &question)
            .await
            .expect("an answer");
        // The question has no mark in its own text.
        answer["data"]["values"]
            .as_array()
            .expect("rows")
            .first()
            .map(|row| row[0].to_string())
    };
    the_database_is_told(engine, slow, watch).await;
}

/// What the one column of the one row of a question for the mark is.
async fn of_sql(stage: &Stage, tool: &str, sql: &str, mark: &str) -> Option<String> {
    let question = json!({"sql": sql, "params": [format!("%{mark}%")]});
    let reply = stage.night().post(tool, question).await;
    Some(
        reply["result"]["structuredContent"]["rows"][0][0]
            .as_str()?
            .to_owned(),
    )
}

async fn the_database_is_told(engine: Engine, slow: Slow, watch: impl Watch) {
    let (call, rpc, tool) = (engine.call(), engine.rpc, engine.tool);
    let Some(mut stage) = Stage::new(vec![engine]).await else {
        return;
    };
    let run = async |stage: &Stage, mark: &str| {
        let url = stage.cluster.replica_url(0, "");
        let mut stream = Sse::open(&url, &url, "night").await;
        let caller = Caller::new();
        let id = stream.begin(tool, slow(mark), &Named::meta(caller)).await;
        let seen = eventually(SOON, async || watch(stage, mark).await).await;
        stream.notify(&cancelled(id)).await;
        (caller, seen)
    };

    let mark = format!("{PLANTED} {tool} told");
    let (caller, seen) = run(&stage, &mark).await;
    let begin = format!("00-{}-", caller.trace_id());
    let (_, rest) = seen
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {begin} in {seen}"));
    assert_eq!(&rest[16..19], "-01", "{seen}");
    let trace = stage.trace(&caller.trace_id(), &[&call, rpc, rpc]).await;
    let span = trace.spans.iter().find(|span| span.id == rest[..16]);
    let span = span.unwrap_or_else(|| panic!("no span {} in\n{trace}", &rest[..16]));
    assert_eq!(span.kind, Kind::Client, "{span}");
    assert!(span.attributes.contains_key("db.system.name"), "{span}");

    // Switched off, the trace has the same spans, and the database knows nothing of them.
    stage.adapters[0].set("MCP_HUB_TRACE_DATABASE", "false");
    stage.adapters[0].terminate().await;
    stage.adapters[0].restart().await;
    stage
        .cluster
        .lists(tool, &[("Authorization", &super::stage::bearer("night"))])
        .await;
    let mark = format!("{PLANTED} {tool} untold");
    let (caller, seen) = run(&stage, &mark).await;
    assert!(
        !seen.contains(&caller.trace_id()) && !seen.contains("traceparent"),
        "{seen}"
    );
    let trace = stage.trace(&caller.trace_id(), &[&call, rpc, rpc]).await;
    assert!(
        trace
            .spans
            .iter()
            .any(|span| span.attributes.contains_key("db.system.name")),
        "{trace}"
    );
    stage.nothing_is_told_of(&[]).await;
}
