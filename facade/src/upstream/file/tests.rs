//! What a file may say, and what is said of what it may not.

use std::time::Duration;

use super::entry::normal;
use super::*;

#[test]
fn a_file_names_upstreams_in_both_forms() {
    let text = r#"
        orders = "http://10.0.0.7:50051"
        [upstreams.billing]
        address = ["billing-a:50051", "http://[::1]:50052/"]
        description = "invoices since 2021"
        allow = ["list_*", "query"]
        deny = "list_databases"
        timeout = 2.5
        concurrency = 3
        optional = true
    "#;
    let upstreams = Upstreams::parse(text).expect("valid");
    assert_eq!(upstreams.keys().collect::<Vec<_>>(), ["billing", "orders"]);
    assert_eq!(upstreams.listed["orders"], Upstream::at("http://10.0.0.7:50051"));
    let billing = &upstreams.listed["billing"];
    assert_eq!(
        billing.addresses,
        ["http://billing-a:50051", "http://[::1]:50052"]
    );
    assert_eq!(
        (billing.timeout, billing.concurrency),
        (Duration::from_millis(2500), 3)
    );
    assert!(billing.optional);
    assert!(billing.admits("query") && billing.admits("list_tables"));
    assert!(!billing.admits("list_databases") && !billing.admits("execute"));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, expected) in [
        ("orders =", "the upstreams file is not valid TOML"),
        (
            "Orders = 'http://a:1'",
            "the upstream \"Orders\" can't have this name: it takes a lower-case letter, then letters, digits and underscores, 24 at most, and neither \"health\" nor \"list\"",
        ),
        (
            "[orders]\naddress = 'http://a:1'",
            "unknown table [orders]: a table of an upstream is [upstreams.orders]",
        ),
        (
            "[upstreams.a]\naddres = 'http://a:1'",
            "the upstream \"a\" has an unknown setting \"addres\"; known are: address, description, allow, deny, timeout, concurrency, optional",
        ),
        (
            "a = 'http://a:1'\n[upstreams]\na = 'http://a:2'",
            "the upstream \"a\" is there twice",
        ),
        ("[upstreams.a]", "the upstream \"a\": address is missing"),
        (
            "a = 'https://a:1'",
            "the upstream \"a\": address must begin with http://",
        ),
        (
            "a = 'http://user:secret@a:1'",
            "the upstream \"a\": address must not have a user or a password",
        ),
        (
            "a = 'http://a'",
            "the upstream \"a\": address must have a host and a port",
        ),
        (
            "a = 'http://a:1/x'",
            "the upstream \"a\": address must end after the port",
        ),
        (
            "a = 3",
            "the upstream \"a\": its value must be an address or a table",
        ),
        (
            "[upstreams.a]\naddress = 'a:1'\ntimeout = 56",
            "the upstream \"a\": timeout must be more than 0 and at most 55 seconds",
        ),
        (
            "[upstreams.a]\naddress = 'a:1'\nconcurrency = 0",
            "the upstream \"a\": concurrency must be from 1 to 10000",
        ),
        (
            "[upstreams.a]\naddress = 'a:1'\noptional = 'yes'",
            "the upstream \"a\": optional must be true or false",
        ),
    ] {
        assert_eq!(
            Upstreams::parse(text).expect_err(text).to_string(),
            expected,
            "{text}"
        );
    }
    for key in ["health", "list", "", "_a", "1a", "a-b", &"a".repeat(25)] {
        let refused = Upstreams::default().add(key, Upstream::at("a:1"));
        assert!(matches!(refused, Err(Error::Key { .. })), "{key}");
    }
}

#[test]
fn port_80_is_a_port() {
    assert_eq!(normal("http://a:80"), Ok("http://a:80".to_owned()));
}
