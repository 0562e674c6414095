//! `cargo xtask test`: provides what the tests need, builds once, runs the parts, and reports.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::process::{cargo, read};
use crate::provide::{Policy, Provided};
use crate::report::{Counts, Report};
use crate::workspace::{Built, TestProgram, Workspace};
use crate::{docs, proto};
use mcp_hub_programs::variable;

/// The part beside those of the packages: generated pages and the examples in comments.
const DOCS: &str = "docs";
/// The part that also runs buf.
const PROTO: &str = "proto";

/// How long one test program may take: several times what the slowest does on two cores.
const LIMIT: Duration = Duration::from_mins(8);

/// The options of `cargo xtask test`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The parts to run, all when none is given: proto, chassis, facade, hub, one per adapter (mariadb,
    /// neo4j, postgres, qdrant, sqlite), clients (real MCP clients and the conformance suite against the whole), repository (the
    /// tests' own tools), docs.
    parts: Vec<String>,
    /// Install what is missing with the system's package manager, which takes root or sudo.
    #[arg(long)]
    install: bool,
    /// What can't be had is a failure, not a skip. Always so when CI=true.
    #[arg(long)]
    require: bool,
}

/// Runs the chosen parts; true when nothing failed.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let workspace = Workspace::read()?;
    let parts = chosen(&workspace, &options.parts)?;
    let policy = Policy {
        install: options.install,
        require: options.require || variable("CI").as_deref() == Some("true"),
    };
    let mut report = Report::default();

    let needs = workspace
        .packages
        .iter()
        .filter(|package| parts.contains(&package.part))
        .flat_map(|package| package.needs.iter().cloned())
        .collect::<BTreeSet<_>>();
    let mut provided = Provided::default();
    report.part("set-up", |report| {
        let counts;
        (provided, counts) = Provided::new(&workspace, &needs, policy, report)?;
        Ok(counts)
    });

    let mut built = None;
    report.part("build", |_| {
        built = Some(workspace.build()?);
        Ok(Counts::default())
    });
    if let Some(built) = built {
        let tests = Tests {
            workspace: &workspace,
            built: &built,
            provided: &provided,
            policy,
        };
        for part in &parts {
            report.part(part, |report| tests.run(part, report));
        }
    }
    // Servers that were started end before the report, so that it is the last thing to be read.
    drop(provided);
    Ok(report.finish())
}

/// The parts by their names, or all, in the order of the workspace.
fn chosen(workspace: &Workspace, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut known: Vec<String> = Vec::new();
    for part in workspace
        .packages
        .iter()
        .map(|package| package.part.clone())
        .chain([DOCS.to_owned()])
    {
        if !known.contains(&part) {
            known.push(part);
        }
    }
    for name in names {
        ensure!(
            known.contains(name),
            "no part {name:?}; there are {}",
            known.join(", ")
        );
    }
    known.retain(|part| names.is_empty() || names.contains(part));
    Ok(known)
}

struct Tests<'a> {
    workspace: &'a Workspace,
    built: &'a Built,
    provided: &'a Provided,
    policy: Policy,
}

impl Tests<'_> {
    fn run(&self, part: &str, report: &mut Report) -> anyhow::Result<Counts> {
        let mut counts = Counts::default();
        for program in self.built.tests.iter().filter(|program| program.part == part) {
            counts += self.program(program, report)?;
        }
        if part == DOCS {
            counts += docs::check(&self.workspace.root, &self.built.programs, report)?;
            counts += self.examples()?;
        }
        if part == PROTO
            && let Some(node) = &self.provided.node
        {
            counts += proto::check(&self.workspace.root, node, report)?;
        }
        Ok(counts)
    }

    /// Runs one test program. Its output is shown when it fails.
    fn program(&self, program: &TestProgram, report: &mut Report) -> anyhow::Result<Counts> {
        let start = Instant::now();
        let skipped = self.workspace.target.join("test-env/skipped");
        fs::create_dir_all(self.workspace.target.join("test-env"))?;
        fs::write(&skipped, "")?;
        let mut command = Command::new(&program.path);
        command
            .current_dir(&program.folder)
            .env("CARGO_MANIFEST_DIR", &program.folder)
            .env("MCP_HUB_TEST_BIN", &self.built.programs)
            .env("MCP_HUB_TEST_SKIPPED", &skipped)
            .envs(self.provided.variables.iter().map(|(name, value)| (name, value)))
            .envs(self.policy.require.then_some(("MCP_HUB_TEST_REQUIRE", "1")));
        let (output, succeeded) = watch(&mut command)?;

        let mut counts = Counts::of_libtest(&output);
        for (test, reason) in output.lines().filter_map(|line| line.split_once(" ... ignored")) {
            report.skip(format!("{}: {test}{reason}", program.name));
        }
        for line in fs::read_to_string(&skipped)?.lines() {
            report.skip(format!("{}: {line}", program.name));
            // libtest knows no skipping while running: it counted this one as passed.
            counts.passed = counts.passed.saturating_sub(1);
            counts.skipped += 1;
        }
        if !succeeded {
            println!("{output}");
            report.failure(program.name.clone());
            // A program that broke off counted nothing.
            counts.failed = counts.failed.max(1);
        }
        let Counts {
            passed,
            failed,
            skipped,
        } = counts;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{:<40} {passed} passed, {failed} failed, {skipped} skipped, {seconds:.1} s",
            program.name
        );
        Ok(counts)
    }

    /// The examples in comments.
    fn examples(&self) -> anyhow::Result<Counts> {
        let mut command = cargo(&self.workspace.root);
        Ok(Counts::of_libtest(&read(command.args([
            "test",
            "--workspace",
            "--all-features",
            "--doc",
            "--locked",
        ]))?))
    }
}

/// Runs a program to its end and returns its output; lines that say that a test hangs are shown at once.
fn watch(command: &mut Command) -> anyhow::Result<(String, bool)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting a test program")?;
    let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));

    let end = Instant::now() + LIMIT;
    let mut output = String::new();
    loop {
        match receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if line.contains("has been running for over") {
                    println!("{line}");
                }
                output.push_str(&line);
                output.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((output, child.wait()?.success())),
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                output.push_str("killed: it did not end in time\n");
                return Ok((output, false));
            }
        }
    }
}
