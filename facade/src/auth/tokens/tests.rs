use std::net::Ipv4Addr;

use super::super::token::Token;
use super::*;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Files {
    folder: tempfile::TempDir,
    tokens: Vec<(Entry, Token)>,
}

impl Files {
    fn new(names: &[&str]) -> Self {
        let tokens = names.iter().map(|name| {
            let token = Token::generate().unwrap();
            let entry = Entry {
                name: (*name).to_owned(),
                digest: token.digest(),
                scopes: vec![Scope::Read],
                upstreams: None,
                expires: None,
            };
            (entry, token)
        });
        Self {
            tokens: tokens.collect(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        self.tokens.iter().map(|(entry, _)| entry.clone()).collect()
    }

    fn shown(&self, index: usize) -> &str {
        self.tokens[index].1.expose()
    }

    fn read(&self) -> Tokens {
        let path = self.folder.path().join("tokens.toml");
        let text: String = self.entries().iter().map(ToString::to_string).collect();
        std::fs::write(&path, text).unwrap();
        Tokens::read(&path, &Awaited::new(false)).unwrap()
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test]
async fn each_token_is_found_wherever_it_stands_and_no_other() {
    let files = Files::new(&["a", "b", "c", "d"]);
    let tokens = files.read();
    for (index, name) in ["token:a", "token:b", "token:c", "token:d"].iter().enumerate() {
        let principal = tokens.find(files.shown(index), now()).unwrap();
        assert_eq!(principal.name(), *name);
    }
    let unknown = Token::generate().unwrap();
    for wrong in [unknown.expose(), "", "mcphub_", &files.shown(0)[..49]] {
        assert_eq!(tokens.find(wrong, now()).unwrap_err(), Denied::Invalid);
    }
}

#[tokio::test]
async fn an_entry_that_stays_keeps_its_principal_and_the_others_end() {
    let files = Files::new(&["changed", "removed", "stays"]);
    let tokens = files.read();
    let before: Vec<_> = (0..3)
        .map(|index| tokens.find(files.shown(index), now()).unwrap())
        .collect();
    let mut entries = files.entries();
    entries.remove(1);
    entries[0].scopes = vec![Scope::Read, Scope::Write];
    tokens.replace(entries);

    let ended: Vec<bool> = before
        .iter()
        .map(|principal| principal.ended().is_cancelled())
        .collect();
    assert_eq!(ended, [true, true, false]);
    let changed = tokens.find(files.shown(0), now()).unwrap();
    assert!(!changed.ended().is_cancelled());
    assert_eq!(tokens.find(files.shown(1), now()).unwrap_err(), Denied::Invalid);
    let stays = tokens.find(files.shown(2), now()).unwrap();
    assert!(Arc::ptr_eq(&stays, &before[2]));
}

#[tokio::test]
async fn what_expires_ends_at_that_time_and_not_before() {
    let mut files = Files::new(&["first", "later", "never"]);
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    files.tokens[0].0.expires = Some(at(100));
    files.tokens[1].0.expires = Some(at(200));
    let tokens = files.read();
    let principals: Vec<_> = (0..3)
        .map(|index| tokens.find(files.shown(index), at(0)).unwrap())
        .collect();
    let ended = || {
        let ended = principals
            .iter()
            .map(|principal| principal.ended().is_cancelled());
        ended.collect::<Vec<_>>()
    };

    assert_eq!(tokens.expire(at(99)), Some(at(100)));
    assert_eq!(ended(), [false, false, false]);
    assert_eq!(tokens.expire(at(100)), Some(at(200)));
    assert_eq!(ended(), [true, false, false]);
    assert_eq!(tokens.find(files.shown(0), at(100)).unwrap_err(), Denied::Expired);
    assert!(tokens.find(files.shown(1), at(100)).is_ok());
    assert_eq!(tokens.expire(at(1000)), None);
    assert_eq!(ended(), [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_is_let_in_from_an_address_that_is_past_its_limit() {
    let files = Files::new(&["a"]);
    let tokens = files.read();
    let admit = |credential| tokens.admit(credential, ADDRESS);
    // To ask without a token is no failed login.
    for _ in 0..100 {
        assert_eq!(admit(Credential::None).unwrap_err(), Denied::Missing);
    }
    for credential in [Credential::Token("x"), Credential::Other, Credential::Several] {
        assert!(!matches!(admit(credential).unwrap_err(), Denied::TooMany(_)));
    }
    while !matches!(admit(Credential::Other).unwrap_err(), Denied::TooMany(_)) {}
    for credential in [Credential::Token("x"), Credential::None, Credential::Several] {
        assert!(matches!(admit(credential).unwrap_err(), Denied::TooMany(_)));
    }
    assert!(admit(Credential::Token(files.shown(0))).is_ok());
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(
        tokens.admit(Credential::Other, elsewhere).unwrap_err(),
        Denied::Invalid
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_an_error_at_the_start() {
    let files = Files::new(&[]);
    let path = files.folder.path().join("tokens.toml");
    assert!(matches!(
        Tokens::read(&path, &Awaited::new(false)),
        Err(Error::Unreadable { .. })
    ));
    for text in ["", "[tokens.a]\n", "x"] {
        std::fs::write(&path, text).unwrap();
        assert!(
            matches!(
                Tokens::read(&path, &Awaited::new(false)),
                Err(Error::Tokens { .. })
            ),
            "{text}"
        );
    }
}
