//! What the server is told of the trace: a comment behind the statement that moves nothing in it.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::postgres::v1::postgres_write_service_client::PostgresWriteServiceClient;
use mcp_hub_proto::postgres::v1::*;
use mcp_hub_testing::traces::{self, Caller};
use mcp_hub_testing::{PgBouncer, Postgres};

use crate::adapter::{Adapter, Server, rows};

/// A statement that shows itself as the server has it.
const ITSELF: &str = "select query from pg_stat_activity where pid = pg_backend_pid()";

fn query(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

async fn ask(adapter: &Adapter, caller: &Caller, sql: &str) -> Result<Vec<String>, Fault> {
    let response = adapter.client.clone().query(caller.request(query(sql))).await;
    let response = response.map_err(|status| Fault::from_status(&status))?;
    Ok(rows(&response.into_inner().result.expect("a result")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_the_span_of_the_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    traces::record();
    let adapter = Adapter::of(postgres.url()).await;
    // However it ends, the comment is behind it and the statement is one.
    for end in [
        "",
        ";",
        " ; ",
        " -- a comment",
        " -- a comment\r",
        " /* a /* nested */ one */",
        ";;",
        "\n",
    ] {
        let (caller, sql) = (Caller::new(), format!("{ITSELF}{end}"));
        let shown = ask(&adapter, &caller, &sql)
            .await
            .unwrap_or_else(|fault| panic!("{sql:?}: {fault:?}"));
        let span = caller.ended("SELECT pg_stat_activity").await;
        let told = format!(
            "\n;/*traceparent='00-{}-{}-01'*/",
            caller.trace_id(),
            span.span_context.span_id()
        );
        assert_eq!(
            shown,
            [serde_json::json!([format!("{sql}{told}")]).to_string()],
            "{sql:?}"
        );
    }
    let fault = ask(&adapter, &Caller::new(), "select 1 /* open")
        .await
        .expect_err("refused");
    assert_eq!(fault.reason, Reason::StatementInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_told_as_well() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    traces::record();
    let adapter = Adapter::of(postgres.url()).await;
    let caller = Caller::new();
    let request = StreamQueryRequest {
        sql: ITSELF.to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter.client.clone().stream_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    let batch = stream.message().await.expect("a batch").expect("rows");
    let shown = rows(&batch.result.expect("a result"));
    while stream.message().await.expect("the end").is_some() {}
    let span = caller.ended("SELECT pg_stat_activity").await;
    let told = format!("{}-{}", caller.trace_id(), span.span_context.span_id());
    assert!(shown[0].contains(&told), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_too() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(postgres).await else {
        return;
    };
    traces::record();
    let adapter = Adapter::of(&pooler.url()).await;
    for _ in 0..3 {
        let caller = Caller::new();
        let shown = ask(&adapter, &caller, ITSELF).await.expect("works");
        assert!(shown[0].contains(&caller.trace_id()), "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_the_statement_stay() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    traces::record();
    let adapter = Adapter::of(postgres.url()).await;
    for (sql, position) in [("select 'ä', nope", "13"), ("select 'ä' -- b\n, nope", "19")] {
        let fault = ask(&adapter, &Caller::new(), sql).await.expect_err("fails");
        assert_eq!(
            fault.metadata.get("position").map(String::as_str),
            Some(position),
            "{sql}: {fault:?}"
        );
    }
    let request = ExplainQueryRequest {
        sql: "/* ä */ select nope".to_owned(),
        ..ExplainQueryRequest::default()
    };
    let status = adapter
        .client
        .clone()
        .explain_query(Caller::new().request(request))
        .await
        .expect_err("fails");
    assert_eq!(Fault::from_status(&status).metadata["position"], "16");
    // What the guard lets through and the server misses at the end, behind which it sees more than the caller wrote.
    let adapter = Adapter::start(&format!("url = '{}'\nallow_writes = true", postgres.url())).await;
    let request = ExecuteRequest {
        statements: vec![Statement {
            sql: "drop table".to_owned(),
            params: vec![],
        }],
        dry_run: Some(true),
        ..ExecuteRequest::default()
    };
    let mut client = PostgresWriteServiceClient::new(adapter.channel.clone());
    let status = client
        .execute(Caller::new().request(request))
        .await
        .expect_err("fails");
    let fault = Fault::from_status(&status);
    assert_eq!(fault.metadata["position"], "11");
    assert_eq!(
        fault.message,
        "syntax error at end of input (nothing was changed)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_a_write_is_told_its_own_span() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    traces::record();
    Server::of(postgres.url()).create_database("told_write").await;
    let url = postgres.url_of("told_write");
    let server = Server::of(&url);
    server
        .run(&[
            "create table seen (n serial, query text)",
            "create function see() returns trigger language plpgsql as $$ begin new.query := current_query(); return new; end $$",
            "create trigger sees before insert on seen for each row execute function see()",
        ])
        .await;
    let adapter = Adapter::start(&format!("url = '{url}'\nallow_writes = true")).await;
    let statement = || Statement {
        sql: "insert into seen default values".to_owned(),
        params: vec![],
    };
    let request = ExecuteRequest {
        statements: vec![statement(), statement()],
        ..ExecuteRequest::default()
    };
    let caller = Caller::new();
    let mut client = PostgresWriteServiceClient::new(adapter.channel.clone());
    client.execute(caller.request(request)).await.expect("writes");
    let seen = server
        .value("select string_agg(query, '|' order by n) from seen")
        .await;
    caller.ended("COMMIT").await;
    let mut spans = caller.spans();
    spans.retain(|span| span.name == "INSERT seen");
    spans.sort_by_key(|span| span.start_time);
    let told: Vec<String> = spans
        .iter()
        .map(|span| {
            let id = span.span_context.span_id();
            format!(
                "insert into seen default values\n;/*traceparent='00-{}-{id}-01'*/",
                caller.trace_id()
            )
        })
        .collect();
    assert_eq!((seen, told.len()), (told.join("|"), 2));
}
