//! The seal of session ids: what a replica says about a stream, readable and writable only by holders of the session keys.
//!
//! An id is `<key name>.<base64url>`, fit for a URL as it is and below 160 characters long. The second part is the version, a random
//! nonce, and the [`Claims`] sealed with AES-256-GCM; version and key name are authenticated with them.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tokio::sync::watch;

use super::keys::{self, KeyRing};

/// What the session keys are derived for here.
const PURPOSE: &str = "session id";

/// The layout of the claims. Another one gets another number.
const VERSION: u8 = 1;

const BOOT: usize = 16;
const STREAM: usize = 16;
const PRINCIPAL: usize = 16;
const EXPIRY: usize = 8;
const ADDRESS: usize = 16 + 2;
const CLAIMS: usize = BOOT + STREAM + PRINCIPAL + EXPIRY + ADDRESS;
const TAG: usize = 16;
const SEALED: usize = 1 + NONCE_LEN + CLAIMS + TAG;

/// The characters of the second part: always as many.
const SEALED_TEXT: usize = (SEALED * 4).div_ceil(3);

/// One run of a replica: what has a stream. No two runs are equal, not even at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Where others reach its relay, if they do.
    pub(super) address: Option<SocketAddr>,
    /// Random for each process.
    pub(super) boot: [u8; BOOT],
}

/// Names a stream of its owner: 128 random bits.
pub(super) type StreamId = [u8; STREAM];

/// What an id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) owner: Owner,
    pub(super) stream: StreamId,
    /// The fingerprint of the principal that opened the stream.
    pub(super) principal: [u8; PRINCIPAL],
    /// From when on it is nothing any more, in seconds of Unix time.
    pub(super) expires: u64,
}

/// Seals and opens ids. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    ring: KeyRing,
    derived: Arc<Mutex<Derived>>,
}

/// The keys as they were when they last changed.
#[derive(Debug)]
struct Derived {
    changes: watch::Receiver<u64>,
    keys: Arc<[SealingKey]>,
}

#[derive(Debug)]
struct SealingKey {
    name: String,
    key: LessSafeKey,
}

impl SealingKey {
    /// The version and the name are part of what the seal protects.
    fn associated(&self) -> Aad<[u8; 1 + keys::MAX_NAME]> {
        let mut associated = [0; 1 + keys::MAX_NAME];
        associated[0] = VERSION;
        // No name has a zero byte, so that no two look alike.
        associated[1..=self.name.len()].copy_from_slice(self.name.as_bytes());
        Aad::from(associated)
    }
}

impl Seal {
    pub(super) fn new(ring: KeyRing) -> Self {
        let derived = Derived {
            changes: ring.changes(),
            keys: derive(&ring),
        };
        Self {
            ring,
            derived: Arc::new(Mutex::new(derived)),
        }
    }

    /// The id that says `claims`, under the key in force.
    pub(super) fn seal(&self, claims: &Claims) -> String {
        let keys = self.keys();
        let key = &keys[0];
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = [0; SEALED];
        let (head, rest) = sealed.split_at_mut(1 + NONCE_LEN);
        head[0] = VERSION;
        head[1..].copy_from_slice(&nonce);
        let (body, tag) = rest.split_at_mut(CLAIMS);
        body.copy_from_slice(&claims.to_bytes());
        let made = key
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), key.associated(), body)
            .expect("the claims are far below the cipher's limit");
        tag.copy_from_slice(made.as_ref());
        format!("{}.{}", key.name, URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What an id says at the time `now`; `None` unless a holder of one of our keys sealed exactly this, and it has not expired. Takes
    /// the same time and no memory for whatever is asked.
    pub(super) fn open(&self, id: &str, now: SystemTime) -> Option<Claims> {
        let name_length = id.len().checked_sub(SEALED_TEXT + 1)?;
        if name_length > keys::MAX_NAME {
            return None;
        }
        let (name, text) = id.split_once('.').filter(|(name, _)| name.len() == name_length)?;
        let keys = self.keys();
        let key = keys.iter().find(|key| key.name == name)?;
        // The decoder wants room for whole groups of four characters.
        let mut bytes = [0; SEALED_TEXT.div_ceil(4) * 3];
        let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let sealed = bytes.get_mut(..decoded).filter(|sealed| sealed.len() == SEALED)?;
        let (head, body) = sealed.split_at_mut(1 + NONCE_LEN);
        if head[0] != VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).ok()?;
        let claims = key.key.open_in_place(nonce, key.associated(), body).ok()?;
        let claims = Claims::of_bytes(claims.first_chunk()?);
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        (now < Duration::from_secs(claims.expires)).then_some(claims)
    }

    fn keys(&self) -> Arc<[SealingKey]> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        // An error would mean that the ring is gone, which we hold.
        if derived.changes.has_changed().unwrap_or(false) {
            derived.changes.mark_unchanged();
            derived.keys = derive(&self.ring);
        }
        derived.keys.clone()
    }
}

fn derive(ring: &KeyRing) -> Arc<[SealingKey]> {
    let derived = ring.derive(PURPOSE);
    let sealing = derived.iter().map(|key| {
        let unbound = UnboundKey::new(&AES_256_GCM, &key.bytes).expect("a key of AES-256 has 32 bytes");
        SealingKey {
            name: key.name.clone(),
            key: LessSafeKey::new(unbound),
        }
    });
    sealing.collect()
}

impl Claims {
    fn to_bytes(self) -> [u8; CLAIMS] {
        let mut bytes = [0; CLAIMS];
        let mut rest = &mut bytes[..];
        let mut put = |part: &[u8]| {
            let (place, more) = std::mem::take(&mut rest).split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = more;
        };
        put(&self.owner.boot);
        put(&self.stream);
        put(&self.principal);
        put(&self.expires.to_be_bytes());
        // Port 0, at which nobody can be, stands for no address.
        if let Some(address) = self.owner.address {
            let ip = match address.ip() {
                std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                std::net::IpAddr::V6(ip) => ip,
            };
            put(&ip.octets());
            put(&address.port().to_be_bytes());
        }
        bytes
    }

    fn of_bytes(bytes: &[u8; CLAIMS]) -> Self {
        let mut rest = &bytes[..];
        let boot = take(&mut rest);
        let stream = take(&mut rest);
        let principal = take(&mut rest);
        let expires = u64::from_be_bytes(take(&mut rest));
        let ip = Ipv6Addr::from_octets(take(&mut rest)).to_canonical();
        let port = u16::from_be_bytes(take(&mut rest));
        let address = (port != 0).then(|| SocketAddr::new(ip, port));
        Self {
            owner: Owner { address, boot },
            stream,
            principal,
            expires,
        }
    }
}

/// Takes the next bytes; there are always as many as the layout has.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (part, more) = rest.split_first_chunk().expect("the layout fits");
    *rest = more;
    *part
}

#[cfg(test)]
#[path = "seal/tests.rs"]
pub(super) mod tests;
