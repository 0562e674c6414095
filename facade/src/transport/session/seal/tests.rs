use proptest::prelude::*;

use super::*;

/// The time at which nothing here has expired.
const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn seal(keys: &[(&str, u8)]) -> Seal {
    Seal::new(KeyRing::fixed(keys))
}

fn claims(address: Option<&str>) -> Claims {
    Claims {
        owner: Owner {
            address: address.map(|address| address.parse().unwrap()),
            boot: [1; BOOT],
        },
        stream: [2; STREAM],
        principal: [3; PRINCIPAL],
        expires: NOW + 60,
    }
}

#[test]
fn what_was_sealed_is_read_by_all_who_have_the_key() {
    let (one, other) = (
        seal(&[("abcdefghijklmnop", 1), ("b", 2)]),
        seal(&[("b", 2), ("abcdefghijklmnop", 1)]),
    );
    for address in [
        None,
        Some("10.1.2.3:8001"),
        Some("[2001:db8::1]:1"),
        Some("255.255.255.255:65535"),
    ] {
        let claims = claims(address);
        let id = one.seal(&claims);
        assert_eq!(other.open(&id, now()), Some(claims));
        assert!(id.len() < 200, "{}", id.len());
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(id.bytes().all(fit), "{id}");
        // The nonce is new each time, and the length tells nothing.
        let again = one.seal(&claims);
        assert_eq!(again.len(), id.len());
        assert_ne!(again, id);
    }
}

#[test]
fn nothing_is_read_under_another_key_name_or_version() {
    let one = seal(&[("a", 1), ("b", 2)]);
    let id = one.seal(&claims(None));
    assert!(one.open(&id, now()).is_some());
    for keys in [&[("b", 2)][..], &[("a", 2)], &[("c", 1)]] {
        assert_eq!(seal(keys).open(&id, now()), None);
    }
    let sealed = id.strip_prefix("a.").unwrap();
    // The same secret under another name: the name is under the seal too.
    let renamed = seal(&[("c", 1)]);
    assert_eq!(renamed.open(&format!("c.{sealed}"), now()), None);
    assert_eq!(one.open(&format!("b.{sealed}"), now()), None);

    let mut bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap();
    bytes[0] = VERSION + 1;
    let version = format!("a.{}", URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(one.open(&version, now()), None);
}

#[test]
fn an_id_is_nothing_from_its_end_on() {
    let seal = seal(&[("a", 1)]);
    let claims = claims(None);
    let id = seal.seal(&claims);
    let at = |second: u64| seal.open(&id, SystemTime::UNIX_EPOCH + Duration::from_secs(second));
    assert!(at(claims.expires - 1).is_some());
    assert_eq!(at(claims.expires), None);
    assert_eq!(at(claims.expires + 1_000_000), None);
    assert_eq!(
        seal.open(&id, SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
        None
    );
}

#[test]
fn every_bit_and_every_character_counts() {
    let seal = seal(&[("a", 1)]);
    let id = seal.seal(&claims(Some("10.1.2.3:8001")));
    let bytes = URL_SAFE_NO_PAD.decode(&id[2..]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let flipped = format!("a.{}", URL_SAFE_NO_PAD.encode(flipped));
        assert_eq!(seal.open(&flipped, now()), None, "bit {bit}");
    }
    for index in 0..id.len() {
        // Also the bits of the last character that no byte has.
        for other in ["A", "B", "_", ".", "=", "%", ""] {
            let mut changed = id.clone();
            changed.replace_range(index..=index, other);
            if changed != id {
                assert_eq!(seal.open(&changed, now()), None, "{changed}");
            }
        }
        assert_eq!(seal.open(&id[..index], now()), None);
        assert_eq!(seal.open(&id[index + 1..], now()), None);
    }
    for more in ["A", "AAAA", "=", " ", "\0"] {
        assert_eq!(seal.open(&format!("{id}{more}"), now()), None);
        assert_eq!(seal.open(&format!("{more}{id}"), now()), None);
    }
}

#[test]
fn keys_that_change_are_used_at_once() {
    let ring = KeyRing::fixed(&[("a", 1)]);
    let seal = Seal::new(ring.clone());
    let old = seal.seal(&claims(None));
    ring.rotate(&[("b", 2), ("a", 1)]);
    assert!(seal.seal(&claims(None)).starts_with("b."));
    assert!(seal.open(&old, now()).is_some());
    ring.rotate(&[("b", 2)]);
    assert_eq!(seal.open(&old, now()), None);
}

#[test]
fn a_huge_id_costs_nothing() {
    let seal = seal(&[("a", 1)]);
    let huge = "A".repeat(64 * 1024 * 1024);
    let started = std::time::Instant::now();
    for id in [&huge, &format!("a.{huge}"), &format!("{huge}.{huge}")] {
        for _ in 0..1000 {
            assert_eq!(seal.open(id, now()), None);
        }
    }
    // Looking at all of it once would take longer.
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

proptest! {
    #[test]
    fn nobody_guesses(id in ".{0,300}|[a-z]{1,3}\\.[A-Za-z0-9_-]{138}|a\\.AQ[A-Za-z0-9_-]{136}") {
        prop_assert_eq!(seal(&[("a", 1)]).open(&id, now()), None);
    }
}
