//! Where the programs of the servers are, and as whom they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::skip::variable;

const POSTGRES_BIN: &str = "MCP_HUB_TEST_POSTGRES_BIN";
const MARIADB_BIN: &str = "MCP_HUB_TEST_MARIADB_BIN";
const NEO4J_LIB: &str = "MCP_HUB_TEST_NEO4J_LIB";

/// The folder with `initdb`, `postgres` and `pg_ctl`: given in the environment, on the PATH, or where Debian's package
/// puts it (the newest version wins).
pub(crate) fn postgres_folder() -> Option<PathBuf> {
    if let Some(folder) = variable(POSTGRES_BIN) {
        return Some(folder.into());
    }
    let versions = Path::new("/usr/lib/postgresql");
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    debian.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    path()
        .into_iter()
        .chain(debian.into_iter().map(|(_, folder)| folder))
        .find(|folder| {
            ["initdb", "postgres", "pg_ctl"]
                .iter()
                .all(|program| folder.join(program).is_file())
        })
}

/// PgBouncer's program. Debian puts it into /usr/sbin, which is not on everybody's PATH.
pub(crate) fn pgbouncer() -> Option<PathBuf> {
    path_and_sbin()
        .into_iter()
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

/// The programs of MariaDB.
#[derive(Debug)]
pub(crate) struct MariaDbPrograms {
    /// Makes a data folder.
    pub(crate) install: PathBuf,
    /// The server.
    pub(crate) server: PathBuf,
}

/// In the folder given in the environment, else on the PATH and where Debian has the server.
pub(crate) fn mariadb_programs() -> Option<MariaDbPrograms> {
    let folders = match variable(MARIADB_BIN) {
        Some(folder) => vec![folder.into()],
        None => path_and_sbin(),
    };
    let find = |program: &str| {
        folders
            .iter()
            .map(|folder| folder.join(program))
            .find(|program| program.is_file())
    };
    Some(MariaDbPrograms {
        install: find("mariadb-install-db")?,
        server: find("mariadbd")?,
    })
}

/// What it takes to start a Neo4j.
#[derive(Debug)]
pub(crate) struct Neo4jPrograms {
    /// Java.
    pub(crate) java: PathBuf,
    /// The folder with the server's jars.
    pub(crate) library: PathBuf,
}

/// Java from `JAVA_HOME` or the PATH; the server from the folder given in the environment, else from the user's cache,
/// where `cargo xtask test` puts it.
pub(crate) fn neo4j_programs() -> Option<Neo4jPrograms> {
    let library = match variable(NEO4J_LIB) {
        Some(folder) => folder.into(),
        None => neo4j_cache()?,
    };
    let java = variable("JAVA_HOME")
        .map(|home| Path::new(&home).join("bin/java"))
        .into_iter()
        .chain(path().into_iter().map(|folder| folder.join("java")))
        .find(|program| program.is_file())?;
    Some(Neo4jPrograms { java, library })
}

fn neo4j_cache() -> Option<PathBuf> {
    let caches = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))?;
    let library = caches.join("mcp-hub-test/neo4j-5.26.30/lib");
    library.is_dir().then_some(library)
}

fn path() -> Vec<PathBuf> {
    variable("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

fn path_and_sbin() -> Vec<PathBuf> {
    let sbin = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    path().into_iter().chain(sbin).collect()
}

/// As whom a server runs. PostgreSQL, PgBouncer and MariaDB refuse root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum User {
    /// The user of the test.
    Ourselves,
    /// A user of the system, because the test runs as root.
    System(&'static str),
}

impl User {
    /// For servers whose files are in `folder`; root's folder is given to the user `name`.
    #[cfg(unix)]
    pub(crate) fn for_folder(folder: &Path, name: &'static str) -> anyhow::Result<Self> {
        use std::os::unix::fs::{MetadataExt as _, chown};
        if std::fs::metadata(folder)?.uid() != 0 {
            return Ok(Self::Ourselves);
        }
        let id = |flag| -> anyhow::Result<u32> {
            let output = run(Command::new("id").args([flag, name])).with_context(|| {
                format!("as root, this server runs as the user `{name}`, which does not exist")
            })?;
            Ok(output.trim().parse()?)
        };
        chown(folder, Some(id("-u")?), Some(id("-g")?))
            .with_context(|| format!("giving the folder to the user `{name}`"))?;
        Ok(Self::System(name))
    }

    /// The command that runs `program` as this user.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        match self {
            Self::Ourselves => Command::new(program.as_ref()),
            Self::System(name) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={name}"))
                    .arg(format!("--regid={name}"));
                command.args(["--init-groups", "--"]);
                command.arg(program.as_ref());
                command
            }
        }
    }
}

/// Runs a program to its end and returns what it printed; a failure carries its error output.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("running {name}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {} {}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    Ok(text(&output.stdout))
}
