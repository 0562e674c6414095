//! The contract's rules: `buf lint` and `buf breaking`.
//!
//! The baseline is an image of the last released contract, committed. It moves only by `cargo xtask proto-baseline`,
//! so that a break is somebody's decision and shows in a review.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use crate::process::show;
use crate::provide::Node;
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

const BASELINE: &str = "released.binpb";

/// Runs both checks.
pub(crate) fn check(root: &Path, node: &Node, report: &mut Report) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for arguments in [&["lint"][..], &["breaking", "--against", BASELINE]] {
        let passed = show(buf(root, node).args(arguments))?;
        if !passed {
            report.failure(format!("buf {}", arguments[0]));
        }
        counts += Counts::one(passed);
    }
    Ok(counts)
}

/// `cargo xtask proto-baseline`.
pub(crate) fn move_baseline() -> anyhow::Result<bool> {
    let workspace = Workspace::read()?;
    let node = Node::provide(&workspace, false)?;
    // Comments may change freely; without them the image changes only with the contract.
    let mut command = buf(&workspace.root, &node);
    command.args(["build", "--exclude-source-info", "--output", BASELINE]);
    ensure!(show(&mut command)?, "buf build failed");
    println!("proto/{BASELINE} is the contract as it is now");
    Ok(true)
}

fn buf(root: &Path, node: &Node) -> Command {
    let mut command = node.script("@bufbuild/buf/bin/buf");
    command.current_dir(root.join("proto"));
    command
}
