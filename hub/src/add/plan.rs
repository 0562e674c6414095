//! What is to be written where, and the writing: all of it, or nothing.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::checkout::{Checkout, Problem, read};
use super::edit::Edit;
use super::instance::Instance;
use crate::error::{Error, Result};

/// Everything that an instance takes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    path: PathBuf,
    act: Act,
}

#[derive(Debug)]
enum Act {
    /// Make a file.
    Create { text: String, private: bool },
    /// Put another text in the place of the one that was read.
    Change { before: String, after: String },
    /// Nothing is to be done.
    There,
    /// People do it better; what to put in.
    ByHand(String),
}

impl Plan {
    /// A new file, if there is none; `private` is for nobody but its owner.
    pub(super) fn create(&mut self, path: PathBuf, text: String, private: bool) {
        let act = if path.exists() {
            Act::There
        } else {
            Act::Create { text, private }
        };
        self.steps.push(Step { path, act });
    }

    /// A change of a file that is there.
    pub(super) fn edit(
        &mut self,
        path: &Path,
        edit: impl FnOnce(&str) -> Result<Edit, Problem>,
    ) -> Result<()> {
        let before = read(path)?;
        let act = match edit(&before).map_err(|problem| Error::add(path, problem))? {
            Edit::There => Act::There,
            Edit::Changed(after) => Act::Change { before, after },
            Edit::ByHand(line) => Act::ByHand(line),
        };
        let path = path.to_owned();
        self.steps.push(Step { path, act });
        Ok(())
    }

    /// Something that people put into a file that is theirs.
    pub(super) fn tell(&mut self, path: &Path, line: String) {
        let path = path.to_owned();
        let act = Act::ByHand(line);
        self.steps.push(Step { path, act });
    }

    /// Writes everything. When something can't be written, what was is taken back.
    pub(super) fn carry_out(&self) -> Result<()> {
        let mut undo = Undo::default();
        let done = self.write(&mut undo);
        if done.is_err() {
            undo.all();
        }
        done
    }

    fn write(&self, undo: &mut Undo) -> Result<()> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Unwritable { path, source }
        };
        // All is on the disk before the first file has its name.
        let mut staged = vec![];
        for Step { path, act } in &self.steps {
            let text = match act {
                Act::Create { text, .. } => text,
                Act::Change { after, .. } => after,
                Act::There | Act::ByHand(_) => continue,
            };
            let file = undo
                .folder_of(path)
                .and_then(|folder| stage(folder, path, text, act))
                .map_err(failed(path))?;
            staged.push((path, act, file));
        }
        for (path, act, file) in staged {
            if let Act::Change { before, .. } = act {
                // Behind a link is the file that is meant.
                let target = fs::canonicalize(path).map_err(failed(path))?;
                file.persist(&target).map_err(|error| failed(path)(error.error))?;
                undo.changed.push((target, before.clone()));
            } else {
                file.persist_noclobber(path)
                    .map_err(|error| failed(path)(error.error))?;
                undo.created.push(path.clone());
            }
        }
        Ok(())
    }

    /// What was done, or would be, and what is to be done next.
    pub(super) fn report(&self, checkout: &Checkout, instance: &Instance, dry_run: bool) -> String {
        let (key, kind) = (&instance.key, instance.kind());
        let mut text = format!(
            "{key}, an adapter of {kind}{}\n",
            if dry_run { " (nothing is written)" } else { "" }
        );
        let mut by_hand = vec![];
        for Step { path, act } in &self.steps {
            let word = match act {
                Act::Create { .. } => "new",
                Act::Change { .. } => "changed",
                Act::There => "there already",
                Act::ByHand(line) => {
                    by_hand.push((path, line));
                    continue;
                }
            };
            // A `String` takes whatever is written to it.
            let _ = writeln!(text, "  {word:<14} {}", checkout.shown(path));
        }
        for (path, line) in by_hand {
            let _ = writeln!(text, "  put in yourself {}: {line}", checkout.shown(path));
        }
        let has = |name: &str| self.steps.iter().any(|step| step.path.ends_with(name));
        if has("kustomization.yaml") {
            text.push_str("\nIn Kubernetes:\n");
            if has("secret.env") {
                let (name, apply) = (&instance.name, instance.apply_secret());
                let _ = writeln!(
                    text,
                    "  fill in k8s/instances/{name}/secret.env, which git ignores, then\n  {apply}"
                );
            }
            let full = instance.full_name();
            let _ = writeln!(
                text,
                "  kubectl apply -k k8s/overlays/OVERLAY && kubectl rollout status deployment/{full}"
            );
        }
        let file = instance.compose_file();
        if has(&file) {
            let _ = writeln!(text, "\nWith Compose:\n  fill in {file}");
            for (secret, _) in instance.compose_secrets() {
                let _ = writeln!(
                    text,
                    "  mkdir -p -m 700 secrets && printf %s 'its password' >secrets/{secret}   # an empty file where there is none"
                );
            }
            let _ = writeln!(text, "  docker compose up -d --wait {}", instance.full_name());
        }
        text
    }
}

/// A file beside the one that it is to be, with the rights that that one is to have.
fn stage(folder: &Path, path: &Path, text: &str, act: &Act) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    if !matches!(act, Act::Create { private: true, .. }) {
        use std::os::unix::fs::PermissionsExt as _;
        // Less what the user's mask takes away.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if matches!(act, Act::Change { .. }) {
        file.as_file()
            .set_permissions(fs::metadata(path)?.permissions())?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// What was done so far.
#[derive(Debug, Default)]
struct Undo {
    folders: Vec<PathBuf>,
    created: Vec<PathBuf>,
    changed: Vec<(PathBuf, String)>,
}

impl Undo {
    /// The folder of a file, made if need be.
    fn folder_of<'a>(&mut self, path: &'a Path) -> io::Result<&'a Path> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(&folder)?;
            self.folders.push(folder);
        }
        Ok(folder)
    }

    /// Takes it back, as far as that can be: what stopped the writing may stop this too, and is what is told.
    fn all(&self) {
        for path in &self.created {
            let _ = fs::remove_file(path);
        }
        for (path, before) in &self.changed {
            let _ = fs::write(path, before);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}
