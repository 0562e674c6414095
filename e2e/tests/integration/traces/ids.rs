//! How one comes to the trace: by what an answer says, and by the link that the command prints.

use mcp_hub_e2e::{Process, request};
use mcp_hub_testing::jaeger::Kind;
use serde_json::json;

use super::client::Client;
use super::engine::Engine;
use super::stage::{Stage, token};
use super::tree::{below, hides, is_error, one, shows};

/// `mcp-hub call --trace` makes a span of its own, and says where the trace can be looked at.
#[tokio::test]
async fn the_command_prints_a_link_that_opens() {
    let engine = Engine::sqlite();
    let (call, rpc, summary, tool) = (engine.call(), engine.rpc, engine.summary.clone(), engine.tool);
    let arguments = engine.arguments.to_string();
    let Some(stage) = Stage::new(vec![engine]).await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, token("night")).expect("a file");
    let (url, file) = (stage.cluster.url("/mcp"), file.display().to_string());
    let (endpoint, link) = (stage.jaeger.otlp_http_endpoint(), stage.jaeger.trace_url());
    let environment = [
        ("MCP_HUB_TOKEN_FILE", &*file),
        ("MCP_HUB_TRACE_URL", &link),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let command = Process::start(
        "mcp-hub",
        &["call", "--trace", "--url", &url, tool, &arguments],
        &environment,
    );
    let exit = command.ended().await;
    assert!(exit.status.success(), "{exit:?}");
    let lines: Vec<&str> = exit.output.lines().collect();
    let find = |prefix: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix(prefix));
        found
            .unwrap_or_else(|| panic!("no {prefix:?} in {}", exit.output))
            .trim()
            .to_owned()
    };
    let (trace_id, link) = (find("trace_id: "), find("trace: "));
    assert_eq!(link, format!("{}/trace/{trace_id}", stage.jaeger.ui()));
    let trace = stage.trace(&trace_id, &["POST /mcp", rpc, rpc]).await;
    let page = request("GET", &link, &[], "").await.expect("an answer");
    let data = request("GET", &link.replace("/trace/", "/api/traces/"), &[], "")
        .await
        .expect("an answer");
    assert_eq!((page.status, data.status), (200, 200));

    // The command has ended, so all that it had to tell was told.
    let [root] = trace.roots()[..] else {
        panic!("one root:\n{trace}")
    };
    assert_eq!(
        (&*root.name, root.kind, &root.parent_id),
        (&*call, Kind::Client, &None)
    );
    let mcp = below(&trace, root, &call, Kind::Server);
    let client = below(&trace, mcp, rpc, Kind::Client);
    below(
        &trace,
        below(&trace, client, rpc, Kind::Server),
        &summary,
        Kind::Client,
    );
}

/// What is refused before it is a call of anything has a trace too, and its error names it.
#[tokio::test]
async fn an_error_of_the_protocol_names_its_trace() {
    let Some(stage) = Stage::new(vec![]).await else {
        return;
    };
    let client = Client::new(stage.cluster.url("/mcp"), "night");
    let reply = client
        .post("no_such_tool", json!({"sql": "select 'Pl4nted'"}))
        .await;
    let trace_id = reply["error"]["data"]["trace_id"].as_str();
    let trace_id = trace_id.unwrap_or_else(|| panic!("an id: {reply}"));
    let trace = stage.trace(trace_id, &["POST /mcp", "tools/call"]).await;
    // Its name is the caller's word, which makes no names of spans.
    let mcp = below(&trace, one(&trace, "POST /mcp"), "tools/call", Kind::Server);
    let code = reply["error"]["code"].to_string();
    shows(
        mcp,
        [
            ("gen_ai.tool.name", json!("no_such_tool")),
            ("error.type", json!(code)),
            ("rpc.response.status_code", json!(code)),
            ("mcp_hub.client.name", json!(client.name())),
        ],
    );
    hides(mcp, &["mcp_hub.upstream"]);
    assert!(!is_error(mcp), "it is the caller's: {mcp}");
    stage.nothing_is_told_of(&[]).await;
}
