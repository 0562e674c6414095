//! The command line: help, and the clients of a running hub.

use serde_json::{Value, json};

use crate::support::{Hub, run};

#[tokio::test]
async fn help_is_what_people_read() {
    let mut text = String::new();
    for arguments in [
        &["--help"][..],
        &["stdio", "--help"],
        &["tools", "--help"],
        &["call", "--help"],
        &["prompts", "--help"],
        &["resources", "--help"],
        &["claude-config", "--help"],
        &["token", "--help"],
        &["token", "new", "--help"],
        &["healthcheck", "--help"],
        &["listens", "--help"],
        &["doctor", "--help"],
        &["support-bundle", "--help"],
    ] {
        let exit = run(arguments, &[]).await;
        assert!(exit.status.success(), "{exit:?}");
        text.extend(["$ mcp-hub ", &arguments.join(" "), "\n", &exit.stdout, "\n"]);
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn mistakes_end_with_64_and_say_what_is_wrong() {
    for (arguments, environment, expected) in [
        (&["--prot", "1"][..], &[][..], "--prot"),
        (&["--port", "x"], &[], "invalid value 'x' for '--port <PORT>'"),
        (&["serve"], &[], "unrecognized subcommand 'serve'"),
        (&["token", "new", "Alice"], &[], "a name has lower-case letters"),
        (
            &["token", "new", "a", "--scope", "db:all"],
            &[],
            "possible values: db:read, db:write",
        ),
        (
            &["token", "new", "a", "--upstream", "A"],
            &[],
            "this is no key of an upstream",
        ),
        (
            &["token", "new", "a", "--expires", "soon"],
            &[],
            "neither a time from now",
        ),
        (
            &["token", "new", "a", "--expires", "2020-01-01"],
            &[],
            "this is over already",
        ),
        (&["token", "list"], &[], "--tokens-file <FILE>"),
        (
            &["--port", "0", "tools"],
            &[],
            "--port must stand after the command",
        ),
        (
            &["up"],
            &[("MCP_HUB_PROT", "1")],
            "unknown environment variable MCP_HUB_PROT; did you mean MCP_HUB_PORT?",
        ),
        (
            &["up"],
            &[("MCP_HUB_PORT", "x")],
            "invalid value 'x' for '--port <PORT>'",
        ),
    ] {
        let exit = run(arguments, environment).await;
        assert_eq!(exit.status.code(), Some(64), "{arguments:?}: {exit:?}");
        assert!(exit.stderr.contains(expected), "{arguments:?}: {}", exit.stderr);
    }
}

#[tokio::test]
async fn tools_are_listed_and_called() {
    let hub = Hub::start(&[], &[]).await;
    let url = hub.url();
    let client = async |arguments: &[&str]| run(&[arguments, &["--url", &url]].concat(), &[]).await;

    let listed = client(&["tools"]).await;
    assert!(
        listed
            .stdout
            .lines()
            .any(|line| line.starts_with("sqlite_query ")),
        "{listed:?}"
    );
    let listed = client(&["tools", "--json"]).await;
    let tools: Vec<Value> = serde_json::from_str(&listed.stdout).expect("JSON");
    assert!(
        tools
            .iter()
            .any(|tool| tool["inputSchema"]["required"] == json!(["sql"])),
        "{tools:?}"
    );

    for arguments in [
        &[
            "call",
            "sqlite_query",
            "sql=select ?1 as a",
            "params=[7]",
            "limit=1",
        ][..],
        &["call", "sqlite_query", r#"{"sql":"select 7 as a"}"#],
    ] {
        let called = client(arguments).await;
        assert!(called.status.success(), "{called:?}");
        let answer: Value = serde_json::from_str(&called.stdout).expect("JSON");
        assert_eq!(answer["rows"], json!([[7]]), "{answer}");
    }

    let failed = client(&["call", "sqlite_query", "sql=select nope"]).await;
    assert_eq!((failed.status.code(), failed.stdout.as_str()), (Some(1), ""));
    assert!(
        failed.stderr.starts_with("mcp-hub: no such column: nope\n"),
        "{failed:?}"
    );
    let unknown = client(&["call", "sqlite_qery"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(
        unknown.stderr,
        "mcp-hub: there is no tool \"sqlite_qery\"; did you mean sqlite_query?\n"
    );
}

#[tokio::test]
async fn health_is_an_exit_code() {
    let hub = Hub::start(&[], &[]).await;
    let port = hub.port.to_string();
    // In a container the same variables say where the hub listens.
    let healthy = run(
        &["healthcheck"],
        &[("MCP_HUB_LISTEN", "0.0.0.0:1"), ("MCP_HUB_PORT", &port)],
    )
    .await;
    assert!(healthy.status.success(), "{healthy:?}");
    hub.program.interrupt().await;
    hub.program.ended().await;
    let gone = run(&["healthcheck", "--port", &port], &[]).await;
    assert_eq!(gone.status.code(), Some(1));
    let reason = format!("mcp-hub: the hub: nothing listens on 127.0.0.1:{port}: ");
    assert!(gone.stderr.starts_with(&reason), "{gone:?}");
    assert_eq!(gone.stderr.lines().count(), 1, "{gone:?}");
    let url = format!("http://127.0.0.1:{port}/");
    let gone = run(&["healthcheck", "--url", &url], &[]).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(gone.stderr.contains("can't reach mcp-hub"), "{gone:?}");
}

#[tokio::test]
async fn the_configuration_of_claude_is_one_json_object() {
    let arguments = [
        "claude-config",
        "--url",
        "https://mcp.example.com/mcp",
        "--token-file",
        "token",
    ];
    let exit = run(&arguments, &[]).await;
    let configuration: Value = serde_json::from_str(&exit.stdout).expect("JSON");
    let server = &configuration["mcpServers"]["mcp-hub"];
    assert_eq!(server["command"], env!("CARGO_BIN_EXE_mcp-hub"));
    let arguments: Vec<&str> = server["args"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        arguments[..4],
        ["stdio", "--url", "https://mcp.example.com/mcp", "--token-file"]
    );
    assert!(std::path::Path::new(arguments[4]).is_absolute(), "{arguments:?}");
}

#[tokio::test]
async fn the_reference_lists_all_tools_and_settings() {
    let tools = run(&["reference", "tools"], &[]).await.stdout;
    for expected in [
        "### `list_services`",
        "### `postgres_execute`",
        "### `sqlite_query`",
        "| `sql` | string | required |",
        "### Prompt `sqlite_explore`",
        "### Prompt `postgres_explain_slow_query`",
        "| `sql` | required |",
        "| `mcphub://postgres/{schema}/{table}` |",
    ] {
        assert!(tools.contains(expected), "no {expected:?} in:\n{tools}");
    }
    let settings = run(&["reference", "configuration"], &[]).await.stdout;
    for expected in [
        "`MCP_HUB_DATA_DIR`",
        "`POSTGRES_HOST`",
        "`SQLITE_PATH`",
        "`MCP_HUB_CONFIG`",
    ] {
        assert!(settings.contains(expected), "no {expected:?} in:\n{settings}");
    }
}
