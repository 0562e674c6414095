use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use mcp_hub_testing::eventually;

use super::*;
use crate::registry;
use crate::upstream::Upstreams;

const SOON: std::time::Duration = std::time::Duration::from_secs(10);

impl KeyRing {
    /// A ring of named keys whose bytes are all the same.
    pub(in crate::transport::session) fn fixed(keys: &[(&str, u8)]) -> Self {
        let ring = Self::random();
        ring.rotate(keys);
        ring
    }

    /// Puts such keys in force.
    pub(in crate::transport::session) fn rotate(&self, keys: &[(&str, u8)]) {
        let key = |(name, byte): &(&str, u8)| Key {
            name: (*name).to_owned(),
            bytes: [*byte; 32],
        };
        self.replace(keys.iter().map(key).collect());
    }
}

#[test]
fn a_file_has_a_key_a_line_in_either_alphabet() {
    let bytes = [0xfb; 32];
    let text = format!(
        "# keys\n\na:{}\r\n  b:{}\nC_-9: {}  \nabcdefghijklmnop:{}",
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
    );
    let keys = parse(&text).unwrap();
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "C_-9", "abcdefghijklmnop"]);
    assert!(keys.iter().all(|key| key.bytes == bytes));
}

#[test]
fn an_error_has_the_line_and_never_the_key() {
    let good = format!("good:{}", STANDARD.encode([7; 32]));
    let short = STANDARD.encode([7; 31]);
    let long = STANDARD.encode([7; 33]);
    for (line, problem) in [
        ("nonsense".to_owned(), "is not name:base64"),
        (short.clone(), "is not name:base64"),
        (format!("a:{short}"), "has a key that is not 32 bytes"),
        (format!("a:{long}"), "has a key that is not 32 bytes"),
        ("a:".to_owned(), "has a key that is not 32 bytes"),
        (format!("a:{short}!"), "has a key that is not base64"),
        (
            format!("a:{}", STANDARD.encode([7; 48])),
            "has a key that is not 32 bytes",
        ),
        (good.clone(), "has the name of a key above it"),
        (format!(":{long}"), "names its key wrongly"),
        (format!("a.b:{long}"), "names its key wrongly"),
        (format!("abcdefghijklmnopq:{long}"), "names its key wrongly"),
    ] {
        let error = parse(&format!("# one\n{good}\n\n{line}\n"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("line 4 of the session keys file {problem}")),
            "{error}"
        );
        assert!(!error.contains(&short[..8]), "{error}");
    }
    for text in ["", "\n\n", "# a:b\n"] {
        assert!(matches!(parse(text), Err(Error::Empty)), "{text:?}");
    }
    let key = &parse(&good).unwrap()[0];
    assert_eq!(format!("{key:?}"), r#"Key { name: "good", .. }"#);
}

#[test]
fn each_purpose_has_keys_of_its_own_that_every_replica_derives_alike() {
    let (ring, other) = (KeyRing::fixed(&[("a", 1), ("b", 2)]), KeyRing::fixed(&[("b", 2)]));
    let (one, two) = (ring.derive("one"), ring.derive("two"));
    assert_eq!((one[0].name.as_str(), one[1].name.as_str()), ("a", "b"));
    assert_eq!(one[1], other.derive("one")[0]);
    let mut all = vec![
        [1; 32],
        [2; 32],
        one[0].bytes,
        one[1].bytes,
        two[0].bytes,
        two[1].bytes,
    ];
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6);
    // As RFC 5869 has it, so that another version of ours derives the same.
    assert_eq!(one[0].bytes[..4], [0x19, 0x09, 0x79, 0xd6]);
}

#[test]
fn without_a_file_the_key_is_random() {
    let ring = KeyRing::read(&Config::default(), &Awaited::new(false)).unwrap();
    assert!(ring.is_random());
    assert_ne!(ring.derive("x"), KeyRing::random().derive("x"));
    let missing = Config {
        session_keys_file: Some("/nonexistent/keys".into()),
    };
    assert!(matches!(
        KeyRing::read(&missing, &Awaited::new(false)),
        Err(Error::Unreadable { .. })
    ));
}

#[tokio::test]
async fn the_file_is_followed_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let write = |text: String| std::fs::write(&path, text).unwrap();
    let line = |name: &str, byte: u8| format!("{name}:{}\n", STANDARD.encode([byte; 32]));
    write(line("old", 1));
    let config = Config {
        session_keys_file: Some(path.clone()),
    };
    let awaited = Awaited::new(false);
    let ring = KeyRing::read(&config, &awaited).unwrap();
    assert!(!ring.is_random());
    let lifecycle = Lifecycle::new();
    let registry = registry::Config { tools_kept: 3600 };
    let registry = Registry::start(&registry, Upstreams::default(), &lifecycle);
    ring.watch(&awaited, &registry, &lifecycle);
    let (before, mut changes) = (ring.derive("x"), ring.changes());

    write("old:short\n".to_owned());
    let notices = async |count: usize| {
        eventually(SOON, async || match registry.notices() {
            notices if notices.len() == count => Ok(()),
            notices => Err(format!("{notices:?}")),
        })
        .await;
    };
    notices(1).await;
    assert_eq!(ring.derive("x"), before);
    assert!(!changes.has_changed().unwrap());

    write(line("new", 2) + &line("old", 1));
    tokio::time::timeout(SOON, changes.changed())
        .await
        .unwrap()
        .unwrap();
    notices(0).await;
    let after = ring.derive("x");
    assert_eq!((after.len(), &after[1]), (2, &before[0]));
    assert_eq!(after[0].name, "new");
    lifecycle.stop();
}
