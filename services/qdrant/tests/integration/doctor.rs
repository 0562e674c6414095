//! What doctor says, with each fault really there.

use mcp_hub_chassis::doctor::Finding;
use mcp_hub_testing::doctor::{self, ask, at_login, impatient, scope, told};
use mcp_hub_testing::{Machines, Qdrant, QdrantOptions, Serves};

use crate::adapter::config;
use crate::tls;

async fn examine(settings: &str) -> Vec<Finding> {
    mcp_hub_qdrant::examine(config(settings), "docs", scope()).await
}

async fn failure(settings: &str) -> Finding {
    doctor::failure(examine(settings).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_but_that_the_server_asks_nobody_for_a_key() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let secured = qdrant.url().replace("http://", "https://");
    let without = failure(&format!("url = '{secured}'")).await;
    assert_eq!(told(&[without]), ["login tls-missing"]);
    let findings = examine(&format!("url = '{}'", qdrant.url())).await;
    assert_eq!(
        told(&findings),
        ["host ok", "port ok", "login ok", "posture excess-rights"]
    );
    assert!(findings[3].detail.contains("asks nobody"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_that_is_missing_or_wrong_is_told() {
    let options = QdrantOptions {
        api_key: Some("the-right-key".to_owned()),
        ..QdrantOptions::default()
    };
    let Some(qdrant) = Qdrant::start_with(&options).await else {
        return;
    };
    let url = qdrant.url();
    for (settings, verdict) in [
        (format!("url = '{url}'"), "credential-missing"),
        (format!("url = '{url}'\napi_key = 'wrong'"), "login-refused"),
        (
            format!("url = '{url}'\napi_key = 'the-right-key'\nallow_writes = true\nwrite_api_key = 'wrong'"),
            "login-refused",
        ),
    ] {
        let findings = examine(&settings).await;
        let failed: Vec<Finding> = findings.into_iter().filter(Finding::failed).collect();
        assert_eq!(told(&failed), [format!("login {verdict}")], "{settings}");
        assert!(!format!("{failed:?}").contains("the-right-key"));
    }
    let well = examine(&format!("url = '{url}'\napi_key = 'the-right-key'")).await;
    assert_eq!(told(&well)[..3], ["host ok", "port ok", "login ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_where_grpc_is_due_is_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let rest = qdrant.rest_url();
    let failure = failure(&format!("url = '{rest}'")).await;
    assert_eq!(told(std::slice::from_ref(&failure)), ["login rest-for-grpc"]);
    // Only REST is published: its port answers, and that of gRPC does not.
    let (host, port) = (qdrant.host(), qdrant.rest_port());
    let findings = examine(&format!("host = '{host}'\nport = {port}\ngrpc_port = 1")).await;
    assert_eq!(
        told(&findings),
        ["host ok", "port rest-for-grpc", "login skipped"]
    );
    assert!(findings[1].detail.contains(&port.to_string()), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_tls_is_told_apart() {
    let Some((qdrant, authority)) = tls::server("127.0.0.1").await else {
        return;
    };
    let port = qdrant.port();
    let trusted = format!("sslrootcert = '{}'", authority.path().display());
    for (url, trusted, verdict) in [
        (
            format!("https://localhost:{port}"),
            trusted.as_str(),
            "tls-wrong-name",
        ),
        (format!("https://127.0.0.1:{port}"), "", "tls-unknown-authority"),
        (format!("http://127.0.0.1:{port}"), "", "tls-required"),
    ] {
        let failure = failure(&format!("url = '{url}'\n{trusted}")).await;
        assert_eq!(told(&[failure]), [format!("login {verdict}")], "{url}");
    }
    let well = examine(&format!("url = 'https://127.0.0.1:{port}'\n{trusted}")).await;
    assert_eq!(told(&well)[..3], ["host ok", "port ok", "login ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_answers_on_the_port_is_told() {
    for (serves, scheme, verdict) in [
        (Serves::Http, "http", "wrong-protocol"),
        (
            Serves::Greeting(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "http",
            "wrong-protocol",
        ),
        (Serves::Http, "https", "wrong-protocol"),
        (Serves::HangsUp, "http", "closed"),
        (Serves::Nothing, "http", "silent"),
    ] {
        let port = serves.start().await;
        let settings = format!("url = '{scheme}://127.0.0.1:{port}'");
        let findings = mcp_hub_qdrant::examine(config(&settings), "docs", impatient()).await;
        assert_eq!(told(&findings), at_login(verdict), "{serves:?} {findings:?}");
    }
}

#[tokio::test]
async fn settings_that_can_not_work_are_told_before_anything_is_asked() {
    for (settings, verdict) in [
        ("", "setting-missing"),
        ("url = 'grpc://h'", "setting-wrong"),
        ("host = 'h'\napi_key_file = '/'", "secret-unreadable"),
        (
            "host = 'h'\nallow_writes = true\nwrite_api_key_file = '/dev/null'",
            "secret-empty",
        ),
    ] {
        let findings = examine(settings).await;
        assert_eq!(told(&findings), [format!("adapter {verdict}")], "{settings}");
    }
}

#[test]
fn a_port_that_a_firewall_swallows_is_told_and_which_one_is_dialled() {
    let Some(machines) = Machines::joined_by("br-0123456789ab") else {
        return;
    };
    machines.swallow(6334);
    machines.swallow(6333);
    let mut doctor = machines.here(env!("CARGO_BIN_EXE_mcp-hub-qdrant"));
    let address = ["--host", machines.address(), "--port", "6333"];
    let (told, well) = ask(doctor.args(address).args(["doctor", "--json", "--timeout", "1"]));
    assert_eq!(
        told,
        [
            "host container-unreachable",
            "port timed-out",
            "login skipped",
            "port rest-port-mapped"
        ]
    );
    assert!(!well);
}
