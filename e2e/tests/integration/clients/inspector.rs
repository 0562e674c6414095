//! The Inspector's command line, by each transport and in both eras. It has no way to ask for completions.

use mcp_hub_e2e::{Cluster, ClusterOptions, Inspection, Replica, inspect};
use mcp_hub_testing::free_port;
use serde_json::Value;

use super::stage::Stage;

/// The ways in: the arguments that choose one.
const WAYS: [(&str, &[&str]); 4] = [
    ("/sse", &["--transport", "sse"]),
    ("/mcp", &["--transport", "http"]),
    ("/mcp", &["--transport", "http", "--protocol-era", "modern"]),
    ("/mcp", &["--transport", "http", "--protocol-era", "auto"]),
];

/// What a method gives, by this way. `None` when the Inspector is not installed.
async fn ask(cluster: &Cluster, (path, way): (&str, &[&str]), line: &[&str]) -> Option<Value> {
    let url = cluster.url(path);
    let arguments = [&["--server-url", &*url], way, &["--method"], line].concat();
    let Inspection { code, output, errors } = inspect(&arguments).await?;
    assert_eq!(code, 0, "{arguments:?}: {output} {errors}");
    Some(output)
}

#[tokio::test]
async fn the_inspector() {
    let Some(stage) = Stage::new().await else { return };
    for way in WAYS {
        for (line, expected) in [
            (
                &["tools/call", "--tool-name", "test_simple_text"][..],
                "simple text response",
            ),
            (&["prompts/list"], "sqlite_explore"),
            (
                &[
                    "prompts/get",
                    "--prompt-name",
                    "test_prompt_with_arguments",
                    "--prompt-args",
                    "arg1=oolong",
                    "arg2=sencha",
                ],
                "sencha",
            ),
            (&["resources/list"], "mcphub://sqlite/tea"),
            (&["resources/templates/list"], "mcphub://sqlite/{table}"),
            (&["resources/read", "--uri", "mcphub://sqlite/tea"], "grams"),
            (
                &["resources/read", "--uri", "test://static-binary"],
                "iVBORw0KGgo",
            ),
        ] {
            let Some(output) = ask(&stage.cluster, way, line).await else {
                return;
            };
            assert!(
                output.to_string().contains(expected),
                "{way:?} {line:?}: {output}"
            );
        }
    }
}

/// The tools of every adapter, writing ones included. Nobody needs to be behind the adapters for that.
#[tokio::test]
async fn the_inspector_finds_every_schema_portable() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("any.db");
    rusqlite::Connection::open(&file)
        .expect("a file")
        .execute_batch("create table any (name text)")
        .expect("SQL");
    let file = file.display().to_string();
    let adapter = async |key, program, variable, url: &str, allow| {
        let environment = [(variable, url), (allow, "true")];
        (key, Replica::adapter(program, &[], &environment).await)
    };
    let adapters = [
        adapter(
            "mariadb",
            "mcp-hub-mariadb",
            "MARIADB_URL",
            &format!("mysql://nobody@{nobody}/shop"),
            "MARIADB_ALLOW_WRITES",
        )
        .await,
        adapter(
            "neo4j",
            "mcp-hub-neo4j",
            "NEO4J_URI",
            &format!("bolt://{nobody}"),
            "NEO4J_ALLOW_WRITES",
        )
        .await,
        adapter(
            "postgres",
            "mcp-hub-postgres",
            "POSTGRES_URL",
            &format!("postgres://nobody@{nobody}/shop"),
            "POSTGRES_ALLOW_WRITES",
        )
        .await,
        adapter(
            "qdrant",
            "mcp-hub-qdrant",
            "QDRANT_URL",
            &format!("http://{nobody}"),
            "QDRANT_ALLOW_WRITES",
        )
        .await,
        adapter(
            "sqlite",
            "mcp-hub-sqlite",
            "SQLITE_PATH",
            &file,
            "SQLITE_ALLOW_WRITES",
        )
        .await,
        ("test", Replica::adapter("mcp-hub-testkit", &[], &[]).await),
    ];
    let upstreams = adapters
        .iter()
        .map(|(key, adapter)| format!("{key} = \"{}\"\n", adapter.url()));
    let options = ClusterOptions {
        replicas: 2,
        upstreams: upstreams.collect(),
        ..ClusterOptions::default()
    };
    let Some(cluster) = Cluster::start(&options).await else {
        return;
    };
    let writes = [
        "mariadb_execute",
        "neo4j_execute",
        "postgres_execute",
        "qdrant_upsert",
        "sqlite_execute",
        "test_trigger_tool_change",
    ];
    for tool in writes {
        cluster.lists(tool, &[]).await;
    }
    for way in WAYS {
        let Some(output) = ask(&cluster, way, &["tools/list", "--strict"]).await else {
            return;
        };
        for tool in writes {
            assert!(
                output.to_string().contains(&format!("\"{tool}\"")),
                "{way:?}: {output}"
            );
        }
    }
}
