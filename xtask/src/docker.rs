//! Docker's plugins Compose and Buildx: the ones that are there, else Debian's, in the user's cache.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use mcp_hub_programs::{cache, find, variable};

use crate::process::{line, read};
use crate::provide::apt;

/// Where packages put plugins. Each is a program that also runs by itself.
const FOLDERS: [&str; 4] = [
    "/usr/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
];

/// The release of Debian whose packages are taken: the first with version 2 of Compose. They also run on the one before, and on
/// Ubuntu since 22.04.
const RELEASE: &str = "trixie";
/// Where a package of that release has its plugin.
const INSIDE: &str = "usr/libexec/docker/cli-plugins";
/// Who signs that release.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Asked when apt names no mirror of Debian.
const MIRROR: &str = "http://deb.debian.org/debian";

/// A plugin of the command `docker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// Builds images; here it only says what it would build.
    Buildx,
    /// Reads docker-compose.yml.
    Compose,
}

impl Plugin {
    /// The word after `docker`.
    const fn word(self) -> &'static str {
        match self {
            Self::Buildx => "buildx",
            Self::Compose => "compose",
        }
    }

    /// The program, and Debian's package of it.
    const fn package(self) -> &'static str {
        match self {
            Self::Buildx => "docker-buildx",
            Self::Compose => "docker-compose",
        }
    }

    /// Ubuntu's package.
    const fn package_of_ubuntu(self) -> &'static str {
        match self {
            Self::Buildx => "docker-buildx",
            Self::Compose => "docker-compose-v2",
        }
    }

    /// The oldest version that reads our files: major and minor.
    const fn least(self) -> (u32, u32) {
        match self {
            Self::Buildx => (0, 10),
            Self::Compose => (2, 20),
        }
    }

    /// The folder below the user's cache; absent where the user has no home.
    fn folder(self) -> Option<PathBuf> {
        Some(cache()?.join(format!("{}-{RELEASE}", self.package())))
    }
}

/// A plugin that works.
#[derive(Debug)]
pub(crate) struct Program {
    plugin: Plugin,
    /// `docker compose`, or the plugin by itself.
    words: Vec<PathBuf>,
    version: String,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.plugin.word();
        write!(f, "{word} {}: {}", self.version, line(&self.command()))
    }
}

impl Program {
    /// The first that works; `install` allows to get one.
    pub(crate) fn provide(plugin: Plugin, install: bool) -> anyhow::Result<Option<Self>> {
        if let Some(program) = Self::find(plugin) {
            return Ok(Some(program));
        }
        if !install {
            return Ok(None);
        }
        if Path::new(KEYS).exists() {
            unpack(plugin)?;
        } else {
            apt::install(&[plugin.package_of_ubuntu()], install)?;
        }
        let program = Self::find(plugin)
            .with_context(|| format!("what was installed is no {}, or too old a one", plugin.package()))?;
        Ok(Some(program))
    }

    fn find(plugin: Plugin) -> Option<Self> {
        let name = plugin.package();
        let installed = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        let cached = plugin.folder().map(|folder| folder.join(INSIDE).join(name));
        let docker = find("docker").map(|docker| vec![docker, plugin.word().into()]);
        let alone = find(name).into_iter().chain(installed).chain(cached);
        docker
            .into_iter()
            .chain(alone.map(|program| vec![program]))
            .find_map(|words| Self::try_out(plugin, words))
    }

    fn try_out(plugin: Plugin, words: Vec<PathBuf>) -> Option<Self> {
        let program = Self {
            plugin,
            words,
            version: String::new(),
        };
        let said = read(program.command().arg("version")).ok()?;
        let (version, numbers) = version(&said)?;
        (numbers >= plugin.least()).then_some(Self { version, ..program })
    }

    /// The command, which sees nothing of the user's settings for Compose and for builds.
    pub(crate) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("docker".as_ref(), PathBuf::as_path));
        command.args(words).env_clear();
        for name in ["PATH", "HOME", "DOCKER_CONFIG"] {
            command.envs(variable(name).map(|value| (name, value)));
        }
        command
    }
}

/// The first version that is said, whole and as major and minor: of "Docker Compose version v2.26.1-4" 2.26.1-4, 2 and 26.
fn version(said: &str) -> Option<(String, (u32, u32))> {
    said.split_whitespace().find_map(|word| {
        let word = word.trim_start_matches('v');
        let mut numbers = word.split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some((word.to_owned(), (major, minor)))
    })
}

/// Downloads the package with lists of apt's own in a folder of ours, which takes no rights and leaves the system as it is.
fn unpack(plugin: Plugin) -> anyhow::Result<()> {
    ensure!(
        find("apt-get").is_some(),
        "no apt-get here; install {} in the way of this system",
        plugin.package()
    );
    let folder = plugin
        .folder()
        .context("no folder for a cache: neither XDG_CACHE_HOME nor HOME")?;
    // Another run may do the same: the folder appears when it is whole.
    let partial = folder.with_added_extension(format!("{}.partial", std::process::id()));
    println!("making {}", folder.display());
    let made = download(plugin, &partial).and_then(|()| Ok(fs::rename(partial.join("root"), &folder)?));
    let _ = fs::remove_dir_all(&partial);
    match made {
        Err(error) if !folder.is_dir() => Err(error),
        _ => Ok(()),
    }
}

fn download(plugin: Plugin, folder: &Path) -> anyhow::Result<()> {
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
    apt(&["download", plugin.package()])?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_each_plugin_says() {
        for (said, whole, numbers) in [
            ("Docker Compose version v2.40.1\n", "2.40.1", (2, 40)),
            ("Docker Compose version 2.26.1-4\n", "2.26.1-4", (2, 26)),
            (
                "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n",
                "0.13.1+ds1",
                (0, 13),
            ),
        ] {
            assert_eq!(version(said), Some((whole.to_owned(), numbers)));
        }
        assert_eq!(version("docker: 'buildx' is not a docker command."), None);
    }
}
