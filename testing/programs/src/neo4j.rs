//! Neo4j: Java, and the server's jars.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::environment::{find, variable};
use crate::names::NEO4J_LIB;

/// What is got from Maven Central. Its version is the only place that says which Neo4j the tests use.
const PROJECT: &str = include_str!("../../neo4j/pom.xml");

const MAIN_CLASS: &str = "org.neo4j.server.CommunityEntryPoint";

/// As Neo4j's own start script has it, with little memory, and with a collector and a compiler that start fast.
const JAVA_OPTIONS: [&str; 8] = [
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
];

/// What it takes to start a Neo4j.
#[derive(Debug)]
pub struct Neo4j {
    /// Java. Neo4j 5.26 wants 17 or 21.
    pub java: PathBuf,
    /// The folder with the jars.
    pub library: PathBuf,
}

impl Neo4j {
    /// Java, and the jars from the folder that the environment names, else from the user's cache.
    pub fn find() -> Option<Self> {
        let library = match variable(NEO4J_LIB) {
            Some(folder) => folder.into(),
            None => Self::cache().filter(Cache::is_complete)?.library(),
        };
        Some(Self {
            java: Self::java()?,
            library,
        })
    }

    /// Java from `JAVA_HOME`, else from the PATH.
    pub fn java() -> Option<PathBuf> {
        variable("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|java| java.is_file())
            .or_else(|| find("java"))
    }

    /// Where the jars are kept. Outside the target directory, so that a clean build does not get them again; absent
    /// where the user has no home.
    pub fn cache() -> Option<Cache> {
        let caches = variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))?;
        let name = format!("neo4j-{}", version());
        Some(Cache(caches.join("mcp-hub-test").join(name)))
    }

    /// What Java is given to run the server in `home`, which also has neo4j.conf. The server stays in the foreground
    /// and writes to stdout.
    pub fn arguments(&self, home: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = JAVA_OPTIONS.map(OsString::from).to_vec();
        arguments.extend(["-cp".into(), self.library.join("*").into(), MAIN_CLASS.into()]);
        arguments.extend(["--home-dir=", "--config-dir="].map(|option| {
            let mut argument = OsString::from(option);
            argument.push(home);
            argument
        }));
        arguments.push("--console-mode".into());
        arguments
    }
}

/// The folder of one version of Neo4j below the user's cache.
#[derive(Debug)]
pub struct Cache(PathBuf);

impl Cache {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Where the jars are.
    pub fn library(&self) -> PathBuf {
        self.0.join("lib")
    }

    /// The last thing that is written: without it the folder is half made.
    pub fn mark(&self) -> PathBuf {
        self.0.join("complete")
    }

    fn is_complete(&self) -> bool {
        self.mark().is_file()
    }
}

/// The version that the tests use.
fn version() -> &'static str {
    PROJECT
        .split_once("<neo4j.version>")
        .and_then(|(_, rest)| rest.split_once("</neo4j.version>"))
        .map(|(version, _)| version)
        .expect("testing/neo4j/pom.xml names the version")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_project_names_the_version() {
        let numbers: Vec<u32> = super::version()
            .split('.')
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(numbers.len(), 3);
    }
}
