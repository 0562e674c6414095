//! `cargo xtask lint`: format, clippy, rustdoc, dependencies, scripts, images, docker-compose.yml, manifests, Caddy's files and systemd's units, what monitors
//! the hub.

use std::process::Command;

use anyhow::ensure;

use crate::process::{cargo, show};
use crate::provide::qdrant;
use crate::report::{Counts, Report};
use crate::workspace::Workspace;
use crate::{compose, front, images, kubernetes, monitoring, parity, shell};
use mcp_hub_programs::{QdrantStandIn, find};

/// Pinned: a new version may bring new rules.
const CARGO_DENY: &str = "0.20.2";

/// What there is to check.
const CHECKS: [&str; 11] = [
    "format",
    "clippy",
    "rustdoc",
    "deny",
    "shell",
    "images",
    "compose",
    "kubernetes",
    "parity",
    "front",
    "monitoring",
];

/// The options of `cargo xtask lint`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The checks to run, all when none is given.
    #[arg(value_parser = CHECKS)]
    checks: Vec<String>,
    /// Get what is not installed: cargo-deny is built below the target directory, which takes some minutes once, and Docker's
    /// plugins Compose and Buildx are unpacked from Debian's packages into the user's cache (on Ubuntu its own are installed, which takes root or sudo); the
    /// packages shellcheck, caddy, systemd and prometheus are installed, the last for its promtool, and no server is started.
    #[arg(long)]
    install: bool,
}

/// Runs every check, also after one failed; true when all passed.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let workspace = Workspace::read()?;
    let root = &workspace.root;
    let stand_in = qdrant::stand_in()?;
    let mut report = Report::default();
    let wanted = |name: &str| options.checks.is_empty() || options.checks.iter().any(|check| check == name);
    let mut check = |name: &str, commands: &mut [Command]| {
        wanted(name).then(|| {
            report.part(name, |_| {
                commands
                    .iter_mut()
                    .try_fold(Counts::default(), |mut counts, command| {
                        counts += Counts::one(show(command)?);
                        Ok(counts)
                    })
            })
        })
    };
    let ours = |arguments: &[&str]| {
        let mut command = cargo(root);
        // Read by `cargo doc` only.
        command.args(arguments).env("RUSTDOCFLAGS", "-D warnings");
        command
    };
    // The Qdrant stand-in is a workspace of its own.
    let mut format = cargo(&QdrantStandIn::sources());
    format.args(["fmt", "--check"]);
    check("format", &mut [ours(&["fmt", "--all", "--check"]), format]);
    let mut clippy = qdrant::command(&stand_in, "clippy");
    clippy.args(["--all-targets", "--", "-D", "warnings"]);
    check(
        "clippy",
        &mut [
            ours(&[
                "clippy",
                "--keep-going",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--locked",
                "--",
                "-D",
                "warnings",
            ]),
            clippy,
        ],
    );
    // With private items: the documentation is for those who work on the crates.
    check(
        "rustdoc",
        &mut [ours(&[
            "doc",
            "--keep-going",
            "--workspace",
            "--all-features",
            "--no-deps",
            "--document-private-items",
            "--locked",
        ])],
    );
    if wanted("deny") {
        report.part("deny", |report| deny(&workspace, options.install, report));
    }
    if wanted("shell") {
        report.part("shell", |report| shell::check(root, options.install, report));
    }
    if wanted("images") {
        report.part("images", |report| {
            images::check(&workspace, options.install, report)
        });
    }
    if wanted("compose") {
        report.part("compose", |report| {
            compose::check(&workspace, options.install, report)
        });
    }
    if wanted("kubernetes") {
        report.part("kubernetes", |report| {
            kubernetes::check(&workspace, options.install, report)
        });
    }
    if wanted("parity") {
        report.part("parity", |report| parity::check(&workspace, report));
    }
    if wanted("front") {
        report.part("front", |report| front::check(root, options.install, report));
    }
    if wanted("monitoring") {
        report.part("monitoring", |report| {
            monitoring::check(&workspace, options.install, report)
        });
    }
    Ok(report.finish())
}

/// What may be in the trees, by deny.toml and testing/qdrant/deny.toml.
fn deny(workspace: &Workspace, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    let tools = workspace
        .target
        .join("test-env")
        .join(format!("cargo-deny-{CARGO_DENY}"));
    let ours = tools.join("bin/cargo-deny");
    if !ours.exists() && find("cargo-deny").is_none() {
        if !install {
            report.skip("deny: no cargo-deny; repeat with --install".to_owned());
            return Ok(Counts {
                skipped: 1,
                ..Counts::default()
            });
        }
        let mut command = cargo(&workspace.root);
        command.args([
            "install",
            "--quiet",
            "--locked",
            "--version",
            CARGO_DENY,
            "cargo-deny",
            "--root",
        ]);
        ensure!(show(command.arg(&tools))?, "cargo-deny can't be built");
    }
    let program = if ours.exists() { ours } else { "cargo-deny".into() };
    let mut counts = Counts::default();
    for folder in [&workspace.root, &QdrantStandIn::sources()] {
        let mut command = Command::new(&program);
        // Advisories need a database from a code host; the rest is decided by what is in the tree.
        command
            .current_dir(folder)
            .args(["--locked", "check", "bans", "licenses", "sources"]);
        counts += Counts::one(show(&mut command)?);
    }
    Ok(counts)
}
