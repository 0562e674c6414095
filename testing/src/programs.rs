//! Where the programs of the servers are, and as whom they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::skip::variable;

const POSTGRES_BIN: &str = "MCP_HUB_TEST_POSTGRES_BIN";

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
    path()
        .into_iter()
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

fn path() -> Vec<PathBuf> {
    variable("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// As whom a server runs. PostgreSQL and PgBouncer refuse root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum User {
    /// The user of the test.
    Ourselves,
    /// The system's user `postgres`, because the test runs as root.
    Postgres,
}

impl User {
    /// For servers whose files are in `folder`; root's folder is given to the user `postgres`.
    #[cfg(unix)]
    pub(crate) fn for_folder(folder: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::{MetadataExt as _, chown};
        if std::fs::metadata(folder)?.uid() != 0 {
            return Ok(Self::Ourselves);
        }
        let id = |flag| -> anyhow::Result<u32> {
            let output = run(Command::new("id").args([flag, "postgres"]))
                .context("as root, servers run as the user `postgres`, which does not exist")?;
            Ok(output.trim().parse()?)
        };
        chown(folder, Some(id("-u")?), Some(id("-g")?))
            .context("giving the folder to the user `postgres`")?;
        Ok(Self::Postgres)
    }

    /// The command that runs `program` as this user.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        match self {
            Self::Ourselves => Command::new(program.as_ref()),
            Self::Postgres => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]);
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
