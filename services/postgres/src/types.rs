//! The types of a database: what a type's OID means for the text forms of its values.
//!
//! Built-in types are known beforehand. The others (enums, domains, composites, ranges, types of extensions) are looked up in the
//! catalogue when they first appear, and again after a while, because they can change.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::traced::Shown;
use crate::wire::Connection;

/// The OIDs of `record`, the type of a row that has no type of its own, and of its array.
const RECORD: u32 = 2249;
const RECORDS: u32 = 2287;

/// How long a type that was looked up counts as known.
const FRESH: Duration = Duration::from_mins(1);

/// A type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Type {
    /// Its name as people write it: `int4`, `text[]`, `shop.color`.
    pub(crate) name: String,
    /// The form of its values.
    pub(crate) kind: Kind,
}

/// The form of a type's values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// Signed integers, and unsigned ones of 32 bits.
    Integer,
    /// `xid8`.
    Unsigned,
    Float,
    Numeric,
    Date,
    Time,
    ZonedTime,
    Timestamp,
    ZonedTimestamp,
    Interval,
    Bytes,
    Json,
    Array {
        element: Arc<Type>,
        delimiter: char,
    },
    /// Names and types of the fields.
    Composite(Vec<(String, Arc<Type>)>),
    /// A row without a type: fields have neither names nor types.
    Record,
    Multirange,
    /// The extension type `hstore`.
    Hstore,
    /// The extension types `vector` and `halfvec`.
    Vector,
    /// Everything whose value is its text.
    Text,
}

/// The types of one database that have appeared.
#[derive(Debug, Default)]
pub(crate) struct Types(Mutex<Known>);

type Known = HashMap<u32, Entry>;

#[derive(Debug)]
struct Entry {
    kind: Arc<Type>,
    /// When it was looked up; built-in types were not.
    since: Option<Instant>,
}

impl Types {
    /// A type that was looked up, however long ago, or is built in.
    pub(crate) fn get(&self, oid: u32) -> Option<Arc<Type>> {
        let mut known = self.known();
        if let Some(entry) = known.get(&oid) {
            return Some(entry.kind.clone());
        }
        let kind = Arc::new(built_in(oid)?);
        Some(keep(oid, kind, None, &mut known))
    }

    /// A type that need not be looked up (again).
    pub(crate) fn fresh(&self, oid: u32) -> Option<Arc<Type>> {
        let kind = self.get(oid)?;
        let since = self.known().get(&oid).and_then(|entry| entry.since);
        since.is_none_or(|since| since.elapsed() < FRESH).then_some(kind)
    }

    /// Looks up those of `oids` that are not fresh, with all that they are made of. Uses the session's unnamed statement.
    pub(crate) async fn load(
        &self,
        connection: &mut Connection,
        oids: impl IntoIterator<Item = u32>,
    ) -> Result<(), Error> {
        let mut found: HashMap<u32, Definition> = HashMap::new();
        let mut missing: BTreeSet<u32> = oids
            .into_iter()
            .filter(|oid| self.fresh(*oid).is_none())
            .collect();
        while !missing.is_empty() {
            for definition in look_up(connection, &missing).await? {
                found.insert(definition.oid, definition);
            }
            // What the catalogue does not have (any more) is text.
            for oid in std::mem::take(&mut missing) {
                found.entry(oid).or_insert_with(|| Definition {
                    oid,
                    name: oid.to_string(),
                    form: Form::Text,
                });
            }
            // Parts are looked up together with the whole, so that both are of one age.
            let parts = found.values().flat_map(|definition| definition.form.parts());
            let unknown = |oid: &u32| *oid != 0 && !found.contains_key(oid) && built_in(*oid).is_none();
            missing = parts.filter(unknown).collect();
        }
        let mut made = HashMap::new();
        for oid in found.keys() {
            build(*oid, &found, &mut made, 0);
        }
        let now = Some(Instant::now());
        let mut known = self.known();
        for (oid, kind) in made.into_iter().filter(|(oid, _)| found.contains_key(oid)) {
            known.insert(oid, Entry { kind, since: now });
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(oid: u32, kind: Arc<Type>, since: Option<Instant>, known: &mut Known) -> Arc<Type> {
    known.insert(
        oid,
        Entry {
            kind: kind.clone(),
            since,
        },
    );
    kind
}

/// A type as the catalogue describes it.
struct Definition {
    oid: u32,
    name: String,
    form: Form,
}

enum Form {
    Array { element: u32, delimiter: char },
    Composite(Vec<(String, u32)>),
    Domain(u32),
    Multirange,
    Hstore,
    Vector,
    Text,
}

impl Form {
    fn parts(&self) -> Vec<u32> {
        match self {
            Self::Array { element, .. } => vec![*element],
            Self::Composite(fields) => fields.iter().map(|(_, oid)| *oid).collect(),
            Self::Domain(base) => vec![*base],
            Self::Multirange | Self::Hstore | Self::Vector | Self::Text => vec![],
        }
    }
}

async fn look_up(connection: &mut Connection, oids: &BTreeSet<u32>) -> Result<Vec<Definition>, Error> {
    const SQL: &str = "
        select t.oid, pg_catalog.format_type(t.oid, null), t.typname, t.typtype,
               case when t.typcategory = 'A' and t.typlen = -1 then t.typelem else 0 end,
               coalesce(e.typdelim, ','), t.typbasetype,
               (select pg_catalog.array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
                 where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
               (select pg_catalog.array_agg(a.atttypid::text order by a.attnum) from pg_catalog.pg_attribute a
                 where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
          from pg_catalog.pg_type t
          left join pg_catalog.pg_type e on e.oid = t.typelem
         where t.oid = any ($1::pg_catalog.oid[])";
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    let oids = format!("{{{}}}", oids.join(","));
    let mut definitions = Vec::new();
    let shown = Shown::ours("SELECT pg_type");
    for row in connection.rows(shown, SQL, &[Some(&oids)], None).await? {
        let (typname, typtype): (String, String) = (row.get(2)?, row.get(3)?);
        let (element, delimiter, base): (u32, String, u32) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let form = match typtype.as_str() {
            "d" => Form::Domain(base),
            "c" => {
                let (names, types): (Vec<String>, Vec<String>) = (row.get(7)?, row.get(8)?);
                let types = types.into_iter().filter_map(|oid| oid.parse().ok());
                Form::Composite(names.into_iter().zip(types).collect())
            }
            "m" => Form::Multirange,
            _ if element != 0 => Form::Array {
                element,
                delimiter: delimiter.chars().next().unwrap_or(','),
            },
            "b" => match typname.as_str() {
                "hstore" => Form::Hstore,
                "vector" | "halfvec" => Form::Vector,
                _ => Form::Text,
            },
            _ => Form::Text,
        };
        definitions.push(Definition {
            oid: row.get(0)?,
            name: row.get(1)?,
            form,
        });
    }
    Ok(definitions)
}

/// Makes a type out of its definition, its parts first. PostgreSQL has no type that contains itself; the depth is for a catalogue
/// that says otherwise.
fn build(
    oid: u32,
    found: &HashMap<u32, Definition>,
    made: &mut HashMap<u32, Arc<Type>>,
    depth: usize,
) -> Arc<Type> {
    if let Some(kind) = made.get(&oid) {
        return kind.clone();
    }
    let kind = match found.get(&oid) {
        Some(definition) if depth < 64 => {
            let mut part = |oid: u32| build(oid, found, made, depth + 1);
            let name = definition.name.clone();
            let kind = match &definition.form {
                // The text form of a domain's value is that of its base type.
                Form::Domain(base) => {
                    let base = part(*base);
                    made.insert(oid, base.clone());
                    return base;
                }
                Form::Array { element, delimiter } => Kind::Array {
                    element: part(*element),
                    delimiter: *delimiter,
                },
                Form::Composite(fields) => Kind::Composite(
                    fields
                        .iter()
                        .map(|(name, oid)| (name.clone(), part(*oid)))
                        .collect(),
                ),
                Form::Multirange => Kind::Multirange,
                Form::Hstore => Kind::Hstore,
                Form::Vector => Kind::Vector,
                Form::Text => Kind::Text,
            };
            Type { name, kind }
        }
        _ => built_in(oid).unwrap_or_else(|| Type {
            name: oid.to_string(),
            kind: Kind::Text,
        }),
    };
    let kind = Arc::new(kind);
    made.insert(oid, kind.clone());
    kind
}

/// A type that every server has under the same OID.
fn built_in(oid: u32) -> Option<Type> {
    use postgres_types::{Kind as Built, Type as BuiltIn};
    let found = BuiltIn::from_oid(oid)?;
    let name = match found.name().strip_prefix('_') {
        Some(element) => format!("{element}[]"),
        None => found.name().to_owned(),
    };
    let kind = match found.kind() {
        // These print as numbers with spaces between.
        Built::Array(_) if found == BuiltIn::INT2_VECTOR || found == BuiltIn::OID_VECTOR => Kind::Text,
        Built::Array(element) => Kind::Array {
            element: Arc::new(built_in(element.oid())?),
            delimiter: if *element == BuiltIn::BOX { ';' } else { ',' },
        },
        Built::Multirange(_) => Kind::Multirange,
        _ if oid == RECORD => Kind::Record,
        _ if oid == RECORDS => Kind::Array {
            element: Arc::new(built_in(RECORD)?),
            delimiter: ',',
        },
        _ => scalar(&found),
    };
    Some(Type { name, kind })
}

fn scalar(found: &postgres_types::Type) -> Kind {
    match found.name() {
        "bool" => Kind::Bool,
        "int2" | "int4" | "int8" | "oid" | "xid" | "cid" => Kind::Integer,
        "xid8" => Kind::Unsigned,
        "float4" | "float8" => Kind::Float,
        "numeric" => Kind::Numeric,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "timetz" => Kind::ZonedTime,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::ZonedTimestamp,
        "interval" => Kind::Interval,
        "bytea" => Kind::Bytes,
        "json" | "jsonb" => Kind::Json,
        _ => Kind::Text,
    }
}

#[cfg(test)]
impl Type {
    /// A type for the tests of the text forms.
    pub(crate) fn of(name: &str, kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_types_have_their_forms_and_names() {
        let types = Types::default();
        for (oid, name, kind) in [
            (23, "int4", Kind::Integer),
            (1700, "numeric", Kind::Numeric),
            (2249, "record", Kind::Record),
            (22, "int2vector", Kind::Text),
            (790, "money", Kind::Text),
            (3904, "int4range", Kind::Text),
            (4451, "int4multirange", Kind::Multirange),
        ] {
            let found = types.get(oid).expect(name);
            assert_eq!((found.name.as_str(), &found.kind), (name, &kind));
        }
        let boxes = types.get(1020).expect("box[]");
        assert_eq!(boxes.name, "box[]");
        assert!(matches!(&boxes.kind, Kind::Array { delimiter: ';', .. }));
        assert_eq!(types.get(100_000), None);
    }

    #[test]
    fn a_domain_over_a_composite_is_the_composite() {
        let found = HashMap::from([
            (1, Form::Domain(2)),
            (
                2,
                Form::Composite(vec![("n".to_owned(), 23), ("d".to_owned(), 3)]),
            ),
            (3, Form::Domain(1700)),
        ])
        .into_iter()
        .map(|(oid, form)| {
            let name = format!("t{oid}");
            (oid, Definition { oid, name, form })
        })
        .collect();
        let domain = build(1, &found, &mut HashMap::new(), 0);
        assert_eq!(domain.name, "t2");
        let Kind::Composite(fields) = &domain.kind else {
            panic!("{domain:?}")
        };
        assert_eq!(fields[1].1.kind, Kind::Numeric);
    }
}
