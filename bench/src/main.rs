//! `mcp-hub-bench`: what the hub costs, measured.

fn main() -> std::process::ExitCode {
    mcp_hub_bench::main()
}
