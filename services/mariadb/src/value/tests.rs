use super::*;

fn shown(bytes: &[u8], kind: Kind) -> String {
    let mut out = String::new();
    mcp_hub_proto::json::write_value(&mut out, &decode(bytes, kind));
    out
}

#[test]
fn integers_keep_their_sign_and_their_last_digit() {
    let kind = |bytes, unsigned| Kind::Integer { bytes, unsigned };
    assert_eq!(shown(&[0xff], kind(1, false)), "-1");
    assert_eq!(shown(&[0xff], kind(1, true)), "255");
    assert_eq!(shown(&[0xff, 0xff, 0x7f, 0xff], kind(4, false)), "-8388609");
    assert_eq!(
        shown(&u64::MAX.to_le_bytes(), kind(8, true)),
        "\"18446744073709551615\""
    );
    assert_eq!(
        shown(&i64::MIN.to_le_bytes(), kind(8, false)),
        "\"-9223372036854775808\""
    );
}

#[test]
fn a_single_shows_its_own_digits() {
    assert_eq!(shown(&0.1f32.to_le_bytes(), Kind::Float), "0.1");
    assert_eq!(shown(&1e20f32.to_le_bytes(), Kind::Float), "1e+20");
}

#[test]
fn zero_and_partial_dates_stay() {
    assert_eq!(shown(&[0], Kind::Date), "\"0000-00-00\"");
    assert_eq!(shown(&[4, 0xe8, 0x07, 2, 0], Kind::Date), "\"2024-02-00\"");
    assert_eq!(shown(&[0], Kind::DateTime(3)), "\"0000-00-00T00:00:00.000\"");
    assert_eq!(shown(&[0], Kind::Timestamp(0)), "\"0000-00-00T00:00:00\"");
    let full = [11, 0xe8, 0x07, 2, 29, 12, 34, 56, 0x40, 0xe2, 0x01, 0];
    assert_eq!(
        shown(&full, Kind::Timestamp(6)),
        "\"2024-02-29T12:34:56.123456Z\""
    );
    assert_eq!(shown(&full, Kind::DateTime(3)), "\"2024-02-29T12:34:56.123\"");
    assert_eq!(shown(&full, Kind::DateTime(0)), "\"2024-02-29T12:34:56.123456\"");
}

#[test]
fn times_go_beyond_a_day_and_below_zero() {
    assert_eq!(shown(&[0], Kind::Time(0)), "\"00:00:00\"");
    assert_eq!(
        shown(&[8, 1, 34, 0, 0, 0, 22, 59, 59], Kind::Time(0)),
        "\"-838:59:59\""
    );
    assert_eq!(
        shown(&[12, 0, 0, 0, 0, 0, 1, 2, 3, 0x20, 0xa1, 0x07, 0], Kind::Time(2)),
        "\"01:02:03.50\""
    );
}

#[test]
fn bits_are_a_truth_value_or_digits() {
    assert_eq!(shown(&[1], Kind::Bit(1)), "true");
    assert_eq!(shown(&[0b101], Kind::Bit(4)), "\"0101\"");
    assert_eq!(shown(&[1, 0x80], Kind::Bit(10)), "\"0110000000\"");
}

#[test]
fn sets_are_lists() {
    assert_eq!(shown(b"", Kind::Set), "[]");
    assert_eq!(shown(b"a,b c", Kind::Set), "[\"a\",\"b c\"]");
}

#[test]
fn what_is_not_of_its_form_is_bytes() {
    assert_eq!(shown(b"\xff", Kind::Text), "{\"$bytes\":\"/w==\",\"len\":1}");
    for kind in [
        Kind::Date,
        Kind::Time(0),
        Kind::DateTime(6),
        Kind::Timestamp(0),
        Kind::Geometry,
        Kind::Vector,
        Kind::Double,
        Kind::Integer {
            bytes: 8,
            unsigned: false,
        },
        Kind::Nothing,
    ] {
        assert_eq!(shown(b"abc", kind), "{\"$bytes\":\"YWJj\",\"len\":3}", "{kind:?}");
    }
}

#[test]
fn geometries_are_geo_json() {
    let mut point = vec![0xe6, 0x10, 0, 0, 1, 1, 0, 0, 0];
    point.extend(1.5f64.to_le_bytes());
    point.extend((-2f64).to_le_bytes());
    assert_eq!(
        shown(&point, Kind::Geometry),
        r#"{"type":"Point","coordinates":[1.5,-2],"srid":4326}"#
    );
    // A count without its points, a collection in itself without end.
    assert!(shown(&[0, 0, 0, 0, 1, 2, 0, 0, 0, 255, 255, 255, 255], Kind::Geometry).contains("$bytes"));
    let mut deep = vec![0; 4];
    for _ in 0..100_000 {
        deep.extend([1, 7, 0, 0, 0, 1, 0, 0, 0]);
    }
    assert!(shown(&deep, Kind::Geometry).contains("$bytes"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_lost_or_fatal(bytes: Vec<u8>, width in 0usize..70, digits in 0usize..8) {
        for kind in [
            Kind::Integer { bytes: 8, unsigned: true },
            Kind::Float,
            Kind::Double,
            Kind::Decimal,
            Kind::Date,
            Kind::Time(digits),
            Kind::DateTime(digits),
            Kind::Timestamp(digits),
            Kind::Bit(width),
            Kind::Text,
            Kind::Json,
            Kind::Set,
            Kind::Bytes,
            Kind::Geometry,
            Kind::Vector,
            Kind::Nothing,
        ] {
            proptest::prop_assert!(decode(&bytes, kind).kind.is_some());
        }
    }
}
