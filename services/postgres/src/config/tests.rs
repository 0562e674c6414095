//! Which setting wins, what is usual, and how mistakes are explained.

use mcp_hub_chassis::config::Sources;

use super::*;

fn config(text: &str) -> Config {
    let table = text.parse().expect("TOML");
    Sources::file(table).load().expect("loads")
}

fn mistake(text: &str) -> String {
    let table = text.parse().expect("TOML");
    match Sources::file(table).load::<Config>() {
        Ok(config) => config.check().expect_err("refused").to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_setting_of_its_own_wins_over_the_url() {
    let config = config("url = 'postgres://u:p@h:1/d?sslmode=require'\nport = 2\npassword = 'q'");
    let target = config.target(Role::Reader).expect("target");
    assert_eq!(
        (target.host.as_str(), target.port, target.user.as_str()),
        ("h", 2, "u")
    );
    assert_eq!(target.password, Some("q".to_owned().into()));
    assert_eq!(
        (target.database.as_str(), target.sslmode),
        ("d", SslMode::Require)
    );
}

#[test]
fn the_usual_values_are_those_of_libpq() {
    let target = config("host = 'h'").target(Role::Reader).expect("target");
    assert_eq!(
        (target.port, target.user.as_str(), target.database.as_str()),
        (5432, "postgres", "postgres")
    );
    assert_eq!(target.sslmode, SslMode::Prefer);
    assert!(!config("").is_configured());
}

#[test]
fn a_writer_does_not_inherit_the_reader_s_password() {
    let config = config("host = 'h'\nuser = 'r'\npassword = 'x'\nwrite_user = 'w'");
    let target = config.target(Role::Writer).expect("target");
    assert_eq!((target.user.as_str(), target.password), ("w", None));
    assert_eq!(target.database, "r");
}

#[test]
fn mistakes_are_explained() {
    for (text, part) in [
        ("port = 'tcp://10.0.0.1:5432'", "enableServiceLinks"),
        ("port = '0'", "1 to 65535"),
        ("port = '70000'", "1 to 65535"),
        ("sslmode = 'verify'", "verify-full"),
        ("url = 'mysql://h/d'", "postgres://"),
        ("password = 'a'\npassword_file = 'b'", "not both"),
        ("sslcert = 'a'", "go together"),
        ("write_password = 'a'", "POSTGRES_WRITE_USER"),
        ("pool_size = 0", "1..=1000"),
    ] {
        let message = mistake(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn supabase_s_secrets_are_denied_unless_said_otherwise() {
    let host = "host = 'db.abc.supabase.co'";
    assert_eq!(config(host).denied_schemas(), ["vault", "auth", "pgsodium"]);
    assert!(config("host = 'h'").denied_schemas().is_empty());
    assert_eq!(
        config(&format!("{host}\ndeny_schemas = ['x']")).denied_schemas(),
        ["x"]
    );
}

#[test]
fn a_password_does_not_print() {
    let config = config("host = 'h'\npassword = 'hunter22'\nurl = 'postgres://u:hunter22@h'");
    assert!(!format!("{config:?}").contains("hunter22"));
    assert!(!format!("{:?}", config.target(Role::Reader)).contains("hunter22"));
}
