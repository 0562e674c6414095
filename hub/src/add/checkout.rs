//! A checkout of mcp-hub: where it has what, and what its manifests say of a kind of adapter.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::instance::Instance;
use crate::adapters::Kind;
use crate::error::{Error, Result};

/// The upstreams of the facade in Compose.
pub(super) const COMPOSE_UPSTREAMS: &str = "docker/hub/upstreams.toml";

/// What a checkout has, by which it is known.
const MARKS: [&str; 3] = [
    "docker-compose.yml",
    "docker/parts.yml",
    "k8s/adapter/kustomization.yaml",
];

/// Why a checkout can't be added to.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Nothing that is deployed from.
    #[error(
        "it is no checkout of mcp-hub: run this in the folder that you deploy from, or name it with --root"
    )]
    NoCheckout,
    /// A manifest that is not as this command expects it.
    #[error("it is no manifest that this command can read: {0}")]
    Manifest(String),
    /// The name is that of something else.
    #[error("{name} is there already, in {}: choose another key", .found.display())]
    Taken {
        /// The name.
        name: String,
        /// Where it was found.
        found: PathBuf,
    },
    /// The upstreams file has the key, and means something else by it.
    #[error("the upstream {key:?} is there already, at another address than {address}: choose another key")]
    OtherUpstream {
        /// The key.
        key: String,
        /// What this command would write.
        address: String,
    },
    /// The upstreams file is none.
    #[error("it is no upstreams file")]
    Upstreams(#[from] mcp_hub_facade::upstream::file::Error),
}

/// A checkout.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    root: PathBuf,
}

/// One way that the hub is deployed.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) upstreams: PathBuf,
    /// The overlay whose upstreams they are.
    pub(super) overlay: Option<PathBuf>,
    pub(super) is_compose: bool,
}

/// What the manifests of a kind say.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    /// Keys of the Secret that become variables: the key, and the variable.
    pub(super) variables: Vec<(String, String)>,
    /// Keys of the Secret that become files.
    pub(super) files: Vec<String>,
    /// The settings that it has unless it is told otherwise.
    pub(super) settings: BTreeMap<String, String>,
    /// The database's port where it is not the usual one, and the setting that says so.
    pub(super) port: Option<(u16, String)>,
}

impl Base {
    /// Expects the database at another port than the usual one; false when the kind has none.
    pub(super) fn move_to(&mut self, port: u16) -> bool {
        let moved = self.settings.iter_mut().find_map(|(name, value)| {
            let keeps = if name.ends_with("_PORT") {
                ""
            } else if name.ends_with("_URI") {
                &value[..=value.rfind(':')?]
            } else {
                return None;
            };
            *value = format!("{keeps}{port}");
            Some(format!("{name}={value}"))
        });
        self.port = moved.map(|setting| (port, setting));
        self.port.is_some()
    }
}

impl Checkout {
    /// The checkout that a folder is in.
    pub(super) fn around(folder: &Path) -> Result<Self> {
        let folder = fs::canonicalize(folder).map_err(|source| Error::unreadable(folder, source))?;
        let is_root = |folder: &&Path| MARKS.iter().all(|mark| folder.join(mark).is_file());
        match folder.ancestors().find(is_root) {
            Some(root) => Ok(Self {
                root: root.to_owned(),
            }),
            None => Err(Error::add(&folder, Problem::NoCheckout)),
        }
    }

    /// A path in it.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path as people read it: from the root.
    pub(super) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// The folder of an instance.
    pub(super) fn instance(&self, name: &str) -> PathBuf {
        self.root.join("k8s/instances").join(name)
    }

    /// The ways that the hub is deployed: those of the `named` upstreams files, or all.
    pub(super) fn deployments(&self, named: &[PathBuf]) -> Result<Vec<Deployment>> {
        let files = if named.is_empty() {
            let overlays = self.root.join("k8s/overlays");
            let mut files = vec![self.root.join(COMPOSE_UPSTREAMS)];
            files.extend(folders(&overlays)?.map(|folder| folder.join("upstreams.toml")));
            files.retain(|file| file.is_file());
            files.sort();
            files
        } else {
            let canonical =
                |file: &PathBuf| fs::canonicalize(file).map_err(|source| Error::unreadable(file, source));
            named.iter().map(canonical).collect::<Result<_>>()?
        };
        let overlays = self.root.join("k8s/overlays");
        let compose = self.root.join(COMPOSE_UPSTREAMS);
        let deployment = |upstreams: PathBuf| {
            let folder = upstreams
                .parent()
                .filter(|folder| folder.parent() == Some(&*overlays));
            let overlay = folder.map(|folder| folder.join("kustomization.yaml"));
            Deployment {
                overlay: overlay.filter(|overlay| overlay.is_file()),
                is_compose: upstreams == compose,
                upstreams,
            }
        };
        Ok(files.into_iter().map(deployment).collect())
    }

    /// What the manifests say of a kind.
    pub(super) fn base(&self, kind: Kind) -> Result<Base> {
        let folder = self.root.join("k8s/base").join(kind.name()).join("adapter");
        let path = folder.join("deployment.yaml");
        let workload: Workload = serde_saphyr::from_str(&read(&path)?)
            .map_err(|error| Error::add(&path, Problem::Manifest(error.to_string())))?;
        let pod = workload.spec.template.spec;
        let mut base = Base::default();
        for variable in pod.containers.into_iter().flat_map(|container| container.env) {
            if let Some(key) = variable.value_from.and_then(|from| from.secret_key_ref) {
                base.variables.push((key.key, variable.name));
            }
        }
        let secrets = pod.volumes.into_iter().filter_map(|volume| volume.secret);
        base.files
            .extend(secrets.flat_map(|secret| secret.items).map(|item| item.key));
        let settings = read(&folder.join("settings.env"))?;
        let lines = settings.lines().filter(|line| !line.starts_with('#'));
        base.settings = lines
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(base)
    }

    /// Refuses an instance whose name is that of something else: another adapter, a Service, a Secret.
    pub(super) fn check_free(&self, instance: &Instance) -> Result<()> {
        let name = instance.full_name();
        let taken = |found: &Path| {
            let problem = Problem::Taken {
                name: name.clone(),
                found: self.shown(found).to_string().into(),
            };
            Err(Error::add(&self.root, problem))
        };
        let base = self.root.join("k8s/base").join(&instance.name);
        if base.exists() {
            return taken(&base);
        }
        let own = self.instance(&instance.name).join("kustomization.yaml");
        if own.is_file() {
            // It may be of another kind, or have a key that differs in "_" only.
            return if instance.wrote(&read(&own)?) {
                Ok(())
            } else {
                taken(&own)
            };
        }
        let mut files = vec![self.root.join("docker-compose.yml")];
        collect(&self.root.join("k8s"), &mut files)?;
        for file in files {
            if names(&read(&file)?, &name) {
                return taken(&file);
            }
        }
        Ok(())
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::unreadable(path, source))
}

/// Whether a YAML text has a name of Kubernetes or Compose outside of comments, and not as a part of a longer one.
fn names<'a>(text: &'a str, name: &str) -> bool {
    let part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let is_there = |line: &str| {
        line.match_indices(name).any(|(start, _)| {
            let (before, after) = (&line[..start], &line[start + name.len()..]);
            !before.ends_with(part) && !after.starts_with(part)
        })
    };
    let code = |line: &'a str| {
        line.split(" #")
            .next()
            .filter(|code| !code.trim_start().starts_with('#'))
    };
    text.lines().filter_map(code).any(is_there)
}

/// The folders in a folder.
fn folders(folder: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|source| Error::unreadable(folder, source))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir()))
}

/// The manifests below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|source| Error::unreadable(folder, source))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

/// As much of a Deployment as says what is in the Secret.
#[derive(Deserialize)]
struct Workload {
    spec: WorkloadSpec,
}

#[derive(Deserialize)]
struct WorkloadSpec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: Pod,
}

#[derive(Deserialize)]
struct Pod {
    containers: Vec<Container>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    env: Vec<Variable>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable {
    name: String,
    value_from: Option<Source>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    secret_key_ref: Option<Key>,
}

#[derive(Deserialize)]
struct Volume {
    secret: Option<SecretVolume>,
}

#[derive(Deserialize)]
struct SecretVolume {
    #[serde(default)]
    items: Vec<Key>,
}

/// A key of the Secret.
#[derive(Deserialize)]
struct Key {
    key: String,
}
