use clap::FromArgMatches as _;

use super::*;

pub(crate) fn config(arguments: &[&str]) -> Config {
    let command = <Config as clap::Args>::augment_args(clap::Command::new("test").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments).expect("parses");
    Config::from_arg_matches(&matches).expect("parses")
}

fn target(arguments: &[&str]) -> Target {
    let config = config(arguments);
    config.check().expect("fits");
    config.target().expect("a target")
}

#[test]
fn the_port_of_rest_is_moved_to_that_of_grpc() {
    for (arguments, port, rest_port, moved) in [
        (&["--host", "h"][..], 6334, 6333, false),
        (&["--host", "h", "--port", "6333"], 6334, 6333, true),
        (&["--host", "h", "--port", "6334"], 6334, 6333, false),
        (&["--host", "h", "--port", "7000"], 7000, 7000, false),
        (
            &["--host", "h", "--port", "6333", "--grpc-port", "7001"],
            7001,
            6333,
            false,
        ),
        (&["--host", "h", "--grpc-port", "7001"], 7001, 6333, false),
        (&["--url", "http://h:6333"], 6334, 6333, true),
        (&["--url", "http://h"], 6334, 6333, false),
        (
            &["--url", "https://h:7000", "--grpc-port", "7001"],
            7001,
            7000,
            false,
        ),
    ] {
        let target = target(arguments);
        assert_eq!(
            (target.port, target.rest_port, target.moved),
            (port, rest_port, moved),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_url_says_whether_there_is_tls_and_settings_win_over_it() {
    assert!(target(&["--url", "https://h"]).tls);
    assert!(!target(&["--url", "http://[::1]:6334"]).tls);
    assert_eq!(target(&["--url", "http://[::1]:6334"]).host, "::1");
    let over = target(&["--url", "https://a:7", "--host", "b", "--port", "8"]);
    assert_eq!((over.host.as_str(), over.port, over.tls), ("b", 8, true));
}

#[test]
fn what_leaves_the_machine_is_known() {
    for (host, remote) in [
        ("localhost", false),
        ("127.0.0.5", false),
        ("::1", false),
        ("10.0.0.5", true),
        ("qdrant", true),
    ] {
        assert_eq!(target(&["--host", host]).is_remote(), remote, "{host}");
    }
}

#[test]
fn a_file_that_is_not_there_is_no_key_to_read_with_and_a_fault_to_write_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("qdrant-api-key");
    let path = absent.to_str().expect("UTF-8");
    let reads = config(&["--host", "h", "--api-key-file", path]);
    assert_eq!(reads.api_key(Role::Reader).expect("no key"), None);
    std::fs::write(&absent, "came\n").expect("written");
    let key = reads.api_key(Role::Reader).expect("read");
    assert_eq!(key.as_ref().map(Secret::expose), Some("came"));

    let writes = config(&["--host", "h", "--api-key", "k", "--write-api-key-file", "/absent"]);
    writes
        .api_key(Role::Writer)
        .expect_err("it was named for a reason");
    // What is there and is no file is not absent.
    let folder = folder.path().to_str().expect("UTF-8");
    let wrong = config(&["--host", "h", "--api-key-file", folder]);
    wrong.api_key(Role::Reader).expect_err("can't be read");
}

#[test]
fn a_key_file_is_read_each_time() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let config = config(&["--host", "h", "--api-key-file", path]);
    for key in ["one", "two"] {
        std::fs::write(file.path(), format!("{key}\n")).expect("written");
        let read = config.api_key(Role::Reader).expect("read");
        assert_eq!(read, Some(key.to_owned().into()));
    }
    std::fs::write(file.path(), "\n").expect("written");
    assert_eq!(config.api_key(Role::Reader).expect("read"), None);
}

#[test]
fn a_writer_has_a_key_of_its_own() {
    let one = config(&["--host", "h", "--api-key", "r"]);
    assert_eq!(
        one.api_key(Role::Writer).expect("read"),
        Some("r".to_owned().into())
    );
    let two = config(&["--host", "h", "--api-key", "r", "--write-api-key", "w"]);
    assert_eq!(
        two.api_key(Role::Writer).expect("read"),
        Some("w".to_owned().into())
    );
    assert_eq!(
        two.api_key(Role::Reader).expect("read"),
        Some("r".to_owned().into())
    );
}

#[test]
fn what_can_never_work_is_said_at_once() {
    for (arguments, part) in [
        (&["--url", "h:6334"][..], "http:// or https://"),
        (&["--url", "http://secret@h"], "QDRANT_API_KEY"),
        (&["--url", "http://h/path"], "no path"),
        (&["--url", "http://h", "--url-file", "/f"], "not both"),
        (
            &["--host", "h", "--api-key", "k", "--api-key-file", "/f"],
            "not both",
        ),
        (&["--host", "h", "--sslrootcert", "/ca.pem"], "https://"),
    ] {
        let message = config(arguments).check().expect_err(part).to_string();
        assert!(message.contains(part) && !message.contains("secret"), "{message}");
    }
}

#[test]
fn collections_are_allowed_and_denied_by_name() {
    let config = config(&["--allow-collections", "a,b", "--deny-collections", "b"]);
    assert!(config.may_ask("a") && !config.may_ask("b") && !config.may_ask("c"));
    assert!(config.hides_collections());
    assert!(self::config(&[]).may_ask("any") && !self::config(&[]).hides_collections());
}
