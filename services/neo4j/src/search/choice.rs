//! Which indexes a search asks.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};

use super::Wanted;
use crate::catalogue::{Index, IndexKind};

/// The most full-text indexes that are searched together.
const MOST_INDEXES: usize = 20;

impl Wanted<'_> {
    /// The indexes to ask.
    pub(super) fn indexes<'i>(
        &self,
        indexes: &'i [Index],
        name: Option<&str>,
        notices: &mut Vec<String>,
    ) -> Result<Vec<&'i Index>, Fault> {
        let of_kind: Vec<&Index> = indexes.iter().filter(|index| index.kind == self.kind()).collect();
        if of_kind.is_empty() {
            return Err(self.none());
        }
        let found = match name {
            Some(name) => vec![named(indexes, &of_kind, name)?],
            None => of_kind.into_iter().filter(|index| self.fits(index)).collect(),
        };
        let (mut online, others): (Vec<&Index>, Vec<&Index>) =
            found.into_iter().partition(|index| index.is_online());
        let states = others
            .iter()
            .map(|index| format!("index \"{}\" is {} and is not searched", index.name, index.state));
        notices.extend(states);
        if let (true, Some(index)) = (online.is_empty(), others.first()) {
            let message = format!(
                "index \"{}\" can't be searched now: it is {}",
                index.name, index.state
            );
            return Err(Fault::new(Reason::DatabaseBusy, message));
        }
        match self {
            Self::Words(_) => {
                if online.len() > MOST_INDEXES {
                    let left_out = online.len() - MOST_INDEXES;
                    notices.push(format!(
                        "{left_out} more full-text indexes are not searched: name one in index"
                    ));
                    online.truncate(MOST_INDEXES);
                }
            }
            Self::Vector(vector) => one_for(vector, &online, indexes)?,
        }
        Ok(online)
    }

    fn fits(&self, index: &Index) -> bool {
        match self {
            Self::Words(_) => true,
            Self::Vector(vector) => index
                .dimensions
                .is_none_or(|dimensions| dimensions as usize == vector.len()),
        }
    }

    /// There is no index of the kind.
    fn none(&self) -> Fault {
        let (what, hint) = match self {
            Self::Words(_) => (
                "full-text",
                "One is made with: CREATE FULLTEXT INDEX name FOR (n:Label) ON EACH [n.property]",
            ),
            Self::Vector(_) => (
                "vector",
                "One is made with: CREATE VECTOR INDEX name FOR (n:Label) ON n.property OPTIONS {indexConfig: \
                 {`vector.dimensions`: 1536, `vector.similarity_function`: 'cosine'}}",
            ),
        };
        Fault::new(
            Reason::ObjectNotFound,
            format!("there is no {what} index in this database"),
        )
        .with("hint", hint)
    }

    fn kind(&self) -> IndexKind {
        match self {
            Self::Words(_) => IndexKind::Fulltext,
            Self::Vector(_) => IndexKind::Vector,
        }
    }
}

/// The index of a name, if it is of the kind.
fn named<'i>(indexes: &'i [Index], of_kind: &[&'i Index], name: &str) -> Result<&'i Index, Fault> {
    if let Some(index) = of_kind.iter().find(|index| index.name == name) {
        return Ok(index);
    }
    let kind = of_kind.first().map_or("", |index| index.kind.name());
    if let Some(other) = indexes.iter().find(|index| index.name == name) {
        let message = format!(
            "index \"{name}\" is a {} index, and this search takes a {kind} index",
            other.kind.name()
        );
        return Err(Fault::argument("index", message).with("did_you_mean", names(of_kind)));
    }
    let similar = arguments::similar(name, of_kind.iter().map(|index| index.name.as_str()));
    let similar = if similar.is_empty() {
        names(of_kind)
    } else {
        similar.join(",")
    };
    let message = format!("there is no {kind} index \"{name}\"");
    Err(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar))
}

/// Checks that there is one index for a vector and that it takes it.
fn one_for(vector: &[f32], found: &[&Index], indexes: &[Index]) -> Result<(), Fault> {
    let dimensions = vector.len();
    let all = indexes.iter().filter(|index| index.kind == IndexKind::Vector);
    let all = all.map(|index| match index.dimensions {
        Some(dimensions) => format!("{} ({dimensions})", index.name),
        None => index.name.clone(),
    });
    let all = || all.clone().collect::<Vec<_>>().join(", ");
    match found {
        [] => {
            let message = format!(
                "no vector index has {dimensions} dimensions; there are: {}",
                all()
            );
            Err(Fault::argument("vector", message))
        }
        [index] => {
            if let Some(needed) = index.dimensions.filter(|needed| *needed as usize != dimensions) {
                let message = format!(
                    "index \"{}\" has {needed} dimensions, and vector has {dimensions}",
                    index.name
                );
                return Err(Fault::argument("vector", message));
            }
            if index.function == "cosine" && vector.iter().all(|number| *number == 0.0) {
                let message = "vector is all zeros, which has no direction to compare by cosine";
                return Err(Fault::argument("vector", message));
            }
            Ok(())
        }
        several => {
            let message = format!("several vector indexes have {dimensions} dimensions: name one in index");
            Err(Fault::argument("index", message).with("did_you_mean", names(several)))
        }
    }
}

fn names(indexes: &[&Index]) -> String {
    let names: Vec<&str> = indexes.iter().map(|index| index.name.as_str()).take(10).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, kind: IndexKind, dimensions: Option<u32>) -> Index {
        Index {
            name: name.to_owned(),
            kind,
            state: "online".to_owned(),
            of_relationships: false,
            on: vec!["A".to_owned()],
            properties: vec!["a".to_owned()],
            constraint: None,
            dimensions,
            function: "cosine".to_owned(),
        }
    }

    fn chosen(indexes: &[Index], wanted: &Wanted<'_>, name: Option<&str>) -> Result<Vec<String>, Fault> {
        let found = wanted.indexes(indexes, name, &mut vec![])?;
        Ok(found.into_iter().map(|index| index.name.clone()).collect())
    }

    #[test]
    fn a_vector_goes_to_the_one_index_of_its_size() {
        let indexes = [
            index("a", IndexKind::Vector, Some(3)),
            index("b", IndexKind::Vector, Some(2)),
            index("c", IndexKind::Vector, Some(2)),
            index("d", IndexKind::Range, None),
        ];
        let of = |vector| Wanted::Vector(vector);
        assert_eq!(
            chosen(&indexes, &of(&[1.0, 2.0, 3.0]), None),
            Ok(vec!["a".to_owned()])
        );
        assert_eq!(
            chosen(&indexes, &of(&[1.0, 2.0]), Some("c")),
            Ok(vec!["c".to_owned()])
        );
        let fault = chosen(&indexes, &of(&[1.0, 2.0]), None).expect_err("two");
        assert_eq!(fault.metadata["did_you_mean"], "b,c");
        let fault = chosen(&indexes, &of(&[1.0]), None).expect_err("none");
        assert_eq!(
            fault.message,
            "no vector index has 1 dimensions; there are: a (3), b (2), c (2)"
        );
        let fault = chosen(&indexes, &of(&[1.0]), Some("a")).expect_err("another size");
        assert_eq!(fault.message, "index \"a\" has 3 dimensions, and vector has 1");
        let fault = chosen(&indexes, &of(&[1.0]), Some("d")).expect_err("another kind");
        assert_eq!(
            fault.message,
            "index \"d\" is a range index, and this search takes a vector index"
        );
        assert!(
            chosen(&indexes, &of(&[0.0, 0.0, 0.0]), None).is_err(),
            "no direction"
        );
        let fault = chosen(&indexes, &Wanted::Words("x"), None).expect_err("no such index");
        assert_eq!(fault.reason, Reason::ObjectNotFound);
    }

    #[test]
    fn an_index_that_is_not_ready_is_said() {
        let mut indexes = [
            index("a", IndexKind::Fulltext, None),
            index("b", IndexKind::Fulltext, None),
        ];
        indexes[1].state = "populating".to_owned();
        let mut notices = vec![];
        let found = Wanted::Words("x")
            .indexes(&indexes, None, &mut notices)
            .expect("one");
        assert_eq!((found.len(), notices.len()), (1, 1));
        let fault = chosen(&indexes, &Wanted::Words("x"), Some("b")).expect_err("not ready");
        assert_eq!(fault.reason, Reason::DatabaseBusy);
    }
}
