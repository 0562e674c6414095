use mcp_hub_proto::json;
use proptest::prelude::*;

use super::*;

fn shown(value: &Packed) -> String {
    let mut out = String::new();
    json::write_value(&mut out, &decode(value, Detail::Shown));
    out
}

fn node(id: &str) -> Packed {
    let labels = vec!["L"].into();
    Packed::Struct(b'N', vec![Packed::Int(0), labels, Packed::Map(vec![]), id.into()])
}

fn path(way: &[i64]) -> Packed {
    let step = Packed::Struct(
        b'r',
        vec![Packed::Int(0), "R".into(), Packed::Map(vec![]), "r".into()],
    );
    Packed::Struct(
        b'P',
        vec![
            Packed::List(vec![node("a"), node("b")]),
            Packed::List(vec![step]),
            way.to_vec().into(),
        ],
    )
}

#[test]
fn a_path_goes_both_ways() {
    let Some(Form::Path(there_and_back)) = decode(&path(&[1, 1, -1, 0]), Detail::Whole).kind else {
        panic!("no path");
    };
    let nodes: Vec<&str> = there_and_back.nodes.iter().map(|node| node.id.as_str()).collect();
    assert_eq!(nodes, ["a", "b", "a"]);
    for relationship in &there_and_back.relationships {
        assert_eq!(
            (relationship.start_id.as_str(), relationship.end_id.as_str()),
            ("a", "b"),
            "it is the same relationship"
        );
    }
}

#[test]
fn what_makes_no_sense_is_named_and_breaks_nothing() {
    for value in [
        path(&[1]),
        path(&[0, 1]),
        path(&[2, 1]),
        path(&[1, 2]),
        path(&[1, -1]),
        path(&[i64::MIN, 0]),
        Packed::Struct(b'N', vec![]),
        Packed::Struct(b'D', vec!["x".into()]),
        Packed::Struct(b'X', vec![]),
        Packed::Struct(b'V', vec![Packed::Null]),
    ] {
        assert!(shown(&value).contains("unknown type"), "{value:?}");
    }
}

#[test]
fn identifiers_of_older_servers_are_numbers() {
    let old = Packed::Struct(
        b'N',
        vec![Packed::Int(7), Packed::List(vec![]), Packed::Map(vec![])],
    );
    assert_eq!(shown(&old), r#"{"$node":"7","labels":[],"props":{}}"#);
}

#[test]
fn a_column_is_of_the_type_that_is_seen_in_it() {
    let mut columns = Columns::new(["a", "b", "c"].map(str::to_owned).to_vec(), Detail::Shown);
    columns.row(&[Packed::Null, Packed::Int(1), Packed::Null]);
    columns.row(&[Packed::Null, Packed::Float(1.0), Packed::Bool(true)]);
    let types: Vec<String> = columns.seen().into_iter().map(|column| column.r#type).collect();
    assert_eq!(types, ["ANY", "ANY", "BOOLEAN"]);
}

#[test]
fn an_embedding_is_shown_by_its_beginning_and_kept_whole_for_programs() {
    let floats = |count: usize| Packed::List(vec![Packed::Float(0.1); count]);
    assert!(shown(&floats(EMBEDDING)).starts_with(r#"{"$vector":{"dim":64,"#));
    assert!(shown(&floats(EMBEDDING - 1)).starts_with("[0.1,"));
    let whole = decode(&floats(EMBEDDING), Detail::Whole).kind;
    assert!(matches!(whole, Some(Form::List(list)) if list.values.len() == EMBEDDING));
}

#[test]
fn no_value_is_too_deep_for_a_message() {
    use prost::Message as _;
    for depth in [DEPTH - 1, DEPTH, DEPTH + 1, 99] {
        let mut value = Packed::Map(vec![("n".to_owned(), node("a"))]);
        for _ in 1..depth {
            value = Packed::Map(vec![("k".to_owned(), value)]);
        }
        let row = data::ResultSet {
            rows: vec![data::Row {
                values: vec![decode(&value, Detail::Whole)],
            }],
            ..data::ResultSet::default()
        };
        // Inside a response, as a caller reads it.
        let response = mcp_hub_proto::neo4j::v1::QueryResponse { result: Some(row) };
        let read = mcp_hub_proto::neo4j::v1::QueryResponse::decode(response.encode_to_vec().as_slice());
        assert_eq!(read.as_ref(), Ok(&response), "{depth}");
        assert!(shown(&value).contains("$node"), "{depth}");
    }
}

fn values() -> impl Strategy<Value = Packed> {
    let leaf = prop_oneof![
        Just(Packed::Null),
        any::<i64>().prop_map(Packed::Int),
        any::<f64>().prop_map(Packed::Float),
        ".{0,20}".prop_map(Packed::Text),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Packed::List),
            proptest::collection::vec((".{0,5}", inner.clone()), 0..8).prop_map(Packed::Map),
            (
                proptest::sample::select(b"NRrPDTtIidEXYFfV".to_vec()),
                proptest::collection::vec(inner, 0..8)
            )
                .prop_map(|(tag, fields)| Packed::Struct(tag, fields)),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_server_sends_is_a_value(value in values()) {
        let text = shown(&value);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
    }
}
