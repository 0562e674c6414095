use proptest::prelude::*;

use super::*;

fn encoded(value: &Packed) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&mut out, value);
    out.to_vec()
}

fn values() -> impl Strategy<Value = Packed> {
    let leaf = prop_oneof![
        Just(Packed::Null),
        any::<bool>().prop_map(Packed::Bool),
        any::<i64>().prop_map(Packed::Int),
        (-70_000_i64..70_000).prop_map(Packed::Int),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |number| !number.is_nan())
            .prop_map(Packed::Float),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Packed::Bytes(bytes.into())),
        ".{0,300}".prop_map(Packed::Text),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Packed::List),
            proptest::collection::vec((".{0,20}", inner.clone()), 0..20).prop_map(Packed::Map),
            (any::<u8>(), proptest::collection::vec(inner, 0..15))
                .prop_map(|(tag, fields)| Packed::Struct(tag, fields)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(value in values()) {
        prop_assert_eq!(decode(&encoded(&value)), Ok(value));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_part_of_a_value_is_an_error(value in values(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let cut = cut.index(bytes.len());
        prop_assert_eq!(decode(&bytes[..cut]), Err(Malformed::Truncated));
    }
}

#[test]
fn integers_take_the_room_that_they_need() {
    for (number, length) in [
        (-16, 1),
        (127, 1),
        (-17, 2),
        (-128, 2),
        (128, 3),
        (-32_768, 3),
        (32_768, 5),
        (i64::from(i32::MIN), 5),
        (1 << 31, 9),
        (i64::MIN, 9),
    ] {
        let bytes = encoded(&Packed::Int(number));
        assert_eq!(bytes.len(), length, "{number}");
        assert_eq!(decode(&bytes), Ok(Packed::Int(number)));
    }
}

#[test]
fn lengths_of_every_size_are_read() {
    for length in [0, 15, 16, 255, 256, 65_535, 65_536] {
        for value in [
            Packed::Text("x".repeat(length)),
            Packed::Bytes(vec![1; length].into()),
            Packed::List(vec![Packed::Null; length]),
            Packed::Map(vec![("k".to_owned(), Packed::Bool(true)); length]),
        ] {
            assert_eq!(decode(&encoded(&value)), Ok(value), "{length}");
        }
    }
}

#[test]
fn a_length_that_lies_reserves_nothing() {
    for marker in [0xD6, 0xDA, 0xD2, 0xCE] {
        assert_eq!(
            decode(&[marker, 0xFF, 0xFF, 0xFF, 0xFF, 0x00]),
            Err(Malformed::Truncated)
        );
    }
}

#[test]
fn depth_and_number_are_bounded() {
    let mut deep = vec![0x91; MAX_DEPTH];
    deep.push(0xC0);
    assert!(decode(&deep).is_ok());
    deep.insert(0, 0x91);
    assert_eq!(decode(&deep), Err(Malformed::TooDeep));
    // So deep that recursion without a bound would end the process.
    assert_eq!(decode(&vec![0x91; 10_000_000]), Err(Malformed::TooDeep));
    let many = [[0xD6].as_slice(), &[0x00, 0x20, 0x00, 0x00], &vec![0xC0; 1 << 21]].concat();
    assert_eq!(decode(&many), Err(Malformed::TooMany));
}

#[test]
fn damage_is_named() {
    assert_eq!(decode(&[0xC4]), Err(Malformed::Marker(0xC4)));
    assert_eq!(decode(&[0xC0, 0xC0]), Err(Malformed::Trailing));
    assert_eq!(decode(&[0x81, 0xFF]), Err(Malformed::Text));
    assert_eq!(decode(&[0xA1, 0x01, 0x01]), Err(Malformed::Key));
}
