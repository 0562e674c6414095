//! Bounds in number and in length.

use super::*;

fn attribute(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
}

#[test]
fn the_last_value_of_an_attribute_counts_and_its_length_is_bounded() {
    let list = Value::Array(Array::String(vec!["äöüß".to_owned().into()]));
    let mut attributes = vec![
        attribute("a", "first"),
        attribute("b", "äöü"),
        attribute("a", "äöüß!"),
        KeyValue::new("c", 12_345),
        KeyValue::new("d", list),
    ];
    settle(&mut attributes, 3);
    let cut = Value::Array(Array::String(vec!["äöü".to_owned().into()]));
    let expected = [
        attribute("b", "äöü"),
        attribute("a", "äöü"),
        KeyValue::new("c", 12_345),
        KeyValue::new("d", cut),
    ];
    assert_eq!(attributes, expected);
}
