//! What doctor says, with each fault really there.

use std::time::Duration;

use mcp_hub_chassis::doctor::Finding;
use mcp_hub_testing::doctor::{self, ask, at_login, impatient, scope, told};
use mcp_hub_testing::{Machines, Neo4j, Serves, Settings};

use crate::adapter::{Server, config};

async fn examine(settings: &str) -> Vec<Finding> {
    mcp_hub_neo4j::examine(config(settings), "graph", scope()).await
}

fn settings(neo4j: &Neo4j, uri: &str, password: &str) -> String {
    format!(
        "uri = '{uri}'\nuser = '{}'\npassword = '{password}'",
        neo4j.user()
    )
}

async fn failure(settings: &str) -> Finding {
    doctor::failure(examine(settings).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_but_that_this_edition_has_no_roles() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    for scheme in ["bolt://", "neo4j://"] {
        let uri = neo4j.url().replace("bolt://", scheme);
        let findings = examine(&settings(neo4j, &uri, neo4j.password())).await;
        assert_eq!(
            told(&findings),
            [
                "host ok",
                "port ok",
                "login ok",
                "posture excess-rights",
                "clock ok"
            ]
        );
        assert!(!format!("{findings:?}").contains(neo4j.password()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_that_fails_has_a_verdict() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let url = neo4j.url();
    let well = settings(&neo4j, url, neo4j.password());
    for (settings, verdict) in [
        (format!("uri = '{url}'\nuser = 'neo4j'"), "credential-missing"),
        (format!("{well}\ndatabase = 'nowhere'"), "database-missing"),
        (well.replace("bolt://", "bolt+s://"), "tls-missing"),
        (
            well.replace(url, neo4j.http_url()).replace("http://", "bolt://"),
            "wrong-protocol",
        ),
        (settings(&neo4j, url, "wrong"), "login-refused"),
    ] {
        assert_eq!(
            told(&[failure(&settings).await]),
            [format!("login {verdict}")],
            "{settings}"
        );
    }
    // After three wrong passwords the server takes none of this user's for five seconds, the right one neither.
    for _ in 0..2 {
        failure(&settings(&neo4j, url, "wrong")).await;
    }
    assert_eq!(told(&[failure(&well).await]), ["login login-blocked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_must_be_changed_is_told() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let users = Server::of_system(neo4j);
    users
        .run(&[
            "drop user doctor_fresh if exists",
            "create user doctor_fresh set password 'temporary' change required",
        ])
        .await;
    let fresh = format!(
        "uri = '{}'\nuser = 'doctor_fresh'\npassword = 'temporary'",
        neo4j.url()
    );
    assert_eq!(told(&[failure(&fresh).await]), ["login password-expired"]);
    users.run(&["drop user doctor_fresh"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_is_told() {
    let Some(late) = Settings::new().clock_behind(Duration::from_secs(90)) else {
        return;
    };
    let Some(neo4j) = Neo4j::start_with(&late).await else {
        return;
    };
    let findings = examine(&settings(&neo4j, neo4j.url(), neo4j.password())).await;
    doctor::finds_a_clock_behind(&findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_answers_on_the_port_is_told() {
    for (serves, verdict) in [
        (Serves::Http, "wrong-protocol"),
        (Serves::Tls, "tls-required"),
        (Serves::Greeting(b"SSH-2.0-OpenSSH_9.2\r\n"), "wrong-protocol"),
        (Serves::HangsUp, "closed"),
        (Serves::Nothing, "silent"),
    ] {
        let port = serves.start().await;
        let settings = format!("uri = 'bolt://127.0.0.1:{port}'\npassword = 'x'");
        let findings = mcp_hub_neo4j::examine(config(&settings), "graph", impatient()).await;
        assert_eq!(told(&findings), at_login(verdict), "{serves:?} {findings:?}");
    }
}

#[tokio::test]
async fn settings_that_can_not_work_are_told_before_anything_is_asked() {
    for (settings, verdict) in [
        ("", "setting-missing"),
        ("uri = 'http://h:7474'", "setting-wrong"),
        (
            "uri = 'bolt://h'\npassword_file = '/there/is/none'",
            "secret-unreadable",
        ),
        ("uri = 'bolt://h'\npassword_file = '/dev/null'", "secret-empty"),
    ] {
        let findings = examine(settings).await;
        assert_eq!(told(&findings), [format!("adapter {verdict}")], "{settings}");
    }
}

#[test]
fn a_port_that_a_firewall_swallows_is_told() {
    let Some(machines) = Machines::joined_by("br-0123456789ab") else {
        return;
    };
    machines.swallow(7687);
    let mut doctor = machines.here(env!("CARGO_BIN_EXE_mcp-hub-neo4j"));
    let uri = format!("bolt://{}", machines.address());
    let (told, well) = ask(doctor.args(["--uri", &uri, "doctor", "--json", "--timeout", "1"]));
    assert_eq!(
        told,
        ["host container-unreachable", "port timed-out", "login skipped"]
    );
    assert!(!well);
}
