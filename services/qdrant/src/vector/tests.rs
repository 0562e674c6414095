use mcp_hub_proto::data::v1::{Entry, List};

use super::*;

fn of(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn list(values: Vec<Value>) -> Value {
    of(Kind::List(List {
        values,
        lower_bounds: vec![],
    }))
}

fn doubles(numbers: &[f64]) -> Value {
    list(numbers.iter().map(|number| of(Kind::Double(*number))).collect())
}

fn ints(numbers: &[i64]) -> Value {
    list(numbers.iter().map(|number| of(Kind::Int(*number))).collect())
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    let entry = |(key, value): (&str, Value)| Entry {
        key: key.to_owned(),
        value: Some(value),
    };
    of(Kind::Map(Map {
        entries: entries.into_iter().map(entry).collect(),
    }))
}

fn vector(values: Vec<f32>, dimensions: u32) -> Value {
    of(Kind::Vector(mcp_hub_proto::data::v1::Vector {
        values,
        dimensions,
    }))
}

#[test]
fn each_form_is_read() {
    let dense = |numbers: &[f32]| Ok(Vector::Dense(numbers.to_vec()));
    assert_eq!(
        Vector::read("vector", &doubles(&[0.1, -2.0])),
        dense(&[0.1, -2.0])
    );
    assert_eq!(
        Vector::read("vector", &list(vec![of(Kind::Int(1)), of(Kind::Double(0.5))])),
        dense(&[1.0, 0.5])
    );
    assert_eq!(
        Vector::read("vector", &vector(vec![0.5, 1.0], 2)),
        dense(&[0.5, 1.0])
    );
    let sparse = map(vec![
        ("values", doubles(&[0.5, 0.25])),
        ("indices", ints(&[4_000_000_000, 3])),
    ]);
    assert_eq!(
        Vector::read("vector", &sparse),
        Ok(Vector::Sparse {
            indices: vec![3, 4_000_000_000],
            values: vec![0.25, 0.5]
        }),
        "in the order of the indices"
    );
    let multi = list(vec![doubles(&[1.0, 2.0]), vector(vec![3.0, 4.0], 2)]);
    let read = Vector::read("vector", &multi).expect("reads");
    assert_eq!(read, Vector::Multi(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
    assert_eq!((read.kind(), read.dimensions()), ("multi", Some(2)));
}

#[test]
fn what_is_no_vector_is_told() {
    let text = || of(Kind::Text("0.1".to_owned()));
    for (value, part) in [
        (doubles(&[]), "empty"),
        (doubles(&[1.0, f64::NAN]), "item 1 is not a finite number"),
        (doubles(&[f64::INFINITY]), "item 0 is not a finite number"),
        (doubles(&[1e39]), "item 0 is not a finite number"),
        (vector(vec![f32::NAN], 1), "item 0 is not a finite number"),
        (list(vec![of(Kind::Double(1.0)), text()]), "item 1 is no number"),
        (
            list(vec![of(Kind::Double(1.0)), of(Kind::Null(0))]),
            "item 1 is no number",
        ),
        (text(), "this is text"),
        (of(Kind::Null(0)), "a vector is a list of numbers"),
        (Value::default(), "a vector is a list of numbers"),
        (list(vec![of(Kind::Int(0)); MOST_DIMENSIONS + 1]), "at most 65536"),
        (list(vec![doubles(&[1.0]), doubles(&[])]), "vector 1: it is empty"),
        (
            list(vec![doubles(&[1.0]), doubles(&[1.0, 2.0])]),
            "vector 1 has 2 dimensions, and vector 0 has 1",
        ),
        (
            list(vec![doubles(&[1.0]), of(Kind::Int(1))]),
            "vector 1: a vector is",
        ),
        (
            list(vec![list(vec![doubles(&[1.0])])]),
            "vector 0 is no list of numbers",
        ),
        (
            list(vec![list(vec![of(Kind::Int(0)); 65_536]); 17]),
            "more than 1048576 numbers",
        ),
        (map(vec![]), "both, indices and values"),
        (map(vec![("indices", ints(&[1]))]), "both, indices and values"),
        (
            map(vec![("indices", ints(&[])), ("values", doubles(&[]))]),
            "empty",
        ),
        (
            map(vec![("indices", ints(&[1, 2])), ("values", doubles(&[1.0]))]),
            "2 indices and 1 values",
        ),
        (
            map(vec![("indices", ints(&[2, 2])), ("values", doubles(&[1.0, 2.0]))]),
            "index 2 stands twice",
        ),
        (
            map(vec![("indices", ints(&[-1])), ("values", doubles(&[1.0]))]),
            "index 0 is no whole number",
        ),
        (
            map(vec![("indices", ints(&[1 << 32])), ("values", doubles(&[1.0]))]),
            "index 0 is no whole number",
        ),
        (
            map(vec![("indices", doubles(&[1.0])), ("values", doubles(&[1.0]))]),
            "index 0 is no whole number",
        ),
        (
            map(vec![("indices", ints(&[1])), ("values", doubles(&[f64::NAN]))]),
            "item 0 is not a finite number",
        ),
        (
            map(vec![("indices", ints(&[1])), ("indices", ints(&[1]))]),
            "indices stands twice",
        ),
        (map(vec![("indices", of(Kind::Int(1)))]), "indices is no list"),
        (map(vec![("text", doubles(&[1.0]))]), "\"text\" is not known here"),
        (map(vec![("$vector", map(vec![]))]), "beginning of a vector"),
        (vector(vec![1.0; 8], 384), "beginning of a vector"),
    ] {
        let fault = Vector::read("vector", &value).expect_err(part);
        assert!(
            fault.message.contains(part),
            "{part:?} is not in {:?}",
            fault.message
        );
        assert_eq!(fault.metadata["field"], "vector");
    }
}
