//! `mcp-hub-testkit`: the adapter as a process of its own.

fn main() -> std::process::ExitCode {
    // It has no database to look at.
    mcp_hub_chassis::adapter::run(
        "mcp-hub-testkit",
        mcp_hub_testkit::PORT,
        mcp_hub_testkit::serve,
        async |_, _, _| vec![],
    )
}
