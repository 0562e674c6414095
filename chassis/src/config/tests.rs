//! Precedence, mistakes and secrets.

use super::*;

#[derive(clap::Args, Debug)]
struct Database {
    /// Where it is.
    #[arg(long, env = "THING_HOST", default_value = "localhost")]
    host: String,
    /// Names.
    #[arg(long, env = "MCP_HUB_NAMES", value_delimiter = ',')]
    names: Vec<String>,
    /// A switch.
    #[arg(long, env = "MCP_HUB_SWITCH", default_value_t = false, action = clap::ArgAction::Set)]
    switch: bool,
}

fn table(text: &str) -> toml::Table {
    text.parse().expect("TOML")
}

#[test]
fn a_file_gives_defaults_and_arguments_win() {
    let sources = Sources::file(table("host = 'db'\nnames = ['a', 'b']\nswitch = true"));
    let config: Database = sources.load().expect("loads");
    assert_eq!(
        (config.host.as_str(), config.names.len(), config.switch),
        ("db", 2, true)
    );
    let sources = Sources {
        arguments: vec!["x".into(), "--host".into(), "other".into()],
        ..sources
    };
    let config: Database = sources.load().expect("loads");
    assert_eq!(config.host, "other");
}

#[test]
fn a_file_gives_defaults_to_subcommands_too() {
    let sub = <Database as clap::Args>::augment_args(Command::new("sub"));
    let sources = Sources {
        arguments: vec!["x".into(), "sub".into()],
        ..Sources::file(table("host = 'db'"))
    };
    let matches = sources
        .matches(Command::new("x").subcommand(sub))
        .expect("parses");
    let (_, matches) = matches.subcommand().expect("a subcommand");
    assert_eq!(matches.get_one::<String>("host").map(String::as_str), Some("db"));
}

#[test]
fn an_unknown_setting_of_a_file_is_named() {
    let error = Sources::file(table("hots = 'db'"))
        .load::<Database>()
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        r#"unknown setting "hots"; known are: host, names, switch"#
    );
}

#[test]
fn an_unknown_variable_is_named_with_the_nearest_known() {
    let command = <Database as clap::Args>::augment_args(Command::new("x"));
    let names = |name: &str| check_names([&command], std::iter::once(name.to_owned()));
    assert!(names("MCP_HUB_NAMES").is_ok());
    assert!(names("PATH").is_ok());
    let error = names("MCP_HUB_NAME").expect_err("refused");
    assert_eq!(
        error.to_string(),
        "unknown environment variable MCP_HUB_NAME; did you mean MCP_HUB_NAMES?"
    );
}

#[test]
fn a_secret_does_not_print() {
    assert_eq!(format!("{:?}", Secret::from("hunter2".to_owned())), "***");
}
