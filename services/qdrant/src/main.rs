//! `mcp-hub-qdrant`: the adapter as a process of its own.

fn main() -> std::process::ExitCode {
    mcp_hub_chassis::adapter::run(
        "mcp-hub-qdrant",
        mcp_hub_qdrant::PORT,
        mcp_hub_qdrant::serve,
        mcp_hub_qdrant::examine,
    )
}
