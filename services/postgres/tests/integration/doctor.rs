//! What doctor says, with each fault really there.

use std::time::Duration;

use mcp_hub_chassis::doctor::Finding;
use mcp_hub_testing::doctor::{self, ask, at_login, impatient, scope, told};
use mcp_hub_testing::{Machines, PgBouncer, Postgres, Serves};

use crate::adapter::{Server, config};
use crate::tls::Secured;

async fn examine(settings: &str) -> Vec<Finding> {
    mcp_hub_postgres::examine(config(settings), "orders", scope()).await
}

async fn failure(settings: &str) -> Finding {
    doctor::failure(examine(settings).await)
}

/// A server that lets `app` in with a password, and nobody as `stranger`.
async fn with_passwords() -> Option<(Postgres, Server)> {
    let postgres = Postgres::start().await?;
    let server = Server::of(postgres.url());
    let hba = server.value("show hba_file").await;
    let rules = "host all postgres 127.0.0.1/32 trust\nhost all app,lonely 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(&hba, rules).expect("writes pg_hba.conf");
    server
        .run(&[
            "create role app login password 'right'",
            "create role lonely login password 'right' connection limit 0",
            "create role stranger login",
        ])
        .await;
    server.value("select pg_reload_conf()").await;
    Some((postgres, server))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well() {
    let Some((postgres, _server)) = with_passwords().await else {
        return;
    };
    let address = format!("127.0.0.1:{}", postgres.port());
    let findings = examine(&format!("url = 'postgres://app:right@{address}/postgres'")).await;
    assert_eq!(
        told(&findings),
        ["host ok", "port ok", "login ok", "posture ok", "clock ok"]
    );
    assert!(findings[2].detail.starts_with("PostgreSQL "), "{findings:?}");
    assert!(
        findings[2].subject.starts_with("orders: 127.0.0.1:"),
        "{findings:?}"
    );
    let all = format!("{findings:?}");
    assert!(!all.contains("right"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_that_fails_has_a_verdict() {
    let Some((postgres, _server)) = with_passwords().await else {
        return;
    };
    let address = format!("127.0.0.1:{}", postgres.port());
    for (login, verdict) in [
        ("app:wrong@ADDRESS/postgres", "login-refused"),
        ("nobody:x@ADDRESS/postgres", "host-denied"),
        ("app@ADDRESS/postgres", "credential-missing"),
        ("stranger@ADDRESS/postgres", "host-denied"),
        ("postgres@ADDRESS/nowhere", "database-missing"),
        ("lonely:right@ADDRESS/postgres", "connection-limit"),
        ("app:right@ADDRESS/postgres?sslmode=require", "tls-missing"),
    ] {
        let login = login.replace("ADDRESS", &address);
        let failure = failure(&format!("url = 'postgres://{login}'")).await;
        assert_eq!(told(&[failure]), [format!("login {verdict}")], "{login}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_writes_is_looked_at_too() {
    let Some((postgres, _server)) = with_passwords().await else {
        return;
    };
    let settings = format!(
        "url = 'postgres://app:right@127.0.0.1:{}/postgres'\nallow_writes = true\nwrite_user = 'app'\nwrite_password = ",
        postgres.port()
    );
    let well = examine(&format!("{settings}'right'")).await;
    assert_eq!(told(&well)[2..4], ["login ok", "login ok"]);
    let wrong = examine(&format!("{settings}'wrong'")).await;
    assert_eq!(told(&wrong)[2..4], ["login ok", "login login-refused"]);
    assert!(
        wrong[3].detail.starts_with("the login that writes: "),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn settings_that_can_not_work_are_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("empty"), "\n").expect("writes");
    for (settings, verdict) in [
        ("url = 'mysql://h/d'".to_owned(), "setting-wrong"),
        (
            "url = 'postgres://h/d'\nurl_file = 'x'".to_owned(),
            "setting-wrong",
        ),
        (format!("password_file = '{}'", file("none")), "secret-unreadable"),
        (format!("password_file = '{}'", file("empty")), "secret-empty"),
    ] {
        let findings = examine(&settings).await;
        assert_eq!(told(&findings), [format!("adapter {verdict}")], "{settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_and_a_clock_that_is_behind_are_told() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    for (name, function) in [
        (
            "doctor_old",
            "pg_catalog.current_setting(text) returns text language sql stable as
             'select case $1 when ''server_version_num'' then ''110022'' when ''server_version'' then ''11.22'' else ''10s'' end'",
        ),
        (
            "doctor_behind",
            "pg_catalog.clock_timestamp() returns timestamptz language sql volatile as
             'select pg_catalog.statement_timestamp() - interval ''90 s'''",
        ),
    ] {
        server.create_database(name).await;
        let server = Server::of(&postgres.url_of(name));
        server.run(&[&format!("create or replace function {function}")]).await;
    }
    let old = failure(&format!("url = '{}'", postgres.url_of("doctor_old"))).await;
    assert_eq!(told(&[old]), ["login version-unsupported"]);
    let behind = examine(&format!("url = '{}'", postgres.url_of("doctor_behind"))).await;
    // The superuser of the tests may do everything, of which it is told as well.
    assert_eq!(
        told(&behind)[2..],
        ["login ok", "posture excess-rights", "clock clock-skew"]
    );
    doctor::finds_a_clock_behind(&behind);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_tls_is_told_apart() {
    let Some(secured) = Secured::start().await else {
        return;
    };
    let ca = "sslrootcert = 'FOLDER/ca.pem'\nsslmode = 'verify-full'";
    for (host, user, settings, verdict) in [
        ("127.0.0.1", "secure", "sslmode = 'disable'", "tls-required"),
        ("127.0.0.1", "secure", ca, "tls-wrong-name"),
        (
            "localhost",
            "secure",
            "sslmode = 'verify-full'",
            "tls-unknown-authority",
        ),
        (
            "localhost",
            "secure",
            "sslmode = 'verify-ca'\nsslrootcert = 'FOLDER/none.pem'",
            "tls-files",
        ),
        ("localhost", "certain", ca, "tls-refused"),
    ] {
        let failure = failure(&secured.settings(host, user, settings)).await;
        assert_eq!(
            told(&[failure]),
            [format!("login {verdict}")],
            "{host} {user} {settings}"
        );
    }
    let settings = secured.settings("localhost", "secure", ca);
    assert_eq!(told(&examine(&settings).await)[2], "login ok");
    secured.expire().await;
    // The server reads its files again when it gets to it.
    mcp_hub_testing::eventually(Duration::from_secs(10), async || {
        told(&examine(&settings).await)
            .last()
            .is_some_and(|last| last == "login tls-expired")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_answers_on_the_port_is_told() {
    for (serves, sslmode, verdict) in [
        (Serves::Http, "prefer", "wrong-protocol"),
        (Serves::Http, "disable", "wrong-protocol"),
        (
            Serves::Greeting(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "prefer",
            "wrong-protocol",
        ),
        (Serves::Tls, "prefer", "tls-required"),
        (Serves::Tls, "disable", "tls-required"),
        (Serves::HangsUp, "prefer", "closed"),
        (Serves::Nothing, "prefer", "silent"),
    ] {
        let port = serves.start().await;
        let url = format!("postgres://app:right@127.0.0.1:{port}/postgres?sslmode={sslmode}");
        let settings = format!("url = '{url}'");
        let findings = mcp_hub_postgres::examine(config(&settings), "orders", impatient()).await;
        assert_eq!(
            told(&findings),
            at_login(verdict),
            "{serves:?} {sslmode} {findings:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_told_and_one_that_the_settings_deny() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(postgres).await else {
        return;
    };
    let findings = examine(&format!("url = '{}'", pooler.url())).await;
    let told_of = told(&findings);
    assert!(told_of.contains(&"login ok".to_owned()), "{told_of:?}");
    assert!(told_of.contains(&"login pooler".to_owned()), "{told_of:?}");
    let failure = failure(&format!("url = '{}'\npooler = 'none'", pooler.url())).await;
    assert_eq!(told(std::slice::from_ref(&failure)), ["login pooler-denied"]);
    assert!(failure.mend().contains("POSTGRES_POOLER"), "{}", failure.mend());
}

#[test]
fn faults_of_the_network_are_told_apart() {
    let Some(machines) = Machines::joined_by("eth0") else {
        return;
    };
    machines.swallow(5432);
    machines.cut_off("198.51.100.0/24");
    machines.know("198.18.0.2 database\n");
    let doctor = |host: &str, port: &str| {
        let mut doctor = machines.here(env!("CARGO_BIN_EXE_mcp-hub-postgres"));
        // As in a pod: what the machine is on which the test runs does not matter.
        doctor.env("KUBERNETES_SERVICE_HOST", "198.18.0.3");
        ask(doctor.args([
            "--host",
            host,
            "--port",
            port,
            "doctor",
            "--json",
            "--timeout",
            "1",
        ]))
    };
    for (host, port, expected) in [
        ("database", "5432", ["host ok", "port timed-out"]),
        (machines.address(), "5432", ["host ok", "port timed-out"]),
        (machines.address(), "5433", ["host ok", "port refused"]),
        ("198.51.100.7", "5432", ["host ok", "port unreachable"]),
        (
            "db.other-network",
            "5432",
            ["host name-not-found", "port skipped"],
        ),
        ("0.0.0.0", "5432", ["host address-unusable", "port refused"]),
        (
            "127.0.0.1",
            "5432",
            ["host loopback-in-container", "port refused"],
        ),
    ] {
        let (told, well) = doctor(host, port);
        assert_eq!(told[..2], expected, "{host}:{port}");
        assert_eq!(told[2..], ["login skipped"]);
        assert!(!well, "{host}:{port}");
    }
}

#[test]
fn an_address_in_a_network_of_docker_is_told() {
    let Some(machines) = Machines::joined_by("br-0123456789ab") else {
        return;
    };
    let mut doctor = machines.here(env!("CARGO_BIN_EXE_mcp-hub-postgres"));
    let (told, _) = ask(doctor.args(["--host", machines.address(), "doctor", "--json", "--timeout", "1"]));
    // It is a container's, and there is nothing on its port.
    assert_eq!(told[..2], ["host container-unreachable", "port refused"]);
}
