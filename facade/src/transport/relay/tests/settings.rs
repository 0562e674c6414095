//! What the settings of the relay have to be.

use std::io::Write as _;

use super::super::{Bound, Config, Error};
use crate::transport::session::keys::{self, KeyRing};

fn config(arguments: &[&str]) -> Config {
    let sources = mcp_hub_chassis::config::Sources {
        arguments: std::iter::once(&"x").chain(arguments).map(Into::into).collect(),
        ..Default::default()
    };
    let config: crate::Config = sources.load().unwrap();
    config.relay
}

fn keys() -> KeyRing {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "first:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let session_keys_file = Some(file.path().to_owned());
    let config = keys::Config { session_keys_file };
    KeyRing::read(&config, &crate::secrets::Awaited::new(false)).unwrap()
}

#[tokio::test]
async fn there_is_a_relay_when_there_are_peers() {
    let open = async |arguments: &[&str]| Bound::open(&config(arguments), &keys()).await;
    assert!(open(&[]).await.unwrap().is_none());
    let bound = open(&["--peers=127.0.0.1:9", "--relay-listen=127.0.0.1:0"]).await;
    let bound = bound.unwrap().unwrap();
    assert_eq!(bound.own, bound.listener.local_addr().unwrap());
    let bound = open(&[
        "--peer-networks=10.42.0.0/16,10.0.0.7",
        "--relay-listen=0.0.0.0:0",
        "--relay-address=10.42.0.5",
    ]);
    let bound = bound.await.unwrap().unwrap();
    let port = bound.listener.local_addr().unwrap().port();
    assert_eq!(bound.own, format!("10.42.0.5:{port}").parse().unwrap());
    let bound = open(&[
        "--peers=peers:8001",
        "--relay-listen=[::]:0",
        "--relay-address=[fd00::5]:7001",
    ]);
    assert_eq!(
        bound.await.unwrap().unwrap().own,
        "[fd00::5]:7001".parse().unwrap()
    );

    let taken = open(&["--peers=peers:8001", "--relay-listen=127.0.0.1:0"]).await;
    let listen = format!("--relay-listen={}", taken.as_ref().unwrap().as_ref().unwrap().own);
    let again = open(&["--peers=peers:8001", &listen]).await;
    assert!(matches!(again, Err(Error::AddressInUse(_))), "{again:?}");
}

#[tokio::test]
async fn contradictions_are_told_with_their_cure() {
    let refused = async |arguments: &[&str], keys: KeyRing| {
        let error = Bound::open(&config(arguments), &keys).await;
        error.expect_err("refused").to_string()
    };
    let said = [
        refused(&["--peers=peers:8001"], KeyRing::random()).await,
        refused(&["--peers=peers:8001", "--relay-listen=[::]:0"], keys()).await,
        refused(&["--relay-listen=127.0.0.1:0"], keys()).await,
        refused(&["--relay-address=127.0.0.1"], keys()).await,
    ];
    for (said, cure) in said
        .iter()
        .zip(["--session-keys-file", "--relay-address", "--peers", "--peers"])
    {
        assert!(said.contains(cure), "{said}");
    }
}

#[test]
fn an_address_of_ones_own_needs_no_port() {
    let address = |text: &str| super::super::address(text).map(|address| address.to_string());
    assert_eq!(address("10.0.0.7").as_deref(), Ok("10.0.0.7:0"));
    assert_eq!(address(" fd00::7 ").as_deref(), Ok("[fd00::7]:0"));
    assert_eq!(address("[fd00::7]:8001").as_deref(), Ok("[fd00::7]:8001"));
    assert!(address("pod:8001").is_err());
}
