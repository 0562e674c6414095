use mcp_hub_chassis::config::Sources;

use super::*;

fn config(text: &str) -> Config {
    let table = text.parse().expect("TOML");
    Sources::file(table).load().expect("settings")
}

#[test]
fn settings_win_over_the_url() {
    let config = config("url = 'mysql://u:p@h:5/d?sslmode=require'\nuser = 'v'\nport = 6");
    let target = config.target(Role::Reader).expect("a target");
    assert_eq!((target.host.as_str(), target.port), ("h", 6));
    assert_eq!(
        (target.user.as_str(), target.password),
        ("v", Some("p".to_owned().into()))
    );
    assert_eq!(
        (target.database.as_deref(), target.sslmode),
        (Some("d"), SslMode::Require)
    );
}

#[test]
fn what_is_absent_has_the_usual_values() {
    let target = config("host = 'h'").target(Role::Writer).expect("a target");
    assert_eq!((target.user.as_str(), target.port), ("root", 3306));
    assert_eq!((target.database, target.sslmode), (None, SslMode::Prefer));
    assert!(!config("").is_configured());
}

#[test]
fn the_writer_has_a_login_of_its_own() {
    let config = config("url = 'mysql://u:p@h/d'\nwrite_user = 'w'\nwrite_password = 'q'");
    let target = config.target(Role::Writer).expect("a target");
    assert_eq!(
        (target.user.as_str(), target.password),
        ("w", Some("q".to_owned().into()))
    );
    assert_eq!(config.target(Role::Reader).expect("a target").user, "u");
}

#[test]
fn a_secret_s_file_is_read_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    let config = config(&format!("host = 'h'\npassword_file = '{}'", file.display()));
    assert!(matches!(
        config.target(Role::Reader),
        Err(Error::Unavailable { reason, .. }) if reason.contains("can't be read")
    ));
    for password in ["one", "two"] {
        std::fs::write(&file, format!("{password}\n")).expect("written");
        let target = config.target(Role::Reader).expect("a target");
        assert_eq!(target.password, Some(password.to_owned().into()));
    }
}

#[test]
fn settings_that_can_never_work_are_refused() {
    for (text, part) in [
        ("url = 'x'", "mysql://"),
        ("host = 'h'\npassword = 'a'\npassword_file = 'b'", "not both"),
        ("host = 'h'\nwrite_password = 'a'", "write-user"),
        ("host = 'h'\nsslcert = 'a'", "go together"),
    ] {
        let error = config(text).check().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn lists_say_which_databases_may_be_asked() {
    let config = config("host = 'h'\nallow_databases = ['a', 'b']\ndeny_databases = ['b']");
    for (name, may) in [
        ("a", true),
        ("b", false),
        ("c", false),
        ("INFORMATION_SCHEMA", true),
    ] {
        assert_eq!(config.may_ask(name), may, "{name}");
    }
    // Password hashes, unless the operator says so. Some servers take one letter for another.
    let usual = self::config("host = 'h'");
    assert!(usual.may_ask("shop") && !usual.may_ask("mysql") && !usual.may_ask("MySQL"));
    assert!(self::config("host = 'h'\ndeny_databases = ['']").may_ask("mysql"));
    assert!(!self::config("host = 'h'\ndeny_databases = ['bills']").may_ask("b\u{131}lls"));
}
