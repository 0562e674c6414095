//! What doctor says, with each fault really there.

use std::path::Path;
use std::process::Command;

use mcp_hub_sqlite::Config;
use mcp_hub_testing::doctor::{ask, scope, told};
use mcp_hub_testing::required;

use crate::harness::run;

async fn examine(path: &Path) -> Vec<String> {
    told(&mcp_hub_sqlite::examine(Config::for_file(path), "notes", scope()).await)
}

#[tokio::test]
async fn a_file_is_fine_missing_or_no_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.db");
    assert_eq!(examine(&path).await, ["host file-missing"]);
    std::fs::write(&path, "precious letters, and no database").expect("writes");
    assert_eq!(examine(&path).await, ["host not-a-database"]);
    assert_eq!(examine(folder.path()).await, ["host not-a-database"]);
    std::fs::remove_file(&path).expect("removes");
    run(&path, "create table t (a)");
    assert_eq!(examine(&path).await, ["host ok"]);
    assert_eq!(examine(Path::new("")).await, ["adapter setting-missing"]);
    assert_eq!(examine(Path::new("file:x?mode=rw")).await, ["host setting-wrong"]);
}

#[tokio::test]
async fn a_file_that_another_process_holds_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.db");
    run(&path, "create table t (a)");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("begin exclusive").expect("locks");
    assert_eq!(examine(&path).await, ["host file-locked"]);
}

/// The adapter's own doctor as a user that may not do what root may.
fn as_nobody(program: &Path, path: &Path) -> Command {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg("--path").arg(path).args(["doctor", "--json"]);
    command
}

fn permit(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("sets permissions");
}

#[test]
fn files_and_folders_that_may_not_be_used_are_told() {
    if Command::new("setpriv").arg("--version").output().is_err() {
        required("no setpriv (util-linux), by which root is nobody");
        return;
    }
    // A program that others than root may run, and a folder that they may enter.
    let folder = tempfile::tempdir().expect("a folder");
    permit(folder.path(), 0o755);
    let program = folder.path().join("mcp-hub-sqlite");
    std::fs::copy(env!("CARGO_BIN_EXE_mcp-hub-sqlite"), &program).expect("copies");
    permit(&program, 0o755);

    let path = folder.path().join("notes.db");
    run(&path, "create table t (a)");
    permit(&path, 0o600);
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        assert_eq!(ask(&mut as_nobody(&program, &path)).0, ["host file-unreadable"]);
    }
    permit(&path, 0o444);
    assert_eq!(
        ask(&mut as_nobody(&program, &path)),
        (vec!["host ok".to_owned()], true)
    );

    // Its log is gone with its last writer, and whoever reads must make one.
    run(&path, "pragma journal_mode = wal; insert into t values (1)");
    permit(&path, 0o444);
    permit(folder.path(), 0o555);
    assert_eq!(
        ask(&mut as_nobody(&program, &path)),
        (vec!["host wal-read-only".to_owned()], false)
    );
    permit(folder.path(), 0o755);
}
