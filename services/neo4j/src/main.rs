//! `mcp-hub-neo4j`: the adapter as a process of its own.

fn main() -> std::process::ExitCode {
    mcp_hub_chassis::adapter::run(
        "mcp-hub-neo4j",
        mcp_hub_neo4j::PORT,
        mcp_hub_neo4j::serve,
        mcp_hub_neo4j::examine,
    )
}
