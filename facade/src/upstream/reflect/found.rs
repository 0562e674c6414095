//! What was fetched, within bounds: read as far as they need, and built only when all of it is there.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use prost_reflect::DescriptorPool;
use sha2::{Digest as _, Sha256};

use super::{
    Error, MAX_BYTES, MAX_DECLARATIONS, MAX_FILES, MAX_NESTING, MAX_OPTIONS, MAX_RECEIVED, Reflection, shown,
};
use crate::json::wire::{Fields, Raw};
use crate::tool::offer::offers;

/// Services and files as they were fetched.
#[derive(Default)]
pub(super) struct Found {
    pub(super) services: Vec<String>,
    files: BTreeMap<String, File>,
    bytes: usize,
    declarations: usize,
    received: usize,
    /// Imports that were not fetched yet.
    wanted: Vec<String>,
}

struct File {
    bytes: Bytes,
    imports: Vec<String>,
}

impl Found {
    pub(super) fn of(services: Vec<String>) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        self.services.iter().for_each(|name| part(name.as_bytes()));
        part(b"");
        self.files.values().for_each(|file| part(&file.bytes));
        hash.finalize().into()
    }

    pub(super) fn add(&mut self, bytes: Bytes) -> Result<(), Error> {
        let (mut name, mut imports) = (String::new(), Vec::new());
        for field in Fields(&bytes) {
            match field? {
                (1, Raw::Bytes(text)) => name = utf8(text)?,
                (3, Raw::Bytes(text)) => imports.push(utf8(text)?),
                (12, Raw::Bytes(b"editions")) => return Err(Error::Edition(shown(&name))),
                _ => {}
            }
        }
        // So that the same file again and again comes to an end as well.
        self.declarations += 1;
        self.received += bytes.len();
        if self.declarations > MAX_DECLARATIONS || self.received > MAX_RECEIVED {
            return Err(Error::TooLarge);
        }
        if let Some(known) = self.files.get(&name) {
            return if known.bytes == bytes {
                Ok(())
            } else {
                Err(Error::Ambiguous(shown(&name)))
            };
        }
        self.bytes += bytes.len();
        count(&bytes, Part::File, 0, &mut self.declarations)?;
        if imports.len() > MAX_FILES || self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
            return Err(Error::TooLarge);
        }
        self.wanted.extend(imports.iter().cloned());
        self.files.insert(name, File { bytes, imports });
        Ok(())
    }

    /// Whether a file is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn missing_import(&mut self) -> Option<String> {
        while let Some(name) = self.wanted.pop() {
            if !self.files.contains_key(&name) {
                return Some(name);
            }
        }
        None
    }

    /// The names of the files, each after those that it imports.
    fn in_order(&self) -> Result<Vec<&str>, Error> {
        let mut order: Vec<&str> = Vec::with_capacity(self.files.len());
        let mut placed: HashSet<&str> = HashSet::new();
        while order.len() < self.files.len() {
            let before = order.len();
            for (name, file) in &self.files {
                let ready = file.imports.iter().all(|import| placed.contains(import.as_str()));
                if ready && placed.insert(name) {
                    order.push(name);
                }
            }
            if order.len() == before {
                // A circle of imports.
                return Err(Error::Inconsistent);
            }
        }
        Ok(order)
    }

    pub(super) fn build(self, digest: [u8; 32]) -> Result<Reflection, Error> {
        let mut pool = DescriptorPool::new();
        for name in self.in_order()? {
            // The encoded file: a decoded one would have lost the options.
            pool.decode_file_descriptor_proto(self.files[name].bytes.clone())
                .map_err(|_| Error::Inconsistent)?;
        }
        if let Some(missing) = self
            .services
            .iter()
            .find(|name| pool.get_service_by_name(name).is_none())
        {
            return Err(Error::NotFound(shown(missing)));
        }
        let (offers, left_out) = offers(&pool, &self.services);
        Ok(Reflection {
            digest,
            services: self.services,
            offers,
            left_out,
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::Malformed)
}

/// What contains declarations.
#[derive(Clone, Copy)]
enum Part {
    File,
    Message,
    Enum,
    Service,
    Field,
    EnumValue,
    Method,
    Options,
    SourceInfo,
    Other,
}

impl Part {
    /// What a field of this part is, by the numbers of `descriptor.proto`.
    fn inner(self, number: u32) -> Self {
        match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 6) => Self::Service,
            (Self::File, 7) | (Self::Message, 2 | 6) => Self::Field,
            (Self::File, 9) => Self::SourceInfo,
            (Self::Enum, 2) => Self::EnumValue,
            (Self::Service, 2) => Self::Method,
            (Self::File | Self::Field, 8)
            | (Self::Message, 7)
            | (Self::Enum | Self::Service | Self::EnumValue, 3)
            | (Self::Method, 4) => Self::Options,
            _ => Self::Other,
        }
    }
}

/// Adds up the declarations of a file before anything is built of them: two bytes can declare a message that takes hundreds.
fn count(bytes: &[u8], part: Part, depth: usize, sum: &mut usize) -> Result<(), Error> {
    if depth > MAX_NESTING {
        return Err(Error::TooLarge);
    }
    for field in Fields(bytes) {
        let (number, Raw::Bytes(inner)) = field? else {
            continue;
        };
        *sum += 1;
        if *sum > MAX_DECLARATIONS {
            return Err(Error::TooLarge);
        }
        match part.inner(number) {
            Part::Other => {}
            Part::Options if inner.len() > MAX_OPTIONS => return Err(Error::Options),
            inside => count(inner, inside, depth + 1, sum)?,
        }
    }
    Ok(())
}
