//! The collections and their aliases, which live in one folder and survive a kill.
//!
//! ```text
//! aliases.json              alias -> collection
//! NAME.collection/config    CollectionConfig of Qdrant's API, as protobuf
//! NAME.collection/shard/    the engine's files
//! ```

mod check;
mod collection;
mod schema;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use qdrant_client::qdrant::CreateCollection;
use qdrant_client::qdrant::alias_operations::Action;

pub(crate) use collection::Collection;

use crate::error::{Error, Result};

const SUFFIX: &str = ".collection";
const ALIASES: &str = "aliases.json";

/// All collections.
pub(crate) struct Storage {
    root: PathBuf,
    state: RwLock<State>,
}

/// What is there, in the order of names, in which Qdrant lists it.
#[derive(Default)]
struct State {
    collections: BTreeMap<String, Arc<Collection>>,
    aliases: BTreeMap<String, String>,
}

impl State {
    fn existing(&self, name: &str) -> Result<&Arc<Collection>> {
        self.collections
            .get(name)
            .ok_or_else(|| Error::NoCollection(name.to_owned()))
    }

    fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }
}

impl Storage {
    /// Opens the folder, or makes it.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        let mut state = State::default();
        for entry in fs::read_dir(root)? {
            let folder = entry?.path();
            let name = folder
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(SUFFIX));
            // Without its configuration it is what a kill left of a collection that was being made or removed.
            if let Some(name) = name
                && let Some(collection) = Collection::open(&folder)?
            {
                state.collections.insert(name.to_owned(), Arc::new(collection));
            }
        }
        match fs::read(root.join(ALIASES)) {
            Ok(json) => {
                state.aliases = serde_json::from_slice(&json).map_err(io::Error::from)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            root: root.to_owned(),
            state: RwLock::new(state),
        })
    }

    /// The names of the collections.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read().collections.keys().cloned().collect()
    }

    /// The collection of this name or alias.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Collection>> {
        let state = self.read();
        state.existing(state.resolve(name)).cloned()
    }

    /// Makes a collection.
    pub(crate) fn create(&self, request: CreateCollection) -> Result<()> {
        let name = request.collection_name.clone();
        let mut state = self.write();
        if state.collections.contains_key(&name) {
            return Err(Error::Exists(name));
        }
        if state.aliases.contains_key(&name) {
            return Err(Error::BadInput(format!(
                "Can't create collection with name {name}. Alias with the same name already exists"
            )));
        }
        let folder = self.folder(&name);
        remove(&folder)?;
        let collection = Collection::create(&folder, request)?;
        state.collections.insert(name, Arc::new(collection));
        Ok(())
    }

    /// Removes a collection, by its own name, and its aliases; false when there is none.
    pub(crate) fn delete(&self, name: &str) -> Result<bool> {
        let mut state = self.write();
        if state.collections.remove(name).is_none() {
            return Ok(false);
        }
        let before = state.aliases.len();
        state.aliases.retain(|_, collection| collection != name);
        if state.aliases.len() != before {
            self.save(&state.aliases)?;
        }
        // A read that is under way keeps the engine's files open, and sees the end of them.
        remove(&self.folder(name))?;
        Ok(true)
    }

    /// Alias and collection, of all collections or of one.
    pub(crate) fn aliases(&self, collection: Option<&str>) -> Vec<(String, String)> {
        let state = self.read();
        let aliases = state
            .aliases
            .iter()
            .filter(|(_, name)| collection.is_none_or(|collection| collection == *name));
        aliases
            .map(|(alias, name)| (alias.clone(), name.clone()))
            .collect()
    }

    /// Makes, removes and renames aliases, in this order and up to the first that is impossible.
    pub(crate) fn change_aliases(&self, actions: Vec<Action>) -> Result<()> {
        let mut state = self.write();
        for action in actions {
            match action {
                Action::CreateAlias(create) => {
                    state.existing(&create.collection_name)?;
                    if state.collections.contains_key(&create.alias_name) {
                        return Err(Error::Exists(create.alias_name));
                    }
                    state.aliases.insert(create.alias_name, create.collection_name);
                }
                Action::DeleteAlias(delete) => {
                    state.aliases.remove(&delete.alias_name);
                }
                Action::RenameAlias(rename) => {
                    let Some(collection) = state.aliases.remove(&rename.old_alias_name) else {
                        return Err(Error::NoAlias(rename.old_alias_name));
                    };
                    state.aliases.insert(rename.new_alias_name, collection);
                }
            }
            self.save(&state.aliases)?;
        }
        Ok(())
    }

    fn folder(&self, name: &str) -> PathBuf {
        // The suffix makes a name of dots alone harmless.
        self.root.join(format!("{name}{SUFFIX}"))
    }

    fn save(&self, aliases: &BTreeMap<String, String>) -> io::Result<()> {
        write(&self.root.join(ALIASES), &serde_json::to_vec(aliases)?)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file that is there as a whole or not at all.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)?;
    fs::rename(&new, path)
}

/// Removes a folder that may not be there.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
