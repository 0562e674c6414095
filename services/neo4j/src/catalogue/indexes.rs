//! The indexes of a graph.

use crate::database::Transaction;
use crate::error::Error;
use crate::row::Row;
use crate::wire::packstream::Packed;

/// What kind of index it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IndexKind {
    /// Equality, ranges, prefixes.
    Range,
    /// Substrings.
    Text,
    /// Places.
    Point,
    /// Words.
    Fulltext,
    /// Nearest neighbours.
    Vector,
    /// Labels and types themselves.
    Lookup,
    /// One that a later version has.
    Other,
}

impl IndexKind {
    /// The kind as the contract names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Text => "text",
            Self::Point => "point",
            Self::Fulltext => "fulltext",
            Self::Vector => "vector",
            Self::Lookup => "lookup",
            Self::Other => "other",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            // BTREE is what 4.4 has in its place.
            "RANGE" | "BTREE" => Self::Range,
            "TEXT" => Self::Text,
            "POINT" => Self::Point,
            "FULLTEXT" => Self::Fulltext,
            "VECTOR" => Self::Vector,
            "LOOKUP" => Self::Lookup,
            _ => Self::Other,
        }
    }
}

/// An index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Index {
    /// Its name.
    pub(crate) name: String,
    /// What kind it is.
    pub(crate) kind: IndexKind,
    /// `online`, `populating` or `failed`.
    pub(crate) state: String,
    /// Whether it is on relationships.
    pub(crate) of_relationships: bool,
    /// The labels or relationship types.
    pub(crate) on: Vec<String>,
    /// The properties.
    pub(crate) properties: Vec<String>,
    /// The constraint that owns it.
    pub(crate) constraint: Option<String>,
    /// The dimensions of a vector index, where they are fixed.
    pub(crate) dimensions: Option<u32>,
    /// The similarity function of a vector index, or the analyzer of a full-text index.
    pub(crate) function: String,
}

impl Index {
    /// Whether it answers.
    pub(crate) fn is_online(&self) -> bool {
        self.state == "online"
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let options: Packed = row.get(7)?;
        let setting = |name: &str| options.get("indexConfig").and_then(|config| config.get(name));
        let text = |name: &str| setting(name).and_then(Packed::as_str).map(str::to_lowercase);
        let dimensions = setting("vector.dimensions").and_then(Packed::as_int);
        Ok(Self {
            name: row.get(0)?,
            kind: IndexKind::of(row.text(1).unwrap_or_default()),
            state: row.text(2).unwrap_or_default().to_lowercase(),
            of_relationships: row.text(3) == Some("RELATIONSHIP"),
            on: row.get(4)?,
            properties: row.get(5)?,
            constraint: row.get(6)?,
            dimensions: dimensions.and_then(|dimensions| dimensions.try_into().ok()),
            function: text("vector.similarity_function")
                .or(text("fulltext.analyzer"))
                .unwrap_or_default(),
        })
    }
}

/// All indexes, by name.
///
/// # Errors
/// The server's.
pub(crate) async fn indexes(transaction: &mut Transaction) -> Result<Vec<Index>, Error> {
    let cypher = "SHOW INDEXES YIELD name, type, state, entityType, labelsOrTypes, properties, owningConstraint, options \
                  RETURN name, type, state, entityType, labelsOrTypes, properties, owningConstraint, options ORDER BY name";
    let rows = transaction.first_rows("SHOW INDEXES", cypher, vec![]).await?;
    rows.iter().map(Index::read).collect()
}
