//! An adapter as a process of its own: the same few lines for every database.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::doctor::{self, Finding, Scope};
use crate::listens::{self, Port};
use crate::{BoxError, Lifecycle, Program, config, healthcheck};

/// The settings that every adapter has around its own.
#[derive(clap::Args, Debug)]
#[group(skip)]
struct Options<C: clap::Args> {
    /// Where to listen for gRPC.
    #[arg(long, env = "MCP_HUB_LISTEN", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The key of this service: the first part of its tools' names, and how the database sees it, `mcp-hub/KEY`.
    #[arg(long, env = "MCP_HUB_NAME", value_name = "KEY")]
    name: String,
    #[command(flatten)]
    own: C,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do beside serving, which is what it does without a command.
#[derive(clap::Subcommand, Clone, Debug)]
enum Command {
    /// Look at the way to the database from here, and say what is wrong and what to do about it.
    Doctor(doctor::Options),
    /// Say by the exit code whether the adapter that these settings start serves, whatever its database does.
    Healthcheck,
    /// Print what the adapter would listen on with these settings, as JSON.
    Listens,
}

/// Runs the program `name` (`mcp-hub-<kind>`): reads its settings, listens, on `port` of the loopback unless it is told otherwise,
/// and serves; or has `examine` look at the way to the database.
pub fn run<C, S, E>(name: &'static str, port: u16, serve: S, examine: E) -> ExitCode
where
    C: clap::Args,
    S: AsyncFnOnce(C, &str, TcpListener, Lifecycle) -> Result<(), BoxError>,
    E: AsyncFnOnce(C, &str, Scope) -> Vec<Finding>,
{
    start(program(name, port), serve, examine)
}

/// As [`run`], for a database that goes by a second name, `other`.
///
/// When the environment has none of the settings' variables, which begin with `prefix` (`MARIADB_`), but some that begin with the other
/// name (`MYSQL_`), those count in their place, and the key is the other name.
pub fn run_as_either<C, S, E>(
    name: &'static str,
    (prefix, other): (&'static str, &'static str),
    port: u16,
    serve: S,
    examine: E,
) -> ExitCode
where
    C: clap::Args,
    S: AsyncFnOnce(C, &str, TcpListener, Lifecycle) -> Result<(), BoxError>,
    E: AsyncFnOnce(C, &str, Scope) -> Vec<Finding>,
{
    let mut program = program(name, port);
    let other_prefix = format!("{}_", other.to_uppercase());
    let command = program.command::<Options<C>>();
    let is_set = |to: &str| config::is_set(&command, prefix, to);
    if !is_set(prefix) && is_set(&other_prefix) {
        program = program
            .rename_variables(prefix, other_prefix)
            .default_of("name", other);
    }
    start(program, serve, examine)
}

fn start<C, S, E>(program: Program, serve: S, examine: E) -> ExitCode
where
    C: clap::Args,
    S: AsyncFnOnce(C, &str, TcpListener, Lifecycle) -> Result<(), BoxError>,
    E: AsyncFnOnce(C, &str, Scope) -> Vec<Finding>,
{
    program.run(async |options: Options<C>, process| {
        if let Some(command) = options.command {
            let answer = async {
                match command {
                    Command::Doctor(how) => {
                        let findings = examine(options.own, &options.name, how.scope()).await;
                        doctor::tell(&findings, &how).map_err(Into::into)
                    }
                    Command::Healthcheck => healthcheck::grpc(options.listen).await.map_err(Into::into),
                    Command::Listens => {
                        listens::tell(&[(Port::Grpc, options.listen)], &process).map_err(Into::into)
                    }
                }
            };
            return process.lifecycle.unless_stopped(answer).await?;
        }
        process.serve_metrics().await?;
        let listener = TcpListener::bind(options.listen).await?;
        // Not the setting: port 0 takes any.
        tracing::info!(address = %listener.local_addr()?, "listening");
        serve(options.own, &options.name, listener, process.lifecycle).await
    })
}

/// The command line of an adapter's program, for its reference.
pub fn command<C: clap::Args>(name: &'static str, port: u16) -> clap::Command {
    program(name, port).command::<Options<C>>()
}

fn program(name: &'static str, port: u16) -> Program {
    let kind = name.rsplit('-').next().unwrap_or(name);
    Program::new(name)
        .default_of("listen", SocketAddr::from(([127, 0, 0, 1], port)).to_string())
        .default_of("name", kind)
        .told_apart_by("name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Args, Debug)]
    struct Nothing {}

    #[test]
    fn listen_and_name_have_defaults_of_the_kind() {
        let matches = command::<Nothing>("mcp-hub-double", 50_099)
            .try_get_matches_from(["mcp-hub-double"])
            .expect("defaults suffice");
        assert_eq!(
            matches.get_one::<SocketAddr>("listen"),
            Some(&SocketAddr::from(([127, 0, 0, 1], 50_099)))
        );
        assert_eq!(
            matches.get_one::<String>("name").map(String::as_str),
            Some("double")
        );
    }

    #[test]
    fn two_adapters_of_one_kind_are_two_services_in_traces() {
        let program = program("mcp-hub-double", 50_099);
        let service = |arguments: &[&str]| {
            let command = program.command::<Options<Nothing>>();
            let matches = command.try_get_matches_from(arguments).expect("valid");
            program.service(&matches)
        };
        assert_eq!(service(&["x"]), "mcp-hub-double");
        assert_eq!(service(&["x", "--name", "orders"]), "mcp-hub-orders");
    }
}
