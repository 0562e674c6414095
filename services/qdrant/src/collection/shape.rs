//! The shape of a collection: its vectors and its payload indexes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use mcp_hub_chassis::Fault;
use qdrant_client::qdrant::{
    self, Distance, Modifier, PayloadSchemaInfo, PayloadSchemaType, SparseVectorParams, VectorParams,
    payload_index_params::IndexParams, vectors_config,
};

use crate::config::Config;
use crate::database::{Name, Session};
use crate::error::Error;
use crate::filter;

/// How many keys an error names.
const KEYS_NAMED: usize = 20;

/// What form a vector has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Numbers, as many for each point.
    Dense,
    /// Numbers at some of very many places.
    Sparse {
        /// Whether the server weighs the places by how rare they are, as BM25 needs.
        idf: bool,
    },
    /// Several dense ones of the same size.
    Multi,
}

impl Form {
    /// As the contract names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse { .. } => "sparse",
            Self::Multi => "multi",
        }
    }
}

/// One vector that each point may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vector {
    /// Empty for the unnamed one.
    pub(crate) name: String,
    pub(crate) form: Form,
    /// 0 for a sparse one.
    size: usize,
    /// How it is compared; a sparse one always by dot product.
    pub(crate) distance: Distance,
}

impl Vector {
    /// The dimensions, unless it is sparse.
    pub(crate) fn size(&self) -> Option<usize> {
        (!matches!(self.form, Form::Sparse { .. })).then_some(self.size)
    }

    /// As sentences name it: "unnamed vector", "vector `image`".
    pub(crate) fn title(&self) -> String {
        if self.name.is_empty() {
            "unnamed vector".to_owned()
        } else {
            format!("vector `{}`", self.name)
        }
    }

    /// How it is compared, as the contract names it; empty for a sparse one.
    pub(crate) fn distance_name(&self) -> &'static str {
        match self.distance {
            _ if matches!(self.form, Form::Sparse { .. }) => "",
            Distance::Cosine => "cosine",
            Distance::Dot => "dot",
            Distance::Euclid => "euclid",
            Distance::Manhattan => "manhattan",
            Distance::UnknownDistance => "",
        }
    }

    fn dense(name: &str, params: &VectorParams) -> Self {
        Self {
            name: name.to_owned(),
            form: if params.multivector_config.is_some() {
                Form::Multi
            } else {
                Form::Dense
            },
            size: usize::try_from(params.size).unwrap_or(usize::MAX),
            distance: params.distance(),
        }
    }

    fn sparse(name: &str, params: &SparseVectorParams) -> Self {
        Self {
            name: name.to_owned(),
            form: Form::Sparse {
                idf: params.modifier() == Modifier::Idf,
            },
            size: 0,
            distance: Distance::Dot,
        }
    }
}

/// As lists show it: "384 cosine", "image: 512 dot", "text: sparse", "tokens: multi 128 cosine".
impl fmt::Display for Vector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.is_empty() {
            write!(formatter, "{}: ", self.name)?;
        }
        match self.form {
            Form::Dense => write!(formatter, "{} {}", self.size, self.distance_name()),
            Form::Sparse { .. } => formatter.write_str("sparse"),
            Form::Multi => write!(formatter, "multi {} {}", self.size, self.distance_name()),
        }
    }
}

/// What the values in a payload index are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexKind {
    Keyword,
    Integer,
    Float,
    Bool,
    Datetime,
    Geo,
    Text,
    Uuid,
}

impl IndexKind {
    /// As the contract names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Datetime => "datetime",
            Self::Geo => "geo",
            Self::Text => "text",
            Self::Uuid => "uuid",
        }
    }

    fn of(kind: PayloadSchemaType) -> Option<Self> {
        Some(match kind {
            PayloadSchemaType::UnknownType => return None,
            PayloadSchemaType::Keyword => Self::Keyword,
            PayloadSchemaType::Integer => Self::Integer,
            PayloadSchemaType::Float => Self::Float,
            PayloadSchemaType::Geo => Self::Geo,
            PayloadSchemaType::Text => Self::Text,
            PayloadSchemaType::Bool => Self::Bool,
            PayloadSchemaType::Datetime => Self::Datetime,
            PayloadSchemaType::Uuid => Self::Uuid,
        })
    }
}

/// An index on a payload key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) kind: IndexKind,
    /// In how many points the key is.
    pub(crate) points: Option<u64>,
    /// Whether a text index keeps where words stand, so that phrases are found.
    pub(crate) phrases: bool,
    /// Whether ranges of an integer index can be asked for.
    pub(crate) ranges: bool,
}

impl Index {
    fn of(info: &PayloadSchemaInfo) -> Option<Self> {
        let params = info
            .params
            .as_ref()
            .and_then(|params| params.index_params.as_ref());
        Some(Self {
            kind: IndexKind::of(info.data_type())?,
            points: info.points,
            phrases: matches!(params, Some(IndexParams::TextIndexParams(text)) if text.phrase_matching()),
            ranges: !matches!(params, Some(IndexParams::IntegerIndexParams(integer)) if integer.range == Some(false)),
        })
    }

    /// Whether `order_by` can use it.
    pub(crate) fn sorts(&self) -> bool {
        matches!(
            self.kind,
            IndexKind::Integer | IndexKind::Float | IndexKind::Datetime
        ) && self.ranges
    }

    /// Whether `facet_key` can use it.
    pub(crate) fn counts(&self) -> bool {
        matches!(
            self.kind,
            IndexKind::Keyword | IndexKind::Integer | IndexKind::Bool | IndexKind::Uuid
        )
    }
}

/// What a collection is made of.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Where requests go.
    pub(crate) collection: Name,
    /// Its other names, sorted.
    pub(crate) aliases: Vec<String>,
    /// About how many points it has.
    pub(crate) points: Option<u64>,
    /// The dense ones, then the sparse ones, each by name.
    pub(crate) vectors: Vec<Vector>,
    /// By payload key, as Qdrant writes keys: "a[].b".
    pub(crate) indexes: BTreeMap<String, Index>,
    /// What its owner noted about it.
    pub(crate) metadata: HashMap<String, qdrant::Value>,
}

impl Shape {
    /// The collection's own name.
    pub(crate) fn name(&self) -> &str {
        self.collection.as_str()
    }

    /// Whether it goes by this name, its own or an alias.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name() == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// The key that the argument `field` names, as Qdrant writes it, if it has an index that `fits`.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` with the keys that have one, and how to get one where writes are allowed.
    pub(crate) fn indexed(
        &self,
        field: &str,
        key: &str,
        fits: fn(&Index) -> bool,
        config: &Config,
    ) -> Result<String, Fault> {
        let wrong = |why: String| Fault::argument(field, format!("{field}: {why}"));
        let key = filter::key(key).map_err(wrong)?;
        let why = match self.indexes.get(&key) {
            Some(index) if fits(index) => return Ok(key),
            Some(index) => format!(
                "\"{key}\" has an index of {} values, which does not serve this",
                index.kind.as_str()
            ),
            None => format!("\"{key}\" has no index, and this needs one"),
        };
        let fitting = self.indexes.iter().filter(|(_, index)| fits(index));
        let fitting: Vec<&str> = fitting.map(|(key, _)| key.as_str()).take(KEYS_NAMED).collect();
        let others = if fitting.is_empty() {
            "no key has one".to_owned()
        } else {
            format!("keys that have one: {}", fitting.join(", "))
        };
        let how = if config.allow_writes {
            "; create_payload_index makes one"
        } else {
            ""
        };
        Err(wrong(format!("{why}; {others}{how}")))
    }

    /// Of what the server says about a collection.
    pub(crate) fn of(collection: Name, aliases: Vec<String>, info: &qdrant::CollectionInfo) -> Self {
        let config = info.config.as_ref();
        let params = config.and_then(|config| config.params.as_ref());
        let indexes = info.payload_schema.iter();
        Self {
            collection,
            aliases,
            points: info.points_count,
            vectors: params.map(vectors).unwrap_or_default(),
            indexes: indexes
                .filter_map(|(key, info)| Some((key.clone(), Index::of(info)?)))
                .collect(),
            metadata: config.map(|config| config.metadata.clone()).unwrap_or_default(),
        }
    }
}

/// The dense vectors, then the sparse ones, each by name.
pub(super) fn vectors(params: &qdrant::CollectionParams) -> Vec<Vector> {
    let dense = params
        .vectors_config
        .as_ref()
        .and_then(|dense| dense.config.as_ref());
    let mut vectors = match dense {
        Some(vectors_config::Config::Params(params)) => vec![Vector::dense("", params)],
        Some(vectors_config::Config::ParamsMap(map)) => {
            let named = map.map.iter();
            named.map(|(name, params)| Vector::dense(name, params)).collect()
        }
        None => vec![],
    };
    vectors.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    let sparse = params.sparse_vectors_config.iter();
    let mut sparse: Vec<Vector> = sparse
        .flat_map(|sparse| &sparse.map)
        .map(|(name, params)| Vector::sparse(name, params))
        .collect();
    sparse.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    vectors.extend(sparse);
    vectors
}

impl Session {
    /// The shape of the collection that a caller names, by its own name or by an alias.
    ///
    /// # Errors
    /// As [`collection`](Self::collection), and the server's.
    pub(crate) async fn shape(&self, collection: &str) -> Result<Shape, Error> {
        let (collection, aliases, info) = self.info(collection).await?;
        Ok(Shape::of(collection, aliases, &info))
    }
}
