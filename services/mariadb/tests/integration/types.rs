//! Every type of the server as an answer shows it: the golden file of types.

use std::fmt::Write as _;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::MariaDb;

use crate::adapter::{Adapter, Server, column_types, rows};

/// A column and a value for it (`type <- value`), or an expression, a line.
const LINES: &str = include_str!("types.sql");

#[tokio::test(flavor = "multi_thread")]
async fn every_type_has_its_form() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("types").await;
    let url = mariadb.url_of("types");
    let server = Server::of(&url);
    let adapter = Adapter::of(&url).await;
    let mut golden = String::new();
    for (number, line) in LINES.lines().enumerate() {
        writeln!(golden, "{line}").expect("a String");
        if line.is_empty() || line.starts_with("--") {
            continue;
        }
        let sql = match line.split_once(" <- ") {
            Some((kind, value)) => {
                let table = format!("t{number}");
                // A table's columns are known for a minute, so each line has a table of its own.
                let create = format!("create table {table} (c {kind})");
                if let Err(error) = server.raw(&create).await {
                    assert!(is_missing(&error), "{line}: {error}");
                    writeln!(golden, "    not on this server").expect("a String");
                    continue;
                }
                // Servers that refuse zero dates can keep them nevertheless.
                let insert = format!("set sql_mode = ''; insert into {table} values ({value})");
                if let Err(error) = server.raw(&insert).await {
                    assert!(is_missing(&error), "{line}: {error}");
                    writeln!(golden, "    not on this server").expect("a String");
                    continue;
                }
                format!("select c from {table}")
            }
            None => format!("select {line}"),
        };
        let result = match adapter.query(&sql).await {
            Ok(result) => result,
            Err(fault) if fault.reason == Reason::StatementInvalid => {
                writeln!(golden, "    not on this server").expect("a String");
                continue;
            }
            Err(fault) if fault.reason == Reason::NotSupported => {
                writeln!(golden, "    {}", fault.message).expect("a String");
                continue;
            }
            Err(fault) => panic!("{line}: {fault:?}"),
        };
        let (kind, row) = (column_types(&result)[0], &rows(&result)[0]);
        let json = &row[1..row.len() - 1];
        writeln!(golden, "    {kind}  {json}").expect("a String");
        // The second time the statement is prepared already.
        let again = adapter.query(&sql).await.expect("works");
        assert_eq!(rows(&again), rows(&result), "{line}");
        assert_eq!(column_types(&again), column_types(&result), "{line}");
    }
    let version = server.value("select version()").await;
    let product = if version.contains("MariaDB") {
        "mariadb"
    } else {
        "mysql"
    };
    let major = version.split('.').next().expect("a version");
    insta::assert_snapshot!(format!("types-{product}-{major}"), golden);
}

/// Whether the server does not know the type, or the function that makes its value.
fn is_missing(error: &str) -> bool {
    [
        "Unknown data type",
        "SQL syntax",
        "does not exist",
        "not supported",
        "FUNCTION",
    ]
    .iter()
    .any(|part| error.contains(part))
}
