//! As whom the servers' programs run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

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
