//! A facade that starts before its secrets do, as in a cluster: what its log says helps.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mcp_hub_e2e::{Process, get, request};
use mcp_hub_testing::{eventually, free_port};

const SOON: Duration = Duration::from_secs(20);

/// What Kubernetes mounts is a folder of links into another one, which is swapped as a whole.
fn mount(folder: &std::path::Path, version: &str, files: &[(&str, &str)]) {
    let data = folder.join(version);
    std::fs::create_dir(&data).expect("a folder");
    for (name, text) in files {
        std::fs::write(data.join(name), text).expect("written");
        let link = folder.join(name);
        if !link.is_symlink() {
            std::os::unix::fs::symlink(std::path::Path::new("..data").join(name), link).expect("a link");
        }
    }
    let new = folder.join("..data_tmp");
    std::os::unix::fs::symlink(version, &new).expect("a link");
    std::fs::rename(new, folder.join("..data")).expect("swapped");
}

/// Runs one of the commands that the log names, in a folder.
async fn run(program: &str, arguments: &[&str], folder: &std::path::Path) -> String {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .await
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[tokio::test]
async fn the_log_names_the_commands_that_open_a_waiting_facade() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::create_dir(&secret).expect("a folder");
    let upstreams = folder.path().join("upstreams.toml");
    std::fs::write(&upstreams, "").expect("written");
    let (port, metrics) = (free_port(), free_port());
    let facade = Process::start(
        "mcp-hub-facade",
        &[] as &[&str],
        &[
            ("MCP_HUB_AUTH", "tokens"),
            ("MCP_HUB_LISTEN", &format!("127.0.0.1:{port}")),
            ("MCP_HUB_METRICS_LISTEN", &format!("127.0.0.1:{metrics}")),
            ("MCP_HUB_LOG_FORMAT", "json"),
            ("MCP_HUB_UPSTREAMS", &upstreams.display().to_string()),
            ("MCP_HUB_WAIT_FOR_SECRETS", "true"),
            (
                "MCP_HUB_TOKENS_FILE",
                &secret.join("tokens.toml").display().to_string(),
            ),
            (
                "MCP_HUB_SESSION_KEYS_FILE",
                &secret.join("session-keys").display().to_string(),
            ),
        ],
    );
    let log = facade.printed("waiting for secrets").await;
    let line = log.lines().find(|line| line.contains("waiting for secrets"));
    let line = line.expect("a line");
    for part in [
        "can't read the tokens file",
        "can't read the session keys file",
        "`mcp-hub token new NAME --tokens-file tokens.toml`",
        "`docker compose run --rm mcp-hub token new NAME`",
        "`echo k1:$(openssl rand -base64 32) > session-keys`",
        "kubectl create secret generic mcp-hub-tokens --from-file=tokens.toml --from-literal=session-keys=k1:$(openssl rand -base64 32)",
    ] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    let url = format!("http://127.0.0.1:{port}/sse");
    let head = async |headers: &[(&str, &str)]| request("HEAD", &url, headers, "").await.expect("an answer");
    assert_eq!(get(port, "/livez").await.expect("an answer"), 200);
    assert_eq!(get(port, "/readyz").await.expect("an answer"), 503);
    assert_eq!(head(&[]).await.status, 503);

    // As the line says, but for the cluster.
    let hub = mcp_hub_e2e::program("mcp-hub").display().to_string();
    let token = ["token", "new", "alice", "--tokens-file", "tokens.toml"];
    let token = run(&hub, &token, folder.path()).await;
    let key = BASE64_STANDARD.encode([7; 32]);
    let tokens = std::fs::read_to_string(folder.path().join("tokens.toml")).expect("a file");
    let files = [
        ("tokens.toml", tokens.as_str()),
        ("session-keys", &format!("k1:{key}")),
    ];
    mount(&secret, "..2026_1", &files);
    eventually(SOON, async || match get(port, "/readyz").await {
        Ok(200) => Ok(()),
        other => Err(format!("{other:?}: {}", facade.output())),
    })
    .await;
    facade.printed("the secrets are there").await;

    // A health checker looks at the door: without a token, and with one.
    let refused = head(&[]).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header.to_lowercase().contains("www-authenticate: bearer"));
    let authorization = format!("Bearer {token}");
    for _ in 0..20 {
        let looked = head(&[("Authorization", &authorization)]).await;
        assert_eq!((looked.status, looked.body.as_str()), (200, ""));
        assert!(
            looked
                .header
                .to_lowercase()
                .contains("content-type: text/event-stream")
        );
    }
    let counted = request("GET", &format!("http://127.0.0.1:{metrics}/metrics"), &[], "").await;
    let counted = counted.expect("metrics").body;
    assert!(counted.contains("\nmcp_hub_sse_streams 0\n"), "{counted}");
    assert!(
        !counted.contains("mcp_server_session_duration_seconds_count"),
        "{counted}"
    );
}
