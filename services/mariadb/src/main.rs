//! `mcp-hub-mariadb`: the adapter as a process of its own, for MySQL too.

fn main() -> std::process::ExitCode {
    mcp_hub_chassis::adapter::run_as_either(
        "mcp-hub-mariadb",
        ("MARIADB_", "mysql"),
        mcp_hub_mariadb::PORT,
        mcp_hub_mariadb::serve,
        mcp_hub_mariadb::examine,
    )
}
