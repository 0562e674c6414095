//! `mcp-hub-shop`: the adapter as a process of its own.

fn main() -> std::process::ExitCode {
    // It has no database to look at.
    mcp_hub_chassis::adapter::run(
        "mcp-hub-shop",
        mcp_hub_shop::PORT,
        mcp_hub_shop::serve,
        async |_, _, _| vec![],
    )
}
