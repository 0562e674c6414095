//! The settings that this program, the facade and the adapters would start with here, each with its source; and what of them is a secret.
//!
//! What is a secret is said by the settings themselves: by their type, and by the mark that keeps a variable's value out of the help. Of
//! a file only what is a known setting is shown, as data and not as text.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, Command};
use mcp_hub_chassis::config::{self, Secret};
use mcp_hub_chassis::server;
use serde_json::{Map, Value, json};

use super::redact::HIDDEN;
use crate::adapters::Kind;
use crate::reference;

/// What a table of the upstreams file may say.
const OF_UPSTREAMS: [&str; 16] = [
    "address",
    "allow",
    "authority",
    "ca",
    "ca_file",
    "certificate",
    "concurrency",
    "deny",
    "description",
    "key",
    "name",
    "optional",
    "server_name",
    "timeout",
    "tls",
    "tools",
];

/// What is known of the settings here.
#[derive(Default)]
pub(super) struct Known {
    /// Each setting with a value, by the program that it is of.
    pub(super) settings: Value,
    /// The files of settings.
    pub(super) files: Value,
    /// What must not be shown.
    pub(super) secrets: Vec<String>,
    /// The names of hosts.
    pub(super) hosts: Vec<String>,
}

/// Looks at the environment, the settings file and the upstreams file.
pub(super) fn known(file: Option<&Path>, upstreams: Option<&Path>) -> Known {
    let mut known = Known::default();
    let mut files = Map::new();
    let tables = file.map_or_else(toml::Table::new, |path| {
        let (table, shown) = known.settings_file(path);
        files.insert(path.display().to_string(), shown);
        table
    });
    if let Some(path) = upstreams {
        let shown = known.upstreams_file(path);
        files.insert(path.display().to_string(), shown);
    }
    let mut settings = Map::new();
    for (name, command) in programs(&tables) {
        settings.insert(name, known.program(&command, &tables));
    }
    known.settings = settings.into();
    known.files = files.into();
    known
}

/// The programs whose variables mean something here, and each database of the settings file, whose variables have its key.
fn programs(tables: &toml::Table) -> Vec<(String, Command)> {
    let own = ("mcp-hub".to_owned(), crate::command());
    let parts = reference::parts().into_iter();
    let parts = parts.map(|part| (part.command.get_name().to_owned(), part.command));
    let mysql = Kind::Mysql.program();
    let mysql = (
        "mcp-hub-mariadb for MySQL".to_owned(),
        renamed(mysql, "MARIADB_", "MYSQL_"),
    );
    let databases = tables.get("database").and_then(toml::Value::as_table);
    let databases = databases.into_iter().flatten().filter_map(|(key, table)| {
        let kind = Kind::named(table.get("kind")?.as_str()?)?;
        let prefix = format!("{}_", key.to_uppercase());
        Some((
            format!("{key} of mcp-hub.toml"),
            renamed(kind.program(), kind.prefix(), &prefix),
        ))
    });
    std::iter::once(own)
        .chain(parts)
        .chain([mysql])
        .chain(databases)
        .collect()
}

fn renamed(command: Command, from: &str, to: &str) -> Command {
    command.mut_args(|argument| {
        let variable = argument.get_env().and_then(std::ffi::OsStr::to_str);
        match variable.and_then(|name| name.strip_prefix(from)) {
            Some(rest) => {
                let name = format!("{to}{rest}");
                argument.env(name)
            }
            None => argument,
        }
    })
}

/// The arguments of a command and of its subcommands, each option once.
fn arguments(command: &Command) -> BTreeMap<String, &Arg> {
    let mut all: BTreeMap<String, &Arg> = command.get_subcommands().flat_map(arguments).collect();
    let own = command.get_arguments();
    all.extend(own.filter_map(|argument| Some((argument.get_long()?.to_owned(), argument))));
    all
}

/// Whether the value is a secret.
fn is_secret(argument: &Arg) -> bool {
    argument.is_hide_env_values_set() || argument.get_value_parser().type_id() == TypeId::of::<Secret>()
}

/// What the environment sets of these arguments, by their options. It is taken as it is, whether the program would understand it or not.
fn environment(arguments: &BTreeMap<String, &Arg>) -> BTreeMap<String, String> {
    let variables = arguments.iter().filter_map(|(long, argument)| {
        let variable = argument.get_env()?.to_owned();
        let value = Arg::new(long.clone()).long(long.clone()).env(variable);
        Some(value.value_parser(clap::value_parser!(OsString)))
    });
    let command = Command::new("environment")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(variables);
    let Ok(matches) = command.try_get_matches_from(["environment"]) else {
        return BTreeMap::new();
    };
    let set = arguments.keys().filter_map(|long| {
        let value = matches.try_get_one::<OsString>(long).ok().flatten()?;
        Some((long.clone(), value.to_string_lossy().into_owned()))
    });
    set.collect()
}

impl Known {
    /// The settings of a program that have a value.
    fn program(&mut self, command: &Command, tables: &toml::Table) -> Value {
        let arguments = arguments(command);
        let environment = environment(&arguments);
        let mut shown = Map::new();
        for (long, argument) in &arguments {
            let of_file = tables.get(&long.replace('-', "_")).or_else(|| tables.get(long));
            let (value, source) = match (environment.get(long), of_file) {
                (Some(value), _) => (value.clone(), "environment"),
                (None, Some(value)) if !value.is_table() => (plain(value), "file"),
                _ => {
                    let defaults = argument.get_default_values();
                    let Some(value) = defaults.first() else { continue };
                    (value.to_string_lossy().into_owned(), "default")
                }
            };
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            let value = self.setting(long, argument, &arguments, &value);
            shown.insert(
                long.clone(),
                json!({ "value": value, "source": source, "variable": variable }),
            );
        }
        shown.into()
    }

    /// A value as it is shown. A secret is learnt in its place, and so are the names of hosts.
    fn setting(
        &mut self,
        long: &str,
        argument: &Arg,
        arguments: &BTreeMap<String, &Arg>,
        value: &str,
    ) -> String {
        if is_secret(argument) {
            self.secret(value);
            return HIDDEN.to_owned();
        }
        let secret_of_file = long.strip_suffix("-file").and_then(|base| arguments.get(base));
        if secret_of_file.is_some_and(|base| is_secret(base)) || long.ends_with("token-file") {
            self.secret_file(Path::new(value));
        }
        if long == "session-keys-file" {
            self.keys_file(Path::new(value));
        }
        for one in value.split(',') {
            self.host(argument, one.trim());
        }
        value.to_owned()
    }

    /// Learns a secret, and what is one inside of it when it is a URL.
    fn secret(&mut self, value: &str) {
        let scheme = value.split("://").next().unwrap_or_default();
        match server::Url::parse(value, &[scheme]) {
            // Without its login it says where the database is, which is what others may know under a pseudonym.
            Ok(url) => {
                self.secrets
                    .extend(url.password.map(|password| password.expose().to_owned()));
                self.hosts.extend(url.host);
                self.secrets.push(value.trim().to_owned());
            }
            Err(_) => self.secrets.push(value.trim().to_owned()),
        }
    }

    fn secret_file(&mut self, file: &Path) {
        // One that can't be read tells nobody anything.
        if let Ok(secret) = server::read_secret(file) {
            self.secret(secret.expose());
        }
    }

    /// Learns the keys of a file of `name:key`.
    fn keys_file(&mut self, file: &Path) {
        let Ok(text) = std::fs::read_to_string(file) else {
            return;
        };
        let keys = text.lines().filter_map(|line| line.split_once(':'));
        self.secrets.extend(keys.map(|(_, key)| key.trim().to_owned()));
    }

    /// Learns the host of a setting that names one.
    fn host(&mut self, argument: &Arg, value: &str) {
        if let Ok(url) = url::Url::parse(value)
            && let Some(host) = url.host_str()
        {
            self.hosts.push(host.to_owned());
            return;
        }
        let names = argument.get_value_names().unwrap_or_default();
        let names_a_host = |name: &str| {
            ["HOST", "HOSTS", "ADDRESS"]
                .iter()
                .any(|part| name.contains(part))
        };
        if names.iter().any(|name| names_a_host(name)) {
            let host = value.rsplit_once(':').map_or(value, |(host, _)| host);
            self.hosts.push(host.to_owned());
        }
    }

    /// The settings file: what it says, and as much of it as may be shown.
    fn settings_file(&mut self, path: &Path) -> (toml::Table, Value) {
        let table = match config::read_file(path) {
            Ok(table) => table,
            Err(error) => return (toml::Table::new(), self.no_table(path, &error)),
        };
        let own = crate::command();
        let own = arguments(&own);
        let mut shown = Map::new();
        for (name, value) in &table {
            let value = match value {
                toml::Value::Table(databases) if name == "database" => {
                    let databases = databases.iter();
                    databases
                        .map(|(key, table)| (key.clone(), self.database(table)))
                        .collect::<Map<_, _>>()
                        .into()
                }
                value => self.of_file(&own, name, value),
            };
            shown.insert(name.clone(), value);
        }
        (table, shown.into())
    }

    /// One database of the settings file.
    fn database(&mut self, table: &toml::Value) -> Value {
        let kind = table
            .get("kind")
            .and_then(toml::Value::as_str)
            .and_then(Kind::named);
        let program = kind.map(Kind::program);
        let arguments = program.as_ref().map(arguments).unwrap_or_default();
        let entries = table.as_table().into_iter().flatten();
        let shown = entries.map(|(name, value)| {
            let value = if matches!(name.as_str(), "kind" | "description") {
                plain(value).into()
            } else {
                self.of_file(&arguments, name, value)
            };
            (name.clone(), value)
        });
        shown.collect::<Map<_, _>>().into()
    }

    /// A value of a file. One of no setting that is known here may be anything: a misspelt password, too.
    fn of_file(&mut self, arguments: &BTreeMap<String, &Arg>, name: &str, value: &toml::Value) -> Value {
        let long = name.replace('_', "-");
        let Some(argument) = arguments.get(&long) else {
            self.hidden(value);
            return HIDDEN.into();
        };
        match value {
            toml::Value::Array(items) => {
                let items = items.iter();
                items
                    .map(|item| Value::from(self.setting(&long, argument, arguments, &plain(item))))
                    .collect()
            }
            value => self.setting(&long, argument, arguments, &plain(value)).into(),
        }
    }

    /// Learns that all texts of a value are secrets.
    fn hidden(&mut self, value: &toml::Value) {
        match value {
            toml::Value::String(text) => self.secret(text),
            toml::Value::Array(items) => items.iter().for_each(|item| self.hidden(item)),
            toml::Value::Table(table) => table.values().for_each(|value| self.hidden(value)),
            _ => {}
        }
    }

    /// The upstreams file, as much of it as may be shown.
    fn upstreams_file(&mut self, path: &Path) -> Value {
        match config::read_file(path) {
            Ok(table) => {
                let table = table
                    .get("upstreams")
                    .and_then(toml::Value::as_table)
                    .unwrap_or(&table);
                let entries = table
                    .iter()
                    .map(|(key, value)| (key.clone(), self.upstream(value)));
                entries.collect::<Map<_, _>>().into()
            }
            Err(error) => self.no_table(path, &error),
        }
    }

    fn upstream(&mut self, value: &toml::Value) -> Value {
        match value {
            toml::Value::Table(table) => {
                let entries = table.iter().map(|(name, value)| {
                    let value = if OF_UPSTREAMS.contains(&name.as_str()) {
                        self.upstream(value)
                    } else {
                        self.hidden(value);
                        HIDDEN.into()
                    };
                    (name.clone(), value)
                });
                entries.collect::<Map<_, _>>().into()
            }
            toml::Value::Array(items) => items.iter().map(|item| self.upstream(item)).collect(),
            value => {
                let text = plain(value);
                if let Ok(url) = url::Url::parse(&text) {
                    self.hosts.extend(url.host_str().map(str::to_owned));
                    self.secrets.extend(url.password().map(str::to_owned));
                }
                text.into()
            }
        }
    }

    /// What is shown of a file that is none of TOML. Whoever tells what is wrong with it may quote a line, so that each value in it counts
    /// as a secret.
    fn no_table(&mut self, path: &Path, error: &config::Error) -> Value {
        if let Ok(text) = std::fs::read_to_string(path) {
            let values = text.lines().filter_map(|line| line.split_once('='));
            let values = values.map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned());
            self.secrets.extend(values);
        }
        let what = match error {
            config::Error::Malformed { .. } => "it is not valid TOML",
            _ => "it can't be read",
        };
        json!({ "error": what })
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
