//! Neo4j's jars from Maven Central, and a Java that runs them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use mcp_hub_programs::{Neo4j, find};

use super::apt;
use crate::process::read;

/// The Javas that Debian and Ubuntu have and Neo4j 5.26 knows: no release of either has both.
const JAVA: [&str; 2] = ["openjdk-17-jre-headless", "openjdk-21-jre-headless"];
/// The first one that Neo4j 5.26 runs on.
const OLDEST_JAVA: u32 = 17;

/// Training needs no more than a start: no ports that another program has, no gigabyte of logs.
const TRAINING: &str = "\
    server.bolt.listen_address=127.0.0.1:0\n\
    server.http.listen_address=127.0.0.1:0\n\
    dbms.usage_report.enabled=false\n\
    db.tx_log.preallocate=false\n\
    internal.dbms.bolt.netty_server_shutdown_quiet_period=0\n";

/// Fills the user's cache, with Java and Maven from packages of the system where they are missing.
pub(crate) fn get(root: &Path, install: bool) -> anyhow::Result<()> {
    let cache = Neo4j::cache().context("no folder for a cache: neither XDG_CACHE_HOME nor HOME")?;
    let java = programs(install)?;
    // Another run may do the same: the folder appears when it is whole.
    let partial = cache.with_added_extension(format!("{}.partial", std::process::id()));
    println!("making {}", cache.display());
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(root.join("testing/neo4j/pom.xml"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!(
            "-DoutputDirectory={}",
            partial.join(Neo4j::LIBRARY).display()
        ));
    let made = read(&mut maven).and_then(|_| Ok(fs::rename(&partial, &cache)?));
    if made.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    let library = cache.join(Neo4j::LIBRARY);
    if !library.is_dir() {
        return made;
    }
    train(&Neo4j { java, library }, &cache.join("training"))
}

/// Maven, and a Java that suits; what is missing comes from packages.
fn programs(install: bool) -> anyhow::Result<PathBuf> {
    let java = || Neo4j::java().filter(|java| suits(java));
    let maven = || find("mvn");
    let missing = |java_package| {
        let java_package = java().is_none().then_some(java_package);
        let maven_package = maven().is_none().then_some("maven");
        java_package.into_iter().chain(maven_package).collect::<Vec<_>>()
    };
    let [older, newer] = JAVA;
    if !missing(older).is_empty() {
        apt::install(&missing(older), install).or_else(|error| match java() {
            None if install => apt::install(&missing(newer), install),
            _ => Err(error),
        })?;
    }
    maven().context("the package brought no program mvn")?;
    java().context("JAVA_HOME or the PATH names a Java that is older than 17")
}

/// Whether Neo4j runs on this Java.
pub(crate) fn suits(java: &Path) -> bool {
    // "openjdk 17.0.15 2025-04-15"; Java 8 does not know the option.
    let said = read(Command::new(java).arg("--version")).unwrap_or_default();
    said.split_whitespace()
        .nth(1)
        .and_then(|version| version.split('.').next()?.parse().ok())
        .is_some_and(|major: u32| major >= OLDEST_JAVA)
}

/// Starts the server once, and keeps the classes that it loaded for a quicker start.
fn train(neo4j: &Neo4j, home: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(home)?;
    fs::write(home.join("neo4j.conf"), TRAINING)?;
    let mut server = Command::new(&neo4j.java)
        .arg(format!("-XX:ArchiveClassesAtExit={}", neo4j.archive().display()))
        .args(neo4j.arguments(home))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting Neo4j")?;
    let mut said = Vec::new();
    for line in BufReader::new(server.stdout.take().context("a pipe")?).lines() {
        said.push(line?);
        if said.last().is_some_and(|line| line.ends_with("Started.")) {
            break;
        }
    }
    read(Command::new("kill").arg(server.id().to_string()))
        .with_context(|| format!("Neo4j ended: {}", said.join("\n")))?;
    server.wait()?;
    Ok(fs::remove_dir_all(home)?)
}
