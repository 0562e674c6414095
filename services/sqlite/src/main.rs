//! `mcp-hub-sqlite`: the adapter as a process of its own.

fn main() -> std::process::ExitCode {
    mcp_hub_chassis::adapter::run(
        "mcp-hub-sqlite",
        mcp_hub_sqlite::PORT,
        mcp_hub_sqlite::serve,
        mcp_hub_sqlite::examine,
    )
}
