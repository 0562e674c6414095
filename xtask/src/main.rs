//! `cargo xtask`: the repository's own commands. A person and CI call the same ones.
#![expect(clippy::print_stdout, reason = "these commands report to people, on stdout")]

mod bench;
mod compose;
mod docker;
mod docs;
mod front;
mod images;
mod kubernetes;
mod lint;
mod monitoring;
mod parity;
mod process;
mod proto;
mod provide;
mod report;
mod shell;
mod task;
mod test;
mod workspace;

fn main() -> std::process::ExitCode {
    task::main()
}
