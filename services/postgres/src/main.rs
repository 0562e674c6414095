//! `mcp-hub-postgres`: the adapter as a process of its own.

fn main() -> std::process::ExitCode {
    mcp_hub_chassis::adapter::run(
        "mcp-hub-postgres",
        mcp_hub_postgres::PORT,
        mcp_hub_postgres::serve,
        mcp_hub_postgres::examine,
    )
}
