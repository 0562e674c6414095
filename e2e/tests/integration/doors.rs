//! Every way in, by clients that nobody here wrote.

use mcp_hub_e2e::{Door, Inspection, Session, inspect, program};
use serde_json::{Value, json};

use crate::hub::{Hub, rows, stdio, text};

const LEGACY_VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// What every session can do, whatever the door.
async fn works(session: &mut Session) {
    assert_eq!(
        session.connection["server"]["name"], "mcp-hub",
        "{}",
        session.connection
    );
    assert!(
        session.connection["instructions"]
            .as_str()
            .is_some_and(|text| text.contains("sqlite"))
    );

    let names = session.names().await;
    for name in [
        "health_check",
        "list_services",
        "sqlite_describe_table",
        "sqlite_list_tables",
        "sqlite_query",
    ] {
        assert!(
            names.iter().any(|listed| listed == name),
            "no {name} in {names:?}"
        );
    }
    assert!(names.is_sorted(), "{names:?}");

    let arguments = json!({"sql": "select ?1 + 1 as next, 'Größe' as text, null as missing", "params": [41]});
    let result = session.call("sqlite_query", arguments).await;
    assert_eq!(rows(&result), [json!([42, "Größe", null])]);
    assert_eq!(
        result["structuredContent"]["columns"][0]["name"], "next",
        "{result}"
    );

    // What a model can repair is a result that it reads.
    let mistake = session
        .call("sqlite_query", json!({"sql": "select name from nowhere"}))
        .await;
    assert_eq!(mistake["isError"], true, "{mistake}");
    assert!(text(&mistake).contains("nowhere"), "{mistake}");
    assert!(
        mistake.get("structuredContent").is_none_or(Value::is_null),
        "{mistake}"
    );
    let misnamed = session.call("sqlite_query", json!({"query": "select 1"})).await;
    assert_eq!(misnamed["isError"], true, "{misnamed}");
    assert!(text(&misnamed).contains("sql"), "{misnamed}");

    // What no model could have seen in the list is a fault of the protocol.
    let unknown = session.call("sqlite_drop_everything", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");

    // And the session has survived all of it.
    let after = session.call("sqlite_query", json!({"sql": "select 1"})).await;
    assert_eq!(rows(&after), [json!([1])]);
}

#[tokio::test]
async fn python_sdk_over_legacy_sse() {
    let hub = Hub::sample().await;
    let Some(mut session) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    works(&mut session).await;
    session.close().await;
}

#[tokio::test]
async fn python_sdk_over_stateless_http() {
    let hub = Hub::sample().await;
    for path in ["/mcp", "/sse"] {
        let Some(mut session) = Session::python(&Door::Http(hub.url(path))).await else {
            return;
        };
        assert_eq!(session.protocol_version(), "2026-07-28");
        works(&mut session).await;
        session.close().await;
    }
}

#[tokio::test]
async fn python_sdk_over_http_with_initialize() {
    let hub = Hub::sample().await;
    for version in LEGACY_VERSIONS {
        let Some(mut session) = Session::python(&Door::HttpVersion(hub.url("/mcp"), version)).await else {
            return;
        };
        assert_eq!(
            session.protocol_version(),
            version,
            "the requested version is echoed"
        );
        works(&mut session).await;
        session.close().await;
    }
    let Some(mut session) = Session::python(&Door::HttpLegacy(hub.url("/sse"))).await else {
        return;
    };
    works(&mut session).await;
    session.close().await;
}

#[tokio::test]
async fn python_sdk_over_stdio() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut session) = Session::python(&stdio(&folder)).await else {
        return;
    };
    works(&mut session).await;
    session.close().await;
}

#[tokio::test]
async fn sdks_over_the_bridge_to_a_running_hub() {
    let hub = Hub::sample().await;
    let bridge = Door::Stdio(
        program("mcp-hub"),
        vec!["stdio".to_owned(), "--url".to_owned(), hub.url("/mcp")],
    );
    let Some(mut python) = Session::python(&bridge).await else {
        return;
    };
    works(&mut python).await;
    python.close().await;
    let Some(mut typescript) = Session::typescript(&bridge).await else {
        return;
    };
    works(&mut typescript).await;
    typescript.close().await;
}

#[tokio::test]
async fn typescript_sdk_over_legacy_sse() {
    let hub = Hub::sample().await;
    let Some(mut session) = Session::typescript(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    works(&mut session).await;
    session.close().await;
}

#[tokio::test]
async fn typescript_sdk_over_http_with_initialize() {
    let hub = Hub::sample().await;
    for path in ["/mcp", "/sse"] {
        let Some(mut session) = Session::typescript(&Door::HttpLegacy(hub.url(path))).await else {
            return;
        };
        works(&mut session).await;
        session.close().await;
    }
}

#[tokio::test]
async fn typescript_sdk_over_stdio() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut session) = Session::typescript(&stdio(&folder)).await else {
        return;
    };
    works(&mut session).await;
    session.close().await;
}

#[tokio::test]
async fn the_inspector_by_every_door() {
    let hub = Hub::sample().await;
    let (sse, mcp) = (hub.url("/sse"), hub.url("/mcp"));
    let call = [
        "--method",
        "tools/call",
        "--tool-name",
        "sqlite_query",
        "--tool-args-json",
        r#"{"sql":"select 7"}"#,
    ];
    for door in [
        &["--server-url", &*sse, "--transport", "sse"][..],
        &["--server-url", &sse, "--transport", "http"],
        &["--server-url", &mcp, "--transport", "http"],
        &[
            "--server-url",
            &mcp,
            "--transport",
            "http",
            "--protocol-era",
            "modern",
        ],
        &[
            "--server-url",
            &mcp,
            "--transport",
            "http",
            "--protocol-era",
            "auto",
        ],
    ] {
        let Some(Inspection { code, output, errors }) = inspect(&[door, &call].concat()).await else {
            return;
        };
        assert_eq!(code, 0, "{door:?}: {output} {errors}");
        assert!(output.to_string().contains("[[7]]"), "{door:?}: {output}");
    }
}
