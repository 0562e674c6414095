//! `cargo xtask lint`: format, clippy, rustdoc, dependencies.

use crate::process::{cargo, find, show};
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

/// Runs every check, also after one failed; true when all passed.
pub(crate) fn run() -> anyhow::Result<bool> {
    let root = Workspace::read()?.root;
    let mut report = Report::default();
    let mut check = |name: &str, arguments: &[&str]| {
        report.part(name, |_| {
            // Read by `cargo doc` only.
            Ok(Counts::one(show(
                cargo(&root).args(arguments).env("RUSTDOCFLAGS", "-D warnings"),
            )?))
        })
    };
    check("format", &["fmt", "--all", "--check"]);
    check(
        "clippy",
        &[
            "clippy",
            "--keep-going",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    );
    check("rustdoc", &["doc", "--keep-going", "--workspace", "--no-deps", "--locked"]);
    if find("cargo-deny").is_some() {
        // Advisories need a database from a code host; the rest is decided by what is in the tree.
        check(
            "deny",
            &["deny", "--locked", "check", "bans", "licenses", "sources"],
        );
    } else {
        report.skip("deny: cargo-deny is not installed (cargo install cargo-deny --locked)".to_owned());
    }
    Ok(report.finish())
}
