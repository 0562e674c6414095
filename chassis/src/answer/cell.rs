//! One cell of an answer, made to fit.

use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Cut, Map, Node, Path, Relationship, Value};
use mcp_hub_proto::json;

/// How small the values in an object or in a graph's value are cut, one after the other, until the whole fits: parts of a cell.
const SHARES: [usize; 4] = [4, 16, 64, 256];

/// Cuts a value whose JSON has more than `cell` characters. What JSON leaves out anyway is dropped here already, so that it does
/// not travel. Objects, nodes, relationships and paths keep their form as long as cutting the values in them is enough.
pub(super) fn fit(value: &mut Value, cell: usize, scratch: &mut String) {
    drop_unshown(value);
    if length(value, scratch) <= cell {
        return;
    }
    for share in SHARES {
        if !cut_parts(value, cell / share, scratch) {
            break;
        }
        if length(value, scratch) <= cell {
            return;
        }
    }
    cut_whole(value, cell, scratch);
}

/// Cuts the values in an object that have more than `cell` characters, and smaller still until the whole has no more than `most`.
pub(super) fn fit_document(value: &mut Value, cell: usize, most: usize, scratch: &mut String) {
    drop_unshown(value);
    for share in [1].into_iter().chain(SHARES) {
        if !cut_parts(value, cell / share, scratch) {
            return fit(value, cell, scratch);
        }
        if length(value, scratch) <= most {
            return;
        }
    }
    cut_whole(value, most, scratch);
}

/// Cuts a value itself, whatever it is.
fn cut_whole(value: &mut Value, cell: usize, scratch: &mut String) {
    let length = length(value, scratch);
    if length <= cell {
        return;
    }
    let cut = match &mut value.kind {
        // Its length is that of what it was cut from.
        Some(Kind::Cut(cut)) => {
            cut.text = cut.text.chars().take(cell).collect();
            return;
        }
        Some(Kind::Text(text) | Kind::Number(text) | Kind::Json(text)) => text.chars().take(cell).collect(),
        _ => scratch.chars().take(cell).collect(),
    };
    value.kind = Some(Kind::Cut(Cut {
        text: cut,
        length: length as u64,
    }));
}

/// The characters of a value: of a text itself, of all else its JSON, which is then in `scratch`.
fn length(value: &Value, scratch: &mut String) -> usize {
    if let Some(Kind::Text(text) | Kind::Number(text) | Kind::Json(text)) = &value.kind {
        return text.chars().count();
    }
    scratch.clear();
    json::write_value(scratch, value);
    scratch.chars().count()
}

/// Drops bytes and components that are not shown, at any depth.
fn drop_unshown(value: &mut Value) {
    match &mut value.kind {
        Some(Kind::Bytes(bytes)) => {
            bytes.length = bytes.length.max(bytes.data.len() as u64);
            bytes.data.truncate(json::BYTES_SHOWN);
        }
        Some(Kind::Vector(vector)) => {
            let dimensions = u32::try_from(vector.values.len()).unwrap_or(u32::MAX);
            vector.dimensions = vector.dimensions.max(dimensions);
            vector.values.truncate(json::VECTOR_SHOWN);
        }
        Some(Kind::List(list)) => list.values.iter_mut().for_each(drop_unshown),
        Some(Kind::Map(map)) => map_values(map).for_each(drop_unshown),
        kind => properties(kind).flat_map(map_values).for_each(drop_unshown),
    }
}

/// Cuts each value in an object or a graph's value; `false` when it is none of these.
fn cut_parts(value: &mut Value, cell: usize, scratch: &mut String) -> bool {
    let mut any = false;
    if let Some(Kind::Map(map)) = &mut value.kind {
        // Objects in it keep their form as well.
        for value in map_values(map) {
            if !cut_parts(value, cell, scratch) {
                cut_whole(value, cell, scratch);
            }
        }
        return true;
    }
    for property in properties(&mut value.kind).flat_map(map_values) {
        cut_whole(property, cell, scratch);
        any = true;
    }
    any
}

/// The properties of a node, a relationship, or of all that a path goes through.
fn properties(kind: &mut Option<Kind>) -> impl Iterator<Item = &mut Map> {
    let (nodes, relationships): (&mut [Node], &mut [Relationship]) = match kind {
        Some(Kind::Node(node)) => (std::slice::from_mut(node), &mut []),
        Some(Kind::Relationship(relationship)) => (&mut [], std::slice::from_mut(relationship)),
        Some(Kind::Path(Path { nodes, relationships })) => (nodes, relationships),
        _ => (&mut [], &mut []),
    };
    let of_nodes = nodes.iter_mut().filter_map(|node| node.properties.as_mut());
    let of_relationships = relationships.iter_mut().filter_map(|one| one.properties.as_mut());
    of_nodes.chain(of_relationships)
}

fn map_values(map: &mut Map) -> impl Iterator<Item = &mut Value> {
    map.entries.iter_mut().filter_map(|entry| entry.value.as_mut())
}

#[cfg(test)]
mod tests {
    use mcp_hub_proto::data::v1::{Entry, List, Vector};

    use super::*;

    fn of(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn node(properties: Vec<(&str, Kind)>) -> Node {
        let entry = |(key, kind): (&str, Kind)| Entry {
            key: key.to_owned(),
            value: Some(of(kind)),
        };
        Node {
            id: "4:a:1".to_owned(),
            labels: vec!["Person".to_owned()],
            properties: Some(Map {
                entries: properties.into_iter().map(entry).collect(),
            }),
        }
    }

    fn fitted(kind: Kind, cell: usize) -> String {
        let mut value = of(kind);
        fit(&mut value, cell, &mut String::new());
        let mut out = String::new();
        json::write_value(&mut out, &value);
        out
    }

    #[test]
    fn a_node_keeps_its_form_and_loses_the_rest_of_a_long_property() {
        let node = node(vec![
            ("bio", Kind::Text("ä".repeat(5_000))),
            ("name", Kind::Text("Keanu".to_owned())),
        ]);
        let expected = format!(
            r#"{{"$node":"4:a:1","labels":["Person"],"props":{{"bio":{{"$cut":"{}","len":5000}},"name":"Keanu"}}}}"#,
            "ä".repeat(100)
        );
        assert_eq!(fitted(Kind::Node(node), 400), expected);
    }

    fn object(entries: Vec<(&str, Kind)>) -> Kind {
        Kind::Map(node(entries).properties.expect("an object"))
    }

    #[test]
    fn an_object_keeps_its_form_and_so_do_objects_in_it() {
        let long = || Kind::Text("x".repeat(5_000));
        let inner = object(vec![("b", long()), ("c", Kind::Int(7))]);
        let cut = format!(r#"{{"$cut":"{}","len":5000}}"#, "x".repeat(100));
        assert_eq!(
            fitted(object(vec![("a", inner), ("d", long())]), 400),
            format!(r#"{{"a":{{"b":{cut},"c":7}},"d":{cut}}}"#)
        );
    }

    #[test]
    fn an_object_of_very_many_values_is_cut_as_a_whole() {
        let entry = ("a", Kind::Int(7));
        let out = fitted(object(vec![entry; 1_000]), 500);
        assert!(out.starts_with(r#"{"$cut":"{\"a\":7,"#), "{out}");
    }

    #[test]
    fn a_document_has_room_for_many_cells() {
        let document = |values: usize| {
            let mut value = of(object(vec![("a", Kind::Text("x".repeat(3_000))); values]));
            fit_document(&mut value, 2_000, 10_000, &mut String::new());
            let mut out = String::new();
            json::write_value(&mut out, &value);
            out
        };
        assert_eq!(document(4).matches(&"x".repeat(2_000)).count(), 4);
        let many = document(15);
        assert!(
            many.len() <= 10_000 && many.matches(r#""len":3000"#).count() == 15,
            "{many}"
        );
        assert!(document(1_000).starts_with(r#"{"$cut""#));
    }

    #[test]
    fn many_properties_get_smaller_shares() {
        let long = || Kind::Text("x".repeat(900));
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let node = node(keys.map(|key| (key, long())).to_vec());
        let out = fitted(Kind::Node(node), 1_000);
        assert!(out.starts_with(r#"{"$node""#) && out.len() <= 1_000, "{out}");
        assert_eq!(out.matches(r#""len":900"#).count(), keys.len(), "{out}");
    }

    #[test]
    fn a_graph_too_big_for_shares_is_cut_as_a_whole() {
        let path = Path {
            nodes: vec![node(vec![]); 100],
            relationships: vec![],
        };
        let out = fitted(Kind::Path(path), 500);
        assert!(out.starts_with(r#"{"$cut":"{\"$path\""#), "{out}");
    }

    #[test]
    fn a_long_list_is_cut_as_text() {
        let list = List {
            values: vec![of(Kind::Int(7)); 100],
            lower_bounds: vec![],
        };
        assert_eq!(fitted(Kind::List(list), 10), r#"{"$cut":"[7,7,7,7,7","len":201}"#);
    }

    #[test]
    fn a_vector_shows_its_head_wherever_it_stands() {
        let vector = Kind::Vector(Vector {
            values: vec![0.5; 1_536],
            dimensions: 1_536,
        });
        let out = fitted(Kind::Node(node(vec![("embedding", vector)])), 400);
        let shown = r#""embedding":{"$vector":{"dim":1536,"head":[0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5]}}"#;
        assert!(out.contains(shown), "{out}");
    }
}
