//! One collection: its configuration, and the engine's shard that holds its points.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use prost::Message as _;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{CollectionConfig, CreateCollection, Value};
use qdrant_edge::{EdgeShard, PointId, Record, UpdateOperation};

use super::{check, schema, write};
use crate::error::Result;

const CONFIG: &str = "config";
const SHARD: &str = "shard";

/// A collection that is open.
pub(crate) struct Collection {
    folder: PathBuf,
    config: RwLock<CollectionConfig>,
    shard: EdgeShard,
    /// The number of the next write since the start. Locked while one is under way.
    writes: Mutex<u64>,
}

impl Collection {
    /// Makes a new one in a folder that is not there.
    pub(super) fn create(folder: &Path, request: CreateCollection) -> Result<Self> {
        let config = schema::config(request)?;
        let params = schema::engine(&config)?;
        let path = folder.join(SHARD);
        fs::create_dir_all(&path)?;
        let shard = EdgeShard::new(&path, params)?;
        // Last: a collection is there when its configuration is.
        write(&folder.join(CONFIG), &config.encode_to_vec())?;
        Ok(Self::new(folder, config, shard))
    }

    /// Opens an old one; `None` when it is not whole.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>> {
        let Ok(bytes) = fs::read(folder.join(CONFIG)) else {
            return Ok(None);
        };
        let config = CollectionConfig::decode(bytes.as_slice()).map_err(std::io::Error::other)?;
        let shard = EdgeShard::load(&folder.join(SHARD), None)?;
        Ok(Some(Self::new(folder, config, shard)))
    }

    fn new(folder: &Path, config: CollectionConfig, shard: EdgeShard) -> Self {
        Self {
            folder: folder.to_owned(),
            config: RwLock::new(config),
            shard,
            writes: Mutex::new(0),
        }
    }

    /// The engine, for reading.
    pub(crate) fn shard(&self) -> &EdgeShard {
        &self.shard
    }

    /// The configuration as a client sees it.
    pub(crate) fn config(&self) -> CollectionConfig {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets and removes (by null) keys of the metadata.
    pub(crate) fn update_metadata(&self, metadata: HashMap<String, Value>) -> Result<()> {
        let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
        let mut new = config.clone();
        for (key, value) in metadata {
            match value.kind {
                None | Some(Kind::NullValue(_)) => new.metadata.remove(&key),
                Some(_) => new.metadata.insert(key, value),
            };
        }
        write(&self.folder.join(CONFIG), &new.encode_to_vec())?;
        *config = new;
        Ok(())
    }

    /// Applies a write, durably, and returns its number.
    pub(crate) fn update(&self, operation: UpdateOperation) -> Result<u64> {
        check::update(&operation, &self.shard.config().vectors)?;
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.shard.update(operation);
        // This engine does not read its log when it is opened, so what it has applied must be on disk by itself, and
        // its flush must not meet another write.
        self.shard.flush();
        result?;
        *writes += 1;
        Ok(*writes)
    }

    /// One point with one of its vectors; `None` when there is no such point.
    pub(crate) fn point(&self, id: PointId, vector: &str) -> Result<Option<Record>> {
        let with_vector = vector.to_owned().into();
        let mut records = self
            .shard
            .retrieve(&[id], Some(false.into()), Some(with_vector))?;
        Ok(records.pop())
    }
}
