//! Settings: `defaults < file < environment < command line`, with clap as the one description of each.
//!
//! A setting is a field of a `clap::Args` struct: its comment is the help and the documentation, `env` its variable, `long` its
//! key in a file. A file's values become the defaults of a parse, so that environment and command line win by themselves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a value is wrong; clap's own text says what.
    #[error("{0}")]
    Usage(clap::Error),
    /// The file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{} is not valid TOML: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: toml::de::Error,
    },
    /// A file names a setting that does not exist.
    #[error("unknown setting {name:?}; known are: {known}")]
    UnknownSetting {
        /// The name.
        name: String,
        /// All names, with commas.
        known: String,
    },
    /// The environment names a setting that does not exist.
    #[error("unknown environment variable {name}; did you mean {nearest}?")]
    UnknownVariable {
        /// The name.
        name: String,
        /// The known name that is most like it.
        nearest: String,
    },
}

/// A password or token. It prints as `***`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// Where the settings of one struct come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Values of a file, by the long names of the options.
    pub file: Option<toml::Table>,
    /// Whether environment variables count.
    pub environment: bool,
    /// Other first parts of variables' names: `("POSTGRES_", "ORDERS_")` reads `ORDERS_HOST` for `POSTGRES_HOST`.
    pub rename: Option<(&'static str, String)>,
    /// The command line, the program's name first.
    pub arguments: Vec<OsString>,
}

impl Sources {
    /// The process's own environment and command line.
    pub fn process() -> Self {
        Self {
            environment: true,
            arguments: std::env::args_os().collect(),
            ..Self::default()
        }
    }

    /// Only the environment.
    pub fn environment() -> Self {
        Self {
            environment: true,
            ..Self::default()
        }
    }

    /// Only a file, or a table of one.
    pub fn file(table: toml::Table) -> Self {
        Self {
            file: Some(table),
            ..Self::default()
        }
    }

    /// Reads a struct of settings.
    pub fn load<C: clap::Args>(&self) -> Result<C, Error> {
        let command = C::augment_args(Command::new("mcp-hub").disable_help_flag(true));
        let matches = self.matches(command)?;
        C::from_arg_matches(&matches).map_err(Error::Usage)
    }

    /// Parses with a given command.
    pub(crate) fn matches(&self, command: Command) -> Result<ArgMatches, Error> {
        let mut command = command;
        for (name, value) in self.file.iter().flatten() {
            command = with_default(command, name, value)?;
        }
        if !self.environment {
            command = command.mut_args(|argument| argument.env(None::<&'static str>));
        } else if let Some((from, to)) = &self.rename {
            command = command.mut_args(|argument| {
                let renamed = argument.get_env().and_then(|name| {
                    name.to_str()?
                        .strip_prefix(from)
                        .map(|rest| format!("{to}{rest}"))
                });
                match renamed {
                    Some(name) => argument.env(name),
                    None => argument,
                }
            });
        }
        let arguments = if self.arguments.is_empty() {
            vec!["mcp-hub".into()]
        } else {
            self.arguments.clone()
        };
        command.try_get_matches_from(arguments).map_err(Error::Usage)
    }
}

/// A variable of the process's environment that is no setting of ours: the standard ones of telemetry.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads it; docs/tracing.md lists what is read"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a TOML file.
pub fn read_file(path: &Path) -> Result<toml::Table, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    text.parse().map_err(|source| Error::Malformed {
        path: path.to_owned(),
        source,
    })
}

/// The settings file that the command line or the environment names, else the one that `find` finds.
pub(crate) fn file_named_on(command: &Command, find: fn(&ArgMatches) -> Option<PathBuf>) -> Option<PathBuf> {
    // Mistakes are told by the parse that counts.
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(std::env::args_os())
        .ok()?;
    matches
        .get_one::<PathBuf>("config")
        .cloned()
        .or_else(|| find(&matches))
}

/// Makes a file's value the default of the option of that name, of the command and of its subcommands.
fn with_default(command: Command, name: &str, value: &toml::Value) -> Result<Command, Error> {
    let long = name.replace('_', "-");
    if !options(&command).contains(&long.as_str()) {
        return Err(Error::UnknownSetting {
            name: name.to_owned(),
            known: options(&command).join(", "),
        });
    }
    let values: Vec<String> = match value {
        toml::Value::Array(items) => items.iter().map(plain).collect(),
        value => vec![plain(value)],
    };
    Ok(put_default(command, &long, &values))
}

fn put_default(command: Command, long: &str, values: &[String]) -> Command {
    let command = command.mut_args(|argument| {
        if argument.get_long() == Some(long) {
            argument.default_values(values.to_vec())
        } else {
            argument
        }
    });
    command.mut_subcommands(|subcommand| put_default(subcommand, long, values))
}

/// The long names of a command's options and its subcommands', each once.
fn options(command: &Command) -> Vec<&str> {
    let mut names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    for name in command.get_subcommands().flat_map(options) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether the environment sets one of the command's variables, with `to` in the place of their first part `from`.
pub(crate) fn is_set(command: &Command, from: &str, to: &str) -> bool {
    reference(command).into_iter().any(|setting| {
        let variable = setting.variable.unwrap_or_default();
        let renamed = variable.strip_prefix(from).map(|rest| format!("{to}{rest}"));
        renamed.is_some_and(|renamed| std::env::vars_os().any(|(name, _)| name == *renamed))
    })
}

/// Refuses variables `MCP_HUB_*` that no setting of the commands has: a misspelt switch must not be silent.
pub fn check_environment<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Result<(), Error> {
    check_names(
        commands,
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()),
    )
}

fn check_names<'a>(
    commands: impl IntoIterator<Item = &'a Command>,
    names: impl Iterator<Item = String>,
) -> Result<(), Error> {
    let known: Vec<String> = commands
        .into_iter()
        .flat_map(reference)
        .filter_map(|entry| entry.variable)
        .collect();
    for name in names.filter(|name| name.starts_with("MCP_HUB_") && !name.starts_with("MCP_HUB_TEST_")) {
        if !known.contains(&name) {
            let nearest = known
                .iter()
                .min_by_key(|known| distance(known, &name))
                .cloned()
                .unwrap_or_default();
            return Err(Error::UnknownVariable { name, nearest });
        }
    }
    Ok(())
}

/// How many characters differ, insertions and deletions counted: the Levenshtein distance.
pub fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

/// One setting as the documentation lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option's long name, which is also its key in a file.
    pub name: String,
    /// Its environment variable.
    pub variable: Option<String>,
    /// Its default, empty when there is none.
    pub default: String,
    /// The values that it takes: names of them, or the kind of value.
    pub range: String,
    /// What it means.
    pub meaning: String,
}

/// The settings of a command and its subcommands, in their order, each once.
pub fn reference(command: &Command) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut commands = std::collections::VecDeque::from([command]);
    while let Some(command) = commands.pop_front() {
        commands.extend(command.get_subcommands());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(name) = argument.get_long() else { continue };
            if matches!(name, "help" | "version") || settings.iter().any(|setting| setting.name == name) {
                continue;
            }
            settings.push(setting(name, argument));
        }
    }
    settings
}

fn setting(name: &str, argument: &clap::Arg) -> Setting {
    let choices: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    let kind = || {
        let names = argument.get_value_names().unwrap_or_default();
        names
            .iter()
            .map(|name| name.to_lowercase())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let defaults = argument.get_default_values().iter();
    Setting {
        name: name.to_owned(),
        variable: argument.get_env().map(|name| name.to_string_lossy().into_owned()),
        default: defaults
            .map(|value| value.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(","),
        range: if choices.is_empty() {
            kind()
        } else {
            choices.join(", ")
        },
        meaning: argument
            .get_long_help()
            .or(argument.get_help())
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
