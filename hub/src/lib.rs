//! The `mcp-hub` command: every part in one program, and small clients of a running hub.
//!
//! * [`up`] and [`stdio`] are the hub: [`mod@file`] and the environment say which [`adapters`] there are, each is served on a loopback
//!   port of its own, and a facade in front of them speaks MCP, on HTTP or on stdin and stdout. [`banner`] says what came up.
//! * [`bridge`], [`tools`], [`call`], [`prompts`], [`resources`] and [`healthcheck`] are clients of a hub that runs elsewhere, through
//!   [`client`]. [`mod@trace`] is what they know of the trace of a call.
//! * [`claude`] prints what to paste, [`mod@token`] makes what a hub lets in, [`add`] writes one more adapter into a checkout,
//!   [`listens`] says what one would listen on, [`doctor`] what
//!   is wrong with the way to one and behind it, [`support_bundle`] packs what helpers need to know, [`mod@reference`]
//!   prints documentation.
//!
//! Nothing here knows SQL or MCP's server side: that is the adapters' and the facade's.

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as _, FromArgMatches, Subcommand};
use mcp_hub_chassis::{BoxError, Process, Program};

pub mod adapters;
pub mod add;
pub mod banner;
pub mod bridge;
pub mod call;
pub mod claude;
pub mod client;
pub mod doctor;
pub mod error;
pub mod file;
pub mod healthcheck;
pub mod listens;
pub mod message;
pub mod prompts;
pub mod reference;
pub mod resources;
pub mod stdio;
pub mod support_bundle;
mod text;
pub mod token;
pub mod tools;
pub mod trace;
pub mod up;

pub use error::{Error, Result};

/// Runs the command from its first line to its exit code.
pub fn run() -> ExitCode {
    program().run(|arguments: Arguments, process| main(arguments.command, process))
}

/// The command line.
fn command() -> clap::Command {
    program().command::<Arguments>()
}

fn program() -> Program {
    Program::new("mcp-hub")
        // Ctrl-C in a terminal: calls in flight get a moment, the person does not wait longer than 2 s.
        .default_of("shutdown_grace", "1.5")
        .find_config(file::find)
        .knows(reference::parts().into_iter().map(|part| part.command))
}

async fn main(command: Command, process: Process) -> Result<(), BoxError> {
    let lifecycle = process.lifecycle.clone();
    // Who serves hears of the end and finishes what is under way.
    let serves = matches!(command, Command::Up(_) | Command::Stdio(_));
    let work = obey(command, process);
    if serves {
        work.await?;
    } else {
        lifecycle.unless_stopped(work).await??;
    }
    Ok(())
}

async fn obey(command: Command, process: Process) -> Result<()> {
    match command {
        Command::Up(options) => up::run(options, process).await?,
        Command::Stdio(options) => stdio::run(options, process).await?,
        Command::Tools(options) => tools::run(options).await?,
        Command::Call(options) => call::run(options).await?,
        Command::Prompts(options) => prompts::run(options).await?,
        Command::Resources(options) => resources::run(options).await?,
        Command::ClaudeConfig(options) => claude::run(&options)?,
        Command::Add(options) => add::run(&options)?,
        Command::Token(options) => token::run(options)?,
        Command::Healthcheck(options) => healthcheck::run(options).await?,
        Command::Doctor(options) => doctor::run(options, process).await?,
        Command::SupportBundle(options) => support_bundle::run(options, process).await?,
        Command::Listens(options) => listens::run(&options, &process)?,
        Command::Reference(options) => reference::run(options, process).await?,
    }
    Ok(())
}

/// Prints what a command was asked for.
fn say(text: &str) -> Result<()> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(Error::Stdout)
}

/// Says something to the person at the terminal, beside what a command prints.
fn tell(text: &str) -> Result<()> {
    use std::io::Write as _;
    std::io::stderr()
        .write_all(text.as_bytes())
        .map_err(Error::Stderr)
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Start the hub: the facade and an adapter for every database that is configured. This is what mcp-hub does without a command.
    Up(up::Options),
    /// Speak MCP on stdin and stdout: the hub itself, or with --url a bridge to one that runs elsewhere.
    Stdio(stdio::Options),
    /// List the tools of a running hub.
    Tools(tools::Options),
    /// Call a tool of a running hub and print its answer.
    Call(call::Options),
    /// List the prompts of a running hub, or print one.
    Prompts(prompts::Options),
    /// List the resources of a running hub, or print one.
    Resources(resources::Options),
    /// Print the configuration of Claude Desktop for a running hub.
    ClaudeConfig(claude::Options),
    /// Make, list and revoke the tokens that a hub lets in.
    Token(token::Options),
    /// Write one more adapter into the checkout that a hub is deployed from: manifests, Compose, upstreams.
    Add(add::Options),
    /// Say by the exit code whether a running hub can serve calls.
    Healthcheck(healthcheck::Options),
    /// Look at each hop from a client to the databases, and say what is wrong and what to do about it.
    Doctor(doctor::Options),
    /// Pack versions, states, redacted settings, what doctor finds and the last errors of a log into one file for whoever helps.
    SupportBundle(support_bundle::Options),
    /// Print what a hub with these settings would listen on, as JSON.
    Listens(up::Options),
    /// Print a page of the documentation that is made from the code.
    #[command(hide = true)]
    Reference(reference::Options),
}

/// The command line: a command with its options, or the options of `up` alone.
#[derive(Clone, Debug)]
struct Arguments {
    command: Command,
}

impl clap::Args for Arguments {
    fn augment_args(command: clap::Command) -> clap::Command {
        Command::augment_subcommands(up::Options::augment_args(command))
            .subcommand_required(false)
            .arg_required_else_help(false)
            .about("One MCP URL over several databases")
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Arguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let command = if matches.subcommand_name().is_none() {
            Command::Up(up::Options::from_arg_matches(matches)?)
        } else {
            refuse_misplaced(matches)?;
            Command::from_arg_matches(matches)?
        };
        Ok(Self { command })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Refuses options of `up` in front of a command: they would have no effect there.
fn refuse_misplaced(matches: &ArgMatches) -> Result<(), clap::Error> {
    let own = up::Options::augment_args(clap::Command::new("up"));
    let misplaced = own
        .get_arguments()
        .map(Arg::get_id)
        .find(|id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine));
    misplaced.map_or(Ok(()), |id| {
        let name = id.as_str().replace('_', "-");
        let text = format!("--{name} must stand after the command\n");
        Err(clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
        let command = program().command::<Arguments>();
        // The reference to a variable of the person who runs the tests must not matter.
        let command = command.mut_args(|argument| argument.env(None::<&'static str>));
        let matches = command.try_get_matches_from([&["mcp-hub"], arguments].concat())?;
        Arguments::from_arg_matches(&matches).map(|arguments| arguments.command)
    }

    #[test]
    fn without_a_command_it_is_up() {
        for arguments in [&["--port", "0"][..], &["up", "--port", "0"]] {
            let Ok(Command::Up(options)) = parse(arguments) else {
                panic!("not up: {arguments:?}");
            };
            assert_eq!(options.listen.address().port(), 0);
        }
    }

    #[test]
    fn options_of_up_in_front_of_a_command_are_refused() {
        let error = parse(&["--port", "0", "tools"]).expect_err("refused");
        assert!(
            error.to_string().contains("--port must stand after the command"),
            "{error}"
        );
        // Those that every command has may stand anywhere.
        assert!(parse(&["--log-format", "json", "up"]).is_ok());
    }

    #[test]
    fn the_command_line_is_sound() {
        program().command::<Arguments>().debug_assert();
    }
}
