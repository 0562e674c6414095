//! `cargo xtask`: the repository's own commands. A person and CI call the same ones.
#![expect(clippy::print_stdout, reason = "these commands report to people, on stdout")]

mod bench;
mod compose;
mod docs;
mod lint;
mod monitoring;
mod process;
mod proto;
mod provide;
mod report;
mod task;
mod test;
mod workspace;

fn main() -> std::process::ExitCode {
    task::main()
}
