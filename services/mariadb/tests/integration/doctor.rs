//! What doctor says, with each fault really there.

use std::time::Duration;

use mcp_hub_chassis::doctor::Finding;
use mcp_hub_testing::doctor::{self, ask, at_login, impatient, scope, told};
use mcp_hub_testing::{Machines, MariaDb, Postgres, Serves, Settings};

use crate::adapter::{Server, config};

async fn examine(settings: &str) -> Vec<Finding> {
    mcp_hub_mariadb::examine(config(settings), "shop", scope()).await
}

async fn failure(settings: &str) -> Finding {
    doctor::failure(examine(settings).await)
}

fn settings(maria: &MariaDb, user: &str, password: &str, more: &str) -> String {
    let (host, port) = (maria.address().host(), maria.port());
    format!("host = '{host}'\nport = {port}\nuser = '{user}'\npassword = '{password}'\n{more}")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_and_rights_that_are_not_needed_are_told() {
    let Some(maria) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(maria.url());
    server
        .run(&[
            "create database doctor_well",
            "create user doctor_reader@'%' identified by 'right'",
            "grant select on doctor_well.* to doctor_reader@'%'",
            "create user doctor_writer@'%' identified by 'right'",
            "grant select, insert, file on *.* to doctor_writer@'%'",
        ])
        .await;
    let findings = examine(&settings(
        maria,
        "doctor_reader",
        "right",
        "database = 'doctor_well'",
    ))
    .await;
    assert_eq!(
        told(&findings),
        ["host ok", "port ok", "login ok", "posture ok", "clock ok"]
    );
    assert!(!format!("{findings:?}").contains("right'"));
    let findings = examine(&settings(maria, "doctor_writer", "right", "")).await;
    assert!(
        told(&findings).contains(&"posture excess-rights".to_owned()),
        "{findings:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_login_that_fails_has_a_verdict() {
    let Some(maria) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(maria.url());
    server
        .run(&[
            "create user doctor_here@'%' identified by 'right'",
            "create user doctor_locked@'%' identified by 'right' account lock",
            "grant select on doctor_nowhere.* to doctor_here@'%'",
            "create user doctor_full@'%' identified by 'right' with max_connections_per_hour 1",
            "create user doctor_stale@'%' identified by 'right' password expire",
            "create user doctor_secure@'%' identified by 'right' require ssl",
        ])
        .await;
    for (user, password, more, verdict) in [
        ("doctor_here", "wrong", "", "login-refused"),
        ("doctor_nobody", "x", "", "login-refused"),
        (
            "doctor_here",
            "right",
            "database = 'doctor_nowhere'",
            "database-missing",
        ),
        ("doctor_here", "right", "database = 'mysql'", "database-denied"),
        ("doctor_here", "right", "sslmode = 'require'", "tls-missing"),
        ("doctor_locked", "right", "", "account-locked"),
        ("doctor_stale", "right", "", "password-expired"),
    ] {
        let failure = failure(&settings(maria, user, password, more)).await;
        assert_eq!(told(&[failure]), [format!("login {verdict}")], "{user} {more}");
    }
    // Its one connection of the hour is that of a doctor, too.
    let full = settings(maria, "doctor_full", "right", "");
    examine(&full).await;
    assert_eq!(told(&[failure(&full).await]), ["login connection-limit"]);
}

/// Nobody but `root` may come from 127.0.0.1, so that the server does not even ask for a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_denied_is_told() {
    let Some(maria) = MariaDb::start_with(&Settings::new()).await else {
        return;
    };
    let server = Server::of(maria.url());
    let reader = settings(&maria, "doctor_reader", "right", "");
    server
        .run(&["create user doctor_reader@'10.%' identified by 'right'"])
        .await;
    assert_eq!(told(&[failure(&reader).await]), ["login login-refused"]);
    // Without any account that fits the host, the host itself is refused.
    let only =
        "delete from mysql.global_priv where host <> '10.%' and user <> 'mariadb.sys'; flush privileges";
    server.raw(only).await.expect("takes all others out");
    assert_eq!(told(&[failure(&reader).await]), ["login host-denied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_is_told() {
    let Some(late) = Settings::new().clock_behind(Duration::from_secs(90)) else {
        return;
    };
    let Some(maria) = MariaDb::start_with(&late).await else {
        return;
    };
    let findings = examine(&settings(&maria, "root", "testpassword", "")).await;
    doctor::finds_a_clock_behind(&findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_answers_on_the_port_is_told() {
    let http = Serves::Http.start().await;
    let nothing = Serves::Nothing.start().await;
    let mut ports = vec![(http, "wrong-protocol"), (nothing, "silent")];
    let postgres = Postgres::shared().await;
    ports.extend(postgres.map(|postgres| (postgres.port(), "wrong-protocol")));
    for (port, verdict) in ports {
        let settings = format!("host = '127.0.0.1'\nport = {port}\nuser = 'x'\npassword = 'y'");
        let findings = mcp_hub_mariadb::examine(config(&settings), "shop", impatient()).await;
        assert_eq!(told(&findings), at_login(verdict), "{findings:?}");
    }
}

#[tokio::test]
async fn settings_that_can_not_work_are_told_before_anything_is_asked() {
    for (settings, verdict) in [
        ("url = 'postgres://h/d'", "setting-wrong"),
        ("password = 'a'\npassword_file = 'b'", "setting-wrong"),
        ("password_file = '/there/is/none'", "secret-unreadable"),
        ("password_file = '/dev/null'", "secret-empty"),
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
    machines.swallow(3306);
    let mut doctor = machines.here(env!("CARGO_BIN_EXE_mcp-hub-mariadb"));
    let (told, well) = ask(doctor.args(["--host", machines.address(), "doctor", "--json", "--timeout", "1"]));
    assert_eq!(
        told,
        ["host container-unreachable", "port timed-out", "login skipped"]
    );
    assert!(!well);
}
