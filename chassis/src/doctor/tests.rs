use super::*;

#[test]
fn blanks_are_filled_or_words() {
    let finding = Finding::new(Hop::Port, "orders: db:5432", Verdict::TimedOut).fill("port", "5432");
    let mend = finding.mend();
    assert!(mend.contains("from NETWORK to any port 5432"), "{mend}");
    assert!(
        Verdict::TimedOut
            .mend_in_words()
            .contains("from NETWORK to any port PORT")
    );
}

#[test]
fn each_verdict_has_a_code_of_its_own_and_words() {
    for verdict in Verdict::ALL {
        assert_eq!(
            Verdict::of_code(verdict.code()),
            Some(*verdict),
            "{}",
            verdict.code()
        );
        let plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(verdict.code().chars().all(plain), "{}", verdict.code());
        let has_mend = !verdict.mend().is_empty();
        assert!(
            !verdict.meaning().is_empty() && (has_mend || *verdict == Verdict::Ok),
            "{}",
            verdict.code()
        );
    }
}

#[test]
fn no_address_is_hard_wired() {
    for verdict in Verdict::ALL {
        for word in [verdict.meaning(), verdict.mend()]
            .join(" ")
            .split([' ', '`', '(', ')', ',', '/', ':'])
        {
            if let Ok(address) = word.parse::<std::net::IpAddr>() {
                assert!(address.is_loopback(), "{}: {word}", verdict.code());
            }
        }
    }
}

#[test]
fn hops_are_found_by_their_names() {
    for hop in Hop::ALL {
        assert_eq!(Hop::named(hop.name()), Some(hop));
    }
    assert!(Hop::ALL.is_sorted());
}

#[test]
fn what_others_learn_has_no_address() {
    let finding = Finding::new(Hop::Port, "orders: db.example.com:5432", Verdict::Refused)
        .fill("host", "db.example.com")
        .with_detail("db.example.com says no");
    assert_eq!(finding.public_detail(), "");
    assert_eq!(finding.with_detail("it says no").public_detail(), "it says no");
}
