//! What traces show of what went wrong, and how it is found by those who were not there.

use std::collections::BTreeSet;

use mcp_hub_e2e::Replica;
use mcp_hub_testing::jaeger::{Kind, Status};
use mcp_hub_testing::traces::Caller;
use mcp_hub_testing::{Jaeger, Postgres, eventually};
use serde_json::{Value, json};

use super::client::{Client, Named, Sse, own};
use super::engine::Engine;
use super::stage::{self, FACADE, PLANTED, SOON, Stage, bearer, cancelled, logged};
use super::tree::{below, errors, hides, instance, is_error, one, shows};

const CALL: &str = "tools/call postgres_query";
const RPC: &str = "mcphub.postgres.v1.PostgresService/Query";

/// Calls that fail, and whose trace is asked for.
struct Failing<'a> {
    stage: &'a Stage,
    caller: Caller,
    reply: Value,
}

impl<'a> Failing<'a> {
    /// A statement that is refused somewhere.
    async fn call(stage: &'a Stage, sql: String) -> Self {
        let caller = Caller::new();
        let client = stage.night().naming(Named::header(caller));
        let reply = client.post("postgres_query", json!({"sql": sql})).await;
        assert_eq!(reply["result"]["isError"], true, "{reply}");
        Self { stage, caller, reply }
    }

    /// Its trace has errors on these spans and on no others, beside the call's own: that of the facade and that of its attempt.
    async fn has_errors_on(&self, others: &[&str], reason: &str) -> mcp_hub_testing::jaeger::Trace {
        let mut names: Vec<&str> = others.iter().copied().chain([CALL, RPC]).collect();
        names.sort_unstable();
        let trace = self
            .stage
            .trace(&self.caller.trace_id(), &["POST /mcp", CALL, RPC, RPC])
            .await;
        assert_eq!(errors(&trace), names, "{trace}");
        let mcp = one(&trace, CALL);
        shows(
            mcp,
            [
                ("error.type", json!("tool_error")),
                ("mcp_hub.outcome", json!(reason)),
                ("mcp_hub.client.name", json!("the night shift")),
                ("enduser.id", json!("token:night")),
            ],
        );
        assert_eq!(own(&self.reply), (mcp.trace_id.clone(), mcp.id.clone()));
        shows(
            below(&trace, mcp, RPC, Kind::Client),
            [("error.type", json!(reason))],
        );
        trace
    }

    fn text(&self) -> &str {
        self.reply["result"]["content"][0]["text"]
            .as_str()
            .expect("a text")
    }
}

#[tokio::test]
async fn an_error_is_on_the_spans_that_failed_and_on_no_others() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let engine = Engine::of_postgres(&postgres);
    let Some(stage) = Stage::new(vec![engine]).await else {
        return;
    };

    // A mistake of whoever wrote the statement is none of the adapter's.
    let sql = format!("select no_such_column from traced.orders where note = '{PLANTED}'");
    let wrong = Failing::call(&stage, sql).await;
    let trace = wrong
        .has_errors_on(&["SELECT traced.orders"], "STATEMENT_INVALID")
        .await;
    let client = below(&trace, one(&trace, CALL), RPC, Kind::Client);
    let server = below(&trace, client, RPC, Kind::Server);
    for rpc in [client, server] {
        shows(
            rpc,
            [
                ("rpc.response.status_code", json!("INVALID_ARGUMENT")),
                ("error.type", json!("STATEMENT_INVALID")),
            ],
        );
    }
    assert!(!is_error(server), "{server}");
    let statement = below(&trace, server, "SELECT traced.orders", Kind::Client);
    shows(
        statement,
        [
            ("error.type", json!("STATEMENT_INVALID")),
            ("db.response.status_code", json!("42703")),
        ],
    );
    assert!(
        !wrong.text().contains("trace_id"),
        "the model mends it alone: {}",
        wrong.text()
    );

    // What is not allowed never comes to the database.
    let denied = Failing::call(
        &stage,
        format!("delete from traced.orders where note = '{PLANTED}'"),
    )
    .await;
    let trace = denied.has_errors_on(&["guard"], "WRITE_NOT_ALLOWED").await;
    shows(one(&trace, "guard"), [("error.type", json!("WRITE_NOT_ALLOWED"))]);
    let statements = trace
        .spans
        .iter()
        .filter(|span| span.attributes.contains_key("db.system.name"));
    assert_eq!(statements.count(), 0, "{trace}");

    a_cancelled_call_is_no_error(&stage).await;

    // Nobody can mend it but those who run the hub, and they want to find it.
    postgres.stop().await;
    let down = Failing::call(&stage, format!("select '{PLANTED}'")).await;
    let trace_id = down.caller.trace_id();
    assert!(
        down.text().contains(&format!("trace_id: {trace_id}")),
        "{}",
        down.text()
    );
    let trace = stage.trace(&trace_id, &["POST /mcp", CALL, RPC, RPC]).await;
    shows(
        one(&trace, CALL),
        [("mcp_hub.outcome", json!("DATABASE_UNAVAILABLE"))],
    );
    let acquired: Vec<_> = trace.named("acquire connection");
    assert!(!acquired.is_empty(), "{trace}");
    for span in acquired {
        shows(span, [("error.type", json!("DATABASE_UNAVAILABLE"))]);
    }
    assert!(!is_error(one(&trace, "POST /mcp")), "{trace}");
    stage.nothing_is_told_of(&[]).await;
}

/// What nobody wants any more has not failed: but the spans that it ended say so.
async fn a_cancelled_call_is_no_error(stage: &Stage) {
    let (owner, other) = (stage.cluster.replica_url(0, ""), stage.cluster.replica_url(1, ""));
    let mut stream = Sse::open(&owner, &other, "night").await;
    let caller = Caller::new();
    let sql = format!("select '{PLANTED} cancelled' from pg_sleep(50)");
    let id = stream
        .begin("postgres_query", json!({"sql": sql}), &Named::meta(caller))
        .await;
    running(&stage.night(), &format!("{PLANTED} cancelled")).await;
    stream.notify(&cancelled(id)).await;
    let trace = stage.trace(&caller.trace_id(), &[CALL, RPC, RPC]).await;
    let mcp = one(&trace, CALL);
    assert_eq!(mcp.status, Status::Unset, "{mcp}");
    shows(mcp, [("mcp_hub.outcome", json!("CANCELLED"))]);
    hides(mcp, &["error.type"]);
    let client = below(&trace, mcp, RPC, Kind::Client);
    let server = below(&trace, client, RPC, Kind::Server);
    for rpc in [client, server] {
        shows(rpc, [("rpc.response.status_code", json!("CANCELLED"))]);
    }
    let statement = below(&trace, server, "SELECT", Kind::Client);
    shows(statement, [("error.type", json!("CANCELLED"))]);
}

/// The databases in which a statement with this mark runs, once there is one.
async fn running(client: &Client, mark: &str) -> Vec<Value> {
    eventually(SOON, async || {
        let question = json!({
            "sql": "select datname::text from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like $1",
            "params": [format!("%{mark}%")],
        });
        let reply = client.post("postgres_query", question).await;
        match reply["result"]["structuredContent"]["rows"].as_array() {
            Some(rows) if !rows.is_empty() => Ok(rows.clone()),
            _ => Err(reply.to_string()),
        }
    })
    .await
}

/// Two adapters are one upstream; one is killed in the middle of a read, and the other answers it.
#[tokio::test]
async fn a_read_that_is_tried_again_shows_both_attempts() {
    let (Some(postgres), Some(jaeger)) = (Postgres::shared().await, Jaeger::start().await) else {
        return;
    };
    // By its database one sees which of them runs a statement.
    let databases = ["postgres", "template1"];
    let mut adapters = Vec::new();
    for database in databases {
        let mut engine = Engine::of_postgres(postgres);
        engine.environment = vec![("POSTGRES_URL", postgres.url_of(database))];
        adapters.push(stage::adapter(&jaeger, &engine, &[]).await);
    }
    let addresses: Vec<String> = adapters.iter().map(Replica::url).collect();
    let upstreams = format!("[upstreams.postgres]\naddress = {}\n", json!(addresses));
    let Some(cluster) = stage::cluster(&jaeger, upstreams, &[]).await else {
        return;
    };
    cluster
        .lists("postgres_query", &[("Authorization", &bearer("night"))])
        .await;
    for index in 0..2 {
        eventually(SOON, async || {
            let serving = cluster
                .metric(index, "mcp_hub_upstream_endpoints", "state=\"serving\"")
                .await;
            if (serving - 2.0).abs() < 0.5 {
                Ok(())
            } else {
                Err(serving)
            }
        })
        .await;
    }

    let caller = Caller::new();
    let client = Client::new(cluster.url("/mcp"), "night");
    let mark = format!("{PLANTED} again");
    let slow = json!({"sql": format!("select current_database()::text, '{mark}' from pg_sleep(3)")});
    let tracing = client.naming(Named::meta(caller));
    let call = async { tracing.post("postgres_query", slow).await };
    let killed = async {
        let database = running(&client, &mark).await[0][0].clone();
        let index = databases
            .iter()
            .position(|known| database == *known)
            .expect("one of them");
        adapters[index].kill().await;
        index
    };
    let (reply, killed) = tokio::join!(call, killed);
    let survivor = databases[1 - killed];
    assert_eq!(
        reply["result"]["structuredContent"]["rows"][0][0], survivor,
        "{reply}"
    );

    // Of the one that was killed nothing comes any more.
    let trace = stage::whole(&jaeger, &caller.trace_id(), &[CALL, RPC, RPC, RPC]).await;
    let mcp = one(&trace, CALL);
    assert!(!is_error(mcp), "it was answered: {mcp}");
    let attempts: Vec<_> = trace
        .children(mcp)
        .into_iter()
        .filter(|span| span.name == RPC)
        .collect();
    let [lost, answered] = attempts[..] else {
        panic!("two attempts:\n{trace}")
    };
    assert!(is_error(lost) && !is_error(answered), "{trace}");
    assert!(
        trace.children(lost).is_empty(),
        "who is killed tells nothing:\n{trace}"
    );
    hides(lost, &["mcp_hub.retry"]);
    shows(
        answered,
        [
            ("mcp_hub.retry", json!(1)),
            ("mcp_hub.retry.reason", json!("lost")),
            ("rpc.response.status_code", json!("OK")),
        ],
    );
    assert_ne!(lost.attributes["server.port"], answered.attributes["server.port"]);
    let server = below(&trace, answered, RPC, Kind::Server);
    assert_ne!(instance(server), instance(mcp));
    shows(
        below(&trace, server, "SELECT", Kind::Client),
        [("db.namespace", json!(survivor))],
    );
}

/// "All failed calls of this client last night" is one search; another client's, and calls that went well, are not among them.
#[tokio::test]
async fn the_failed_calls_of_one_client_are_one_search() {
    // As the page of a Jaeger with traces on disk searches: `error=true`.
    let Some(jaeger) = Jaeger::start_on_disk().await else {
        return;
    };
    let engine = Engine::sqlite();
    let arguments = engine.arguments.clone();
    let Some(stage) = Stage::with(jaeger, vec![engine], &[]).await else {
        return;
    };
    let wrong = json!({"sql": format!("select no_such_column, '{PLANTED}' from orders")});
    let denied = json!({"sql": format!("delete from orders where note = '{PLANTED}'")});
    let mut calls: Vec<(&str, &str, String)> = Vec::new();
    for (token, arguments, outcome) in [
        ("night", &arguments, "ok"),
        ("night", &wrong, "STATEMENT_INVALID"),
        ("day", &wrong, "STATEMENT_INVALID"),
        ("night", &denied, "WRITE_NOT_ALLOWED"),
        ("day", &arguments, "ok"),
        ("night", &wrong, "STATEMENT_INVALID"),
        ("night", &arguments, "ok"),
    ] {
        let reply = stage.client(token).post("sqlite_query", arguments.clone()).await;
        calls.push((token, outcome, own(&reply).0));
    }
    let of = |token: &str, is_wanted: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        let wanted = calls
            .iter()
            .filter(|(caller, outcome, _)| *caller == token && is_wanted(outcome));
        wanted.map(|(_, _, trace_id)| trace_id.clone()).collect()
    };
    let search = async |token, more: &[(&str, &str)]| -> BTreeSet<String> {
        let name = stage.client(token).name();
        let attributes = [&[("mcp_hub.client.name", &*name)], more].concat();
        stage
            .jaeger
            .search(FACADE, &attributes)
            .await
            .expect("an answer")
            .into_iter()
            .collect()
    };
    // All have arrived, so that what is not found now is not found later.
    for token in ["night", "day"] {
        let all = of(token, &|_| true);
        eventually(SOON, async || {
            let found = search(token, &[("mcp.method.name", "tools/call")]).await;
            if found == all {
                Ok(())
            } else {
                Err(format!("{found:?} of {all:?}"))
            }
        })
        .await;
    }
    let failed = |outcome: &str| outcome != "ok";
    for token in ["night", "day"] {
        assert_eq!(
            search(token, &[("error", "true")]).await,
            of(token, &failed),
            "{token}"
        );
    }
    let found = search("night", &[("mcp_hub.outcome", "WRITE_NOT_ALLOWED")]).await;
    assert_eq!(found, of("night", &|outcome| outcome == "WRITE_NOT_ALLOWED"));
    let found = search("night", &[("enduser.id", "token:day")]).await;
    assert_eq!(found, BTreeSet::new());
    stage.nothing_is_told_of(&[]).await;
}

/// What is logged of a failed call, by the facade that tells its operators of it and by the adapter in detail, names the call's trace.
#[tokio::test]
async fn what_is_logged_of_a_failure_names_its_trace() {
    let (Some(postgres), Some(jaeger)) = (Postgres::start().await, Jaeger::start().await) else {
        return;
    };
    let engine = Engine::of_postgres(&postgres);
    let log = [(
        "MCP_HUB_LOG",
        "info,rmcp=error,rmcp::service=off,mcp_hub_chassis=debug",
    )];
    let Some(stage) = Stage::with(jaeger, vec![engine], &log).await else {
        return;
    };
    postgres.stop().await;
    let client = Client::new(stage.cluster.replica_url(0, "/mcp"), "night");
    let reply = client
        .post("postgres_query", json!({"sql": format!("select '{PLANTED}'")}))
        .await;
    let (trace_id, span_id) = own(&reply);
    let facade = logged(&stage.cluster.replicas()[0], &trace_id).await;
    let [failed] = &facade[..] else {
        panic!("one line for a failure: {facade:?}")
    };
    for (name, value) in [
        ("message", "tool call failed"),
        ("tool", "postgres_query"),
        ("upstream", "postgres"),
        ("principal", "token:night"),
        ("client", "the night shift"),
        ("reason", "DATABASE_UNAVAILABLE"),
        ("trace_id", &trace_id),
        ("span_id", &span_id),
    ] {
        assert_eq!(failed[name], value, "{name} of {failed}");
    }
    let trace = stage.trace(&trace_id, &[CALL, RPC, RPC]).await;
    for line in logged(&stage.adapters[0], &trace_id).await {
        assert_eq!(line["trace_id"], trace_id.as_str(), "{line}");
        assert!(
            trace.spans.iter().any(|span| line["span_id"] == span.id.as_str()),
            "{line} of\n{trace}"
        );
    }
    stage.nothing_is_told_of(&[]).await;
}
