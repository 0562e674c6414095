//! `mcp-hub`: one MCP URL over several databases.

fn main() -> std::process::ExitCode {
    mcp_hub::run()
}
