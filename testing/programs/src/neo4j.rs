//! Neo4j: Java, and the server's jars.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::environment::{cache, find, variable};
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
    /// The folder of the jars below [`Neo4j::cache`].
    pub const LIBRARY: &str = "lib";

    /// The version that the tests use, such as 5.26.30.
    ///
    /// # Panics
    ///
    /// When testing/neo4j/pom.xml names none.
    pub fn version() -> &'static str {
        PROJECT
            .split_once("<neo4j.version>")
            .and_then(|(_, rest)| rest.split_once("</neo4j.version>"))
            .map(|(version, _)| version)
            .expect("testing/neo4j/pom.xml names the version")
    }

    /// Java, and the jars from the folder that the environment names, else from the user's cache.
    pub fn find() -> Option<Self> {
        let library = match variable(NEO4J_LIB) {
            Some(folder) => folder.into(),
            None => Self::cache()?.join(Self::LIBRARY),
        };
        Some(Self {
            java: Self::java()?,
            library,
        })
        .filter(|neo4j| neo4j.library.is_dir())
    }

    /// Java from `JAVA_HOME`, else from the PATH.
    pub fn java() -> Option<PathBuf> {
        variable("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|java| java.is_file())
            .or_else(|| find("java"))
    }

    /// The folder of this version below the user's cache; absent where the user has no home.
    pub fn cache() -> Option<PathBuf> {
        Some(cache()?.join(format!("neo4j-{}", Self::version())))
    }

    /// An archive of the loaded classes beside the jars, which takes a third off the start. Java passes over one that
    /// another Java or other jars made.
    pub fn archive(&self) -> PathBuf {
        self.library.with_file_name("classes.jsa")
    }

    /// What Java is given to run the server in `home`, where its neo4j.conf is. The server stays in the foreground and
    /// writes to stdout.
    pub fn arguments(&self, home: &Path) -> Vec<OsString> {
        let option = |name: &str, value: &Path| {
            let mut option = OsString::from(name);
            option.push(value);
            option
        };
        let archive = Some(self.archive()).filter(|archive| archive.is_file());
        JAVA_OPTIONS
            .map(OsString::from)
            .into_iter()
            .chain(archive.map(|archive| option("-XX:SharedArchiveFile=", &archive)))
            .chain(["-cp".into(), self.library.join("*").into(), MAIN_CLASS.into()])
            .chain([option("--home-dir=", home), option("--config-dir=", home)])
            .chain(["--console-mode".into()])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_project_names_the_version() {
        let numbers: Vec<u32> = super::Neo4j::version()
            .split('.')
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(numbers.len(), 3);
    }
}
