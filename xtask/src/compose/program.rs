//! Docker Compose: the one that is there, else Debian's, in the user's cache.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use mcp_hub_programs::{cache, find, variable};

use crate::process::{line, read};
use crate::provide::apt;

/// Where packages put the plugin. It is a program that also runs by itself.
const PLUGINS: [&str; 4] = [
    "/usr/libexec/docker/cli-plugins/docker-compose",
    "/usr/lib/docker/cli-plugins/docker-compose",
    "/usr/local/lib/docker/cli-plugins/docker-compose",
    "/usr/local/libexec/docker/cli-plugins/docker-compose",
];

/// The release of Debian whose package is taken: the first with version 2 of Compose. It also runs on the one before, and on
/// Ubuntu since 22.04.
const RELEASE: &str = "trixie";
const PACKAGE: &str = "docker-compose";
/// Where the package has the program.
const INSIDE: &str = "usr/libexec/docker/cli-plugins/docker-compose";
/// Who signs that release.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Asked when apt names no mirror of Debian.
const MIRROR: &str = "http://deb.debian.org/debian";
/// Ubuntu's name of it.
const UBUNTU: &str = "docker-compose-v2";

/// A Compose of version 2 or later.
#[derive(Debug)]
pub(super) struct Program {
    /// `docker compose`, or the plugin by itself.
    words: Vec<PathBuf>,
    version: String,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compose {}: {}", self.version, line(&self.command()))
    }
}

impl Program {
    /// The first that works; `install` allows to get one.
    pub(super) fn provide(install: bool) -> anyhow::Result<Option<Self>> {
        if let Some(program) = Self::find() {
            return Ok(Some(program));
        }
        if !install {
            return Ok(None);
        }
        if Path::new(KEYS).exists() {
            unpack()?;
        } else {
            apt::install(&[UBUNTU], install)?;
        }
        let program = Self::find().context("what was installed is no Compose of version 2")?;
        Ok(Some(program))
    }

    fn find() -> Option<Self> {
        let plugins = PLUGINS.iter().map(PathBuf::from);
        let programs = find("docker-compose").into_iter().chain(plugins).chain(cached());
        let docker = find("docker").map(|docker| vec![docker, "compose".into()]);
        docker
            .into_iter()
            .chain(programs.map(|program| vec![program]))
            .find_map(Self::try_out)
    }

    fn try_out(words: Vec<PathBuf>) -> Option<Self> {
        let program = Self {
            words,
            version: String::new(),
        };
        let version = read(program.command().args(["version", "--short"])).ok()?;
        let version = version.trim().trim_start_matches('v').to_owned();
        let major: u32 = version.split('.').next()?.parse().ok()?;
        (major >= 2).then_some(Self { version, ..program })
    }

    /// The command, which sees nothing of the user's settings for Compose.
    pub(super) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("docker".as_ref(), PathBuf::as_path));
        command.args(words).env_clear();
        for name in ["PATH", "HOME", "DOCKER_CONFIG"] {
            command.envs(variable(name).map(|value| (name, value)));
        }
        command
    }
}

/// The folder below the user's cache; absent where the user has no home.
fn folder() -> Option<PathBuf> {
    Some(cache()?.join(format!("{PACKAGE}-{RELEASE}")))
}

fn cached() -> Option<PathBuf> {
    folder().map(|folder| folder.join(INSIDE))
}

/// Downloads the package with lists of apt's own in a folder of ours, which takes no rights and leaves the system as it is.
fn unpack() -> anyhow::Result<()> {
    ensure!(
        find("apt-get").is_some(),
        "no apt-get here; install Docker Compose in the way of this system"
    );
    let folder = folder().context("no folder for a cache: neither XDG_CACHE_HOME nor HOME")?;
    // Another run may do the same: the folder appears when it is whole.
    let partial = folder.with_added_extension(format!("{}.partial", std::process::id()));
    println!("making {}", folder.display());
    let made = download(&partial).and_then(|()| Ok(fs::rename(partial.join("root"), &folder)?));
    let _ = fs::remove_dir_all(&partial);
    match made {
        Err(error) if !folder.is_dir() => Err(error),
        _ => Ok(()),
    }
}

fn download(folder: &Path) -> anyhow::Result<()> {
    for part in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let sources = folder.join("sources.list");
    fs::write(
        &sources,
        format!("deb [signed-by={KEYS}] {} {RELEASE} main\n", mirror()),
    )?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        for (name, value) in [
            ("Dir::State::Lists", &folder.join("lists")),
            ("Dir::Cache", &folder.to_path_buf()),
            ("Dir::Etc::sourcelist", &sources),
            ("Dir::Etc::sourceparts", &PathBuf::from("/dev/null")),
        ] {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        }
        // The folder may be closed to the user that apt becomes where root runs it.
        command.args([
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Acquire::Languages=none",
            "-qq",
        ]);
        read(command.args(arguments).current_dir(folder)).map(drop)
    };
    apt(&["update"])?;
    apt(&["download", PACKAGE])?;
    let package = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let Some(package) = package else {
        bail!("apt-get downloaded no package");
    };
    let mut unpack = Command::new("dpkg-deb");
    read(unpack.arg("--extract").arg(package).arg(folder.join("root"))).map(drop)
}

/// The mirror of Debian that this machine uses.
fn mirror() -> String {
    let mut command = Command::new("apt-get");
    command.args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Label: Debian",
    ]);
    let said = read(&mut command).unwrap_or_default();
    said.lines().next().unwrap_or(MIRROR).to_owned()
}
