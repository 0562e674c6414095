//! What every mcp-hub process stands on.
//!
//! [`run`] (or [`Program::run`]) is the only door into a process: it installs the TLS provider, reads the settings, starts the log, the runtime and the
//! signal handler, runs the process's own `main`, and drains. An adapter then hands its services and its [`status`] to
//! [`grpc::AdapterServer`].
//!
//! The rest is what adapters share, so that all answer alike: [`fault`] (errors), [`answer`] (capped tables of results),
//! [`cursor`] (paging), [`arguments`] (limits), [`confirmation`] (destructive writes), [`server`] and [`tls`] (the way to a server),
//! [`slots`] (the connections of a pool), [`stream`] (all rows, for other services), [`progress`] (calls that tell how far they are),
//! [`resource`], [`prompt`] and [`completion`] (what people choose from, beside the tools that a model calls).
//! [`listens`], [`healthcheck`] and [`doctor`] are what every program can be asked beside serving.
//! [`trace`] (spans) and [`metrics`] are made here; [`telemetry`] sends them, and writes the log.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};

pub mod adapter;
pub mod answer;
pub mod arguments;
pub mod completion;
pub mod config;
pub mod confirmation;
pub mod cursor;
pub mod doctor;
pub mod fault;
pub mod grpc;
pub mod healthcheck;
pub mod lifecycle;
pub mod listens;
pub mod metrics;
pub mod progress;
pub mod prompt;
pub mod resource;
pub mod server;
pub mod slots;
pub mod status;
pub mod stream;
pub mod telemetry;
pub mod tls;
pub mod trace;

pub use fault::Fault;
pub use lifecycle::{Interrupted, Lifecycle};

/// What `main` may fail with; only its chain of messages counts.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The exit code for settings that can't be used: `EX_USAGE` of sysexits.h.
const WRONG_SETTINGS: u8 = 64;

/// Where help lists the settings that every process has.
pub(crate) const HEADING: &str = "Log and process";

/// The settings that every process has, around its own.
#[derive(clap::Parser, Debug)]
#[command(version, about = None, long_about = None)]
// A group has the name of its struct, and the process's own settings are called `Options` too.
#[group(skip)]
struct Options<O: clap::Args> {
    /// A TOML file with settings, named like the command-line options without the dashes in front.
    #[arg(long, env = "MCP_HUB_CONFIG", value_name = "FILE", global = true, help_heading = HEADING)]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: telemetry::Log,
    #[command(flatten)]
    trace: trace::Options,
    #[command(flatten)]
    metrics: metrics::Options,
    /// How long calls in flight may take to finish when the process is told to stop, in seconds.
    #[arg(
        long,
        env = "MCP_HUB_SHUTDOWN_GRACE",
        value_name = "SECONDS",
        global = true,
        help_heading = HEADING,
        default_value_t = 25.0
    )]
    shutdown_grace: f64,
    #[command(flatten)]
    own: O,
}

/// What `run` gives to a process's own `main` beside its settings.
#[derive(Clone, Debug)]
pub struct Process {
    /// Signals, tracked tasks, drain.
    pub lifecycle: Lifecycle,
    /// The settings file, for those who read tables of it themselves.
    pub config: Option<PathBuf>,
    /// How the log looks: a machine that reads it wants no text for people beside it.
    pub log_format: telemetry::Format,
    metrics: metrics::Options,
}

impl Process {
    /// Serves `/metrics` where the settings say so. For what serves others: a command that asks the process beside it a question would
    /// find its port taken.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub async fn serve_metrics(&self) -> Result<(), BoxError> {
        let served = metrics::serve(&self.metrics, &self.lifecycle).await;
        served.map_err(|error| format!("can't serve metrics: {error}").into())
    }
}

/// What the command line, the environment and a file come to.
struct Parsed<O: clap::Args> {
    options: Options<O>,
    /// The file that some of it comes from.
    config: Option<PathBuf>,
    /// What the process is called in traces and metrics.
    service: String,
    /// Whether a short question about the process that serves is all that is asked: what came of it is told to who asked, and to no
    /// collector, which would take it for the process itself.
    is_question: bool,
}

/// Runs a process from its first line to its exit code: [`Program`] with nothing special.
pub fn run<O, F, Fut>(name: &'static str, main: F) -> ExitCode
where
    O: clap::Args,
    F: FnOnce(O, Process) -> Fut,
    Fut: Future<Output = Result<(), BoxError>>,
{
    Program::new(name).run(main)
}

/// A process before it runs.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    defaults: Vec<(&'static str, String)>,
    find_config: fn(&clap::ArgMatches) -> Option<PathBuf>,
    other_commands: Vec<clap::Command>,
    rename: Option<(&'static str, String)>,
    key: Option<&'static str>,
}

impl Program {
    /// A process of this name.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            defaults: vec![],
            find_config: |_| None,
            other_commands: vec![],
            rename: None,
            key: None,
        }
    }

    /// Another default of a setting, by the name of its field.
    #[must_use]
    pub fn default_of(mut self, setting: &'static str, value: impl Into<String>) -> Self {
        self.defaults.push((setting, value.into()));
        self
    }

    /// Where the settings file is when none is named. It gets what the command line says so far.
    #[must_use]
    pub fn find_config(mut self, find: fn(&clap::ArgMatches) -> Option<PathBuf>) -> Self {
        self.find_config = find;
        self
    }

    /// Variables that begin with `to` count in the place of those that begin with `from`.
    #[must_use]
    pub(crate) fn rename_variables(mut self, from: &'static str, to: String) -> Self {
        self.rename = Some((from, to));
        self
    }

    /// In traces and metrics, which may come from several processes of this program, it is `mcp-hub-` and what this setting says.
    #[must_use]
    pub(crate) fn told_apart_by(mut self, setting: &'static str) -> Self {
        self.key = Some(setting);
        self
    }

    /// More commands whose variables `MCP_HUB_*` are no mistake in the environment of this process.
    #[must_use]
    pub fn knows(mut self, commands: impl IntoIterator<Item = clap::Command>) -> Self {
        self.other_commands.extend(commands);
        self
    }

    /// The command line, for its help and its reference.
    pub fn command<O: clap::Args>(&self) -> clap::Command {
        let mut command = command::<O>(self.name);
        for (setting, value) in self.defaults.clone() {
            command = command.mut_arg(setting, |argument| argument.required(false).default_value(value));
        }
        command
    }

    /// Runs it.
    ///
    /// In order: TLS provider, settings (`defaults < file < environment < command line`), runtime, log and telemetry, signals, `main`,
    /// drain, and the last spans and metrics, for which it waits two seconds at most, as it does on a second signal.
    /// The exit code is 0 after an orderly end, 64 for wrong settings, 130 when `main` was [`Interrupted`], 1 when it failed otherwise.
    pub fn run<O, F, Fut>(self, main: F) -> ExitCode
    where
        O: clap::Args,
        F: FnOnce(O, Process) -> Fut,
        Fut: Future<Output = Result<(), BoxError>>,
    {
        let name = self.name;
        // The one provider of the tree. An error means that it is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();

        let Parsed {
            options,
            config,
            service,
            is_question,
        } = match self.parse::<O>() {
            Ok(parsed) => parsed,
            Err(config::Error::Usage(error)) => {
                // Prints help and version to stdout, mistakes to stderr.
                let _ = error.print();
                return ExitCode::from(if error.use_stderr() { WRONG_SETTINGS } else { 0 });
            }
            Err(error) => {
                eprintln!("{name}: {}", fault::chain(&error));
                return ExitCode::from(WRONG_SETTINGS);
            }
        };
        trace::start(options.trace);

        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("{name}: can't start the runtime: {error}");
                return ExitCode::FAILURE;
            }
        };
        let find: &dyn Fn(&str) -> Option<String> = if is_question { &|_| None } else { &config::variable };
        let telemetry = telemetry::start(&service, &options.log, find, runtime.handle());
        let lifecycle = Lifecycle::new();
        let result = runtime.block_on(async {
            lifecycle.stop_on_signals({
                let telemetry = telemetry.clone();
                move || telemetry.stop()
            });
            let process = Process {
                lifecycle: lifecycle.clone(),
                config,
                log_format: options.log.log_format,
                metrics: options.metrics,
            };
            let result = main(options.own, process).await;
            lifecycle.stop();
            lifecycle
                .drain(Duration::from_secs_f64(options.shutdown_grace.max(0.0)))
                .await;
            result
        });
        telemetry.stop();
        // Blocking work (a SQLite statement, a name look-up) must not hold the exit.
        runtime.shutdown_background();
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{name}: {}", fault::chain(error.as_ref()));
                if error.is::<Interrupted>() {
                    ExitCode::from(Interrupted::EXIT_CODE)
                } else {
                    ExitCode::FAILURE
                }
            }
        }
    }

    /// What the process is called in traces and metrics.
    fn service(&self, matches: &clap::ArgMatches) -> String {
        let key = self.key.and_then(|setting| matches.get_one::<String>(setting));
        key.map_or_else(|| self.name.to_owned(), |key| format!("mcp-hub-{key}"))
    }

    fn parse<O: clap::Args>(&self) -> Result<Parsed<O>, config::Error> {
        let command = self.command::<O>();
        let path = config::file_named_on(&command, self.find_config);
        let mut file = path.as_deref().map(config::read_file).transpose()?;
        if let Some(table) = &mut file {
            // Tables belong to the parts of the process, which read them themselves.
            table.retain(|_, value| !value.is_table());
        }
        let matches = config::Sources {
            file,
            rename: self.rename.clone(),
            ..config::Sources::process()
        }
        .matches(command.clone())?;
        config::check_environment(std::iter::once(&command).chain(&self.other_commands))?;
        let options = Options::from_arg_matches(&matches).map_err(config::Error::Usage)?;
        Ok(Parsed {
            options,
            config: path,
            service: self.service(&matches),
            is_question: matches
                .subcommand_name()
                .is_some_and(|name| matches!(name, listens::COMMAND | healthcheck::COMMAND)),
        })
    }
}

/// The command line of a process, for its help and its reference.
pub fn command<O: clap::Args>(name: &'static str) -> clap::Command {
    Options::<O>::command().name(name).bin_name(name)
}
