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
    config.target(Role::Reader).expect("a target")
}

#[test]
fn schemes_say_how_to_connect() {
    for (scheme, routing, encryption) in [
        ("bolt", false, Encryption::None),
        ("bolt+s", false, Encryption::Verified),
        ("bolt+ssc", false, Encryption::Unverified),
        ("neo4j", true, Encryption::None),
        ("neo4j+s", true, Encryption::Verified),
        ("neo4j+ssc", true, Encryption::Unverified),
    ] {
        let target = target(&["--uri", &format!("{scheme}://h")]);
        assert_eq!(
            (target.routing, target.encryption),
            (routing, encryption),
            "{scheme}"
        );
        assert_eq!(target.address.to_string(), "h:7687");
    }
}

#[test]
fn settings_win_over_the_uri() {
    let uri = "neo4j://u:p@[::1]:7/d?policy=eu";
    let from_uri = target(&["--uri", uri]);
    assert_eq!(from_uri.address.to_string(), "[::1]:7");
    assert_eq!(
        (from_uri.user.as_str(), from_uri.database.as_deref()),
        ("u", Some("d"))
    );
    assert_eq!(from_uri.password, Some("p".to_owned().into()));
    assert_eq!(from_uri.context, [("policy".to_owned(), "eu".to_owned())]);
    let from_settings = target(&["--uri", uri, "--user", "v", "--password", "q", "--database", "e"]);
    assert_eq!(
        (from_settings.user.as_str(), from_settings.database.as_deref()),
        ("v", Some("e"))
    );
    assert_eq!(from_settings.password, Some("q".to_owned().into()));
    assert_eq!(target(&["--uri", "bolt://h"]).user, "neo4j");
}

#[test]
fn a_writer_has_a_login_of_its_own() {
    let arguments = ["--uri", "bolt://u:p@h", "--write-user", "w"];
    let config_without = config(&arguments);
    let writer = config_without.target(Role::Writer).expect("a target");
    assert_eq!(
        (writer.user.as_str(), writer.password),
        ("w", None),
        "the reader's password is not the writer's"
    );
    let config_with = config(&[arguments.as_slice(), &["--write-password", "x"]].concat());
    let writer = config_with.target(Role::Writer).expect("a target");
    assert_eq!(writer.password, Some("x".to_owned().into()));
    let reader = config_with.target(Role::Reader).expect("a target");
    assert_eq!(
        (reader.user.as_str(), reader.password),
        ("u", Some("p".to_owned().into()))
    );
}

#[test]
fn a_password_file_is_read_for_each_login() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let config = config(&["--uri", "bolt://h", "--password-file", path]);
    for password in ["one", "two"] {
        std::fs::write(file.path(), format!("{password}\n")).expect("written");
        let target = config.target(Role::Reader).expect("a target");
        assert_eq!(target.password, Some(password.to_owned().into()));
    }
}

#[test]
fn what_can_never_work_is_said_at_once() {
    for (arguments, part) in [
        (&["--uri", "http://h:7474"][..], "neo4j://"),
        (&["--uri", "bolt://h?policy=x"], "only neo4j://"),
        (&["--uri", "bolt://a,b"], "several hosts"),
        (&["--uri", "bolt://h", "--sslrootcert", "/ca.pem"], "+s://"),
        (&["--uri", "bolt://h", "--uri-file", "/f"], "not both"),
        (&["--password", "p", "--password-file", "/f"], "not both"),
        (&["--write-password", "p"], "NEO4J_WRITE_USER"),
    ] {
        let message = config(arguments).check().expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn secrets_are_the_password_and_the_host() {
    let target = target(&["--uri", "bolt://u:secret@db.example.com"]);
    assert_eq!(target.secrets(), ["secret", "db.example.com"]);
}
