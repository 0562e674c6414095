//! The way to a database's server, hop by hop, which is the same for every adapter that has one.
//!
//! The login is the adapter's own, by the client that serves calls: what fails there fails here. An adapter adds what is its database's
//! own by [`Examined`]; what fails is told by the [`Verdict`] that its error comes to.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout};

use super::probe::protocol::{self, Spoken};
use super::probe::{self, Server};
use super::{Finding, Hop, Scope, Verdict};
use crate::config::Secret;
use crate::fault;
use crate::status::{Failure, Watched};

/// How far the clocks of both ends may be apart before it is told: less is what networks and busy machines do.
const SKEW: Duration = Duration::from_secs(5);

/// A database as doctor asks it, beyond what its status is made of.
#[tonic::async_trait]
pub trait Examined: Watched {
    /// What an error comes to.
    fn verdict(error: &Self::Error) -> Verdict;

    /// The setting that mends a verdict about the login, `POSTGRES_PASSWORD`; empty when there is none.
    fn setting(verdict: Verdict) -> &'static str;

    /// Logs in as the user that writes; `None` when there is no other than the one that reads.
    async fn log_in_to_write(&self) -> Option<Result<(), Self::Error>> {
        None
    }

    /// The time at the server; `None` when it can't be asked.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn time(&self) -> Result<Option<SystemTime>, Self::Error> {
        Ok(None)
    }
}

/// Where a database's server is, as the settings say.
#[derive(Clone, Debug)]
pub enum Way<'a> {
    /// By TCP.
    Network {
        /// The server.
        server: Server<'a>,
        /// What is spoken there when it is the right port, as far as a stranger gets an answer.
        speaks: &'a [Spoken],
    },
    /// By a Unix socket, of this path.
    Socket(&'a str),
}

impl Way<'_> {
    /// A finding about the server behind the port. `key` is the service's.
    pub fn finding(&self, key: &str, hop: Hop, verdict: Verdict) -> Finding {
        match self {
            Self::Network { server, .. } => server.of_port(hop, verdict),
            Self::Socket(path) => Finding::new(hop, format!("{key}: {path}"), verdict),
        }
    }
}

/// What is wrong with the settings themselves, so that nothing could be asked. `key` is the service's.
pub fn unsettled(key: &str, verdict: Verdict, detail: impl Into<String>) -> Vec<Finding> {
    let finding = Finding::new(Hop::Adapter, format!("{key}: its settings"), verdict);
    vec![finding.with_detail(detail)]
}

/// The variable that a part of the server's address comes from: its own, unless only one of those of the whole URL is set. Each comes with
/// whether it is.
pub fn named_by(own: (&'static str, bool), urls: [(&'static str, bool); 2]) -> &'static str {
    let mut all = [own].into_iter().chain(urls);
    all.find(|(_, is_set)| *is_set).unwrap_or(own).0
}

/// The first of these settings whose file has nothing in it. Each comes with the secret that is used in its place, if it is set.
pub fn empty_file(settings: [(&'static str, Option<&Secret>); 2]) -> Option<&'static str> {
    let is_empty =
        |(_, secret): &(_, Option<&Secret>)| secret.is_some_and(|secret| secret.expose().is_empty());
    settings.into_iter().find(is_empty).map(|(setting, _)| setting)
}

/// A time that a server tells in seconds since 1970; `None` for none that there can be.
pub fn since_epoch(seconds: f64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Looks at the way to a database. `key` is the service's.
pub async fn examine<D: Examined>(database: &D, key: &str, way: &Way<'_>, scope: &Scope) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut address = None;
    if let Way::Network { server, .. } = way {
        let reached = probe::reach(server, scope).await;
        findings.extend(reached.findings);
        let Some(stream) = reached.stream else {
            findings.push(way.finding(key, Hop::Login, Verdict::Skipped));
            return findings;
        };
        address = stream.peer_addr().ok();
    }
    let login = login(database, key, way, address, scope).await;
    let failed = login.failed();
    findings.push(login);
    if failed {
        return findings;
    }
    findings.extend(writer(database, key, way, scope).await);
    findings.extend(rights(database, key, way, scope).await);
    findings.extend(clock(database, key, way, scope).await);
    findings
}

/// Logs in and asks the simplest question, as the adapter's own look does.
async fn login<D: Examined>(
    database: &D,
    key: &str,
    way: &Way<'_>,
    address: Option<SocketAddr>,
    scope: &Scope,
) -> Finding {
    let begun = Instant::now();
    let (verdict, detail) = match timeout(scope.timeout, database.look()).await {
        Ok(Ok(product)) => {
            let detail = format!("{} {}", product.name, product.version);
            return way
                .finding(key, Hop::Login, Verdict::Ok)
                .with_detail(detail)
                .after(begun.elapsed());
        }
        Ok(Err(error)) => told::<D>(error),
        Err(_) => (Verdict::Silent, String::new()),
    };
    let (verdict, detail) = match (way, address) {
        (Way::Network { speaks, .. }, Some(address)) if is_of_the_port(verdict) => {
            let spoken = protocol::spoken(address, scope.timeout).await;
            of_spoken(spoken, speaks, verdict).unwrap_or((verdict, detail))
        }
        _ => (verdict, detail),
    };
    way.finding(key, Hop::Login, verdict)
        .of_setting(D::setting(verdict))
        .with_detail(detail)
        .after(begun.elapsed())
}

/// Whether a failure may be that of a port on which something else listens.
fn is_of_the_port(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::TimedOut
            | Verdict::Silent
            | Verdict::Closed
            | Verdict::NotWorking
            | Verdict::WrongProtocol
            | Verdict::TlsMissing
            | Verdict::TlsFailed
    )
}

/// What a failed login comes to when this is spoken on the port; `None` when that tells nothing new.
fn of_spoken(spoken: Spoken, speaks: &[Spoken], verdict: Verdict) -> Option<(Verdict, String)> {
    let wants_tls = matches!(verdict, Verdict::TlsMissing | Verdict::TlsFailed);
    match spoken {
        _ if speaks.contains(&spoken) => None,
        Spoken::Nothing | Spoken::HangsUp | Spoken::Other => {
            // The connection stands, so that it was no firewall in front of the port.
            (verdict == Verdict::TimedOut).then(|| (Verdict::Silent, String::new()))
        }
        Spoken::Tls if wants_tls => None,
        Spoken::Tls => Some((Verdict::TlsRequired, String::new())),
        other => Some((Verdict::WrongProtocol, format!("{} answers", other.name()))),
    }
}

async fn writer<D: Examined>(database: &D, key: &str, way: &Way<'_>, scope: &Scope) -> Option<Finding> {
    let begun = Instant::now();
    let (verdict, detail) = match timeout(scope.timeout, database.log_in_to_write()).await {
        Ok(None) => return None,
        Ok(Some(Ok(()))) => (Verdict::Ok, String::new()),
        Ok(Some(Err(error))) => told::<D>(error),
        Err(_) => (Verdict::Silent, String::new()),
    };
    let detail = match detail.as_str() {
        "" => "the login that writes".to_owned(),
        detail => format!("the login that writes: {detail}"),
    };
    Some(
        way.finding(key, Hop::Login, verdict)
            .of_setting(D::setting(verdict))
            .with_detail(detail)
            .after(begun.elapsed()),
    )
}

/// What the login may do beyond what the adapter needs, judged as the adapter's status does.
async fn rights<D: Examined>(database: &D, key: &str, way: &Way<'_>, scope: &Scope) -> Vec<Finding> {
    let begun = Instant::now();
    let finding = |verdict| way.finding(key, Hop::Posture, verdict).after(begun.elapsed());
    match timeout(scope.timeout, database.judge()).await {
        Ok(Ok(sentences)) if sentences.is_empty() => vec![finding(Verdict::Ok)],
        Ok(Ok(sentences)) => sentences
            .into_iter()
            .map(|sentence| finding(Verdict::ExcessRights).with_detail(sentence))
            .collect(),
        Ok(Err(error)) => vec![finding(Verdict::NotExamined).with_detail(told::<D>(error).1)],
        Err(_) => vec![finding(Verdict::NotExamined)],
    }
}

async fn clock<D: Examined>(database: &D, key: &str, way: &Way<'_>, scope: &Scope) -> Option<Finding> {
    let begun = Instant::now();
    let asked = SystemTime::now();
    let there = match timeout(scope.timeout, database.time()).await {
        Ok(Ok(there)) => there?,
        // It has just answered. That it does not any more is for the next run to find out.
        Ok(Err(error)) => {
            tracing::debug!(error = fault::chain(&error), "the server's time can't be asked");
            return None;
        }
        Err(_) => return None,
    };
    let (verdict, detail) = skew(asked, there, begun.elapsed());
    Some(
        way.finding(key, Hop::Clock, verdict)
            .with_detail(detail)
            .after(begun.elapsed()),
    )
}

/// How far the server's clock is from ours, when the answer took so long.
fn skew(asked: SystemTime, there: SystemTime, took: Duration) -> (Verdict, String) {
    let (apart, word) = match there.duration_since(asked) {
        // It may have looked at its clock at the end of that time.
        Ok(ahead) => (ahead.saturating_sub(took), "ahead"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if apart <= SKEW {
        return (Verdict::Ok, String::new());
    }
    let detail = format!("the server's clock is {} s {word}", apart.as_secs());
    (Verdict::ClockSkew, detail)
}

/// What an error comes to, and why in words without an address.
fn told<D: Examined>(error: D::Error) -> (Verdict, String) {
    let verdict = D::verdict(&error);
    tracing::debug!(error = fault::chain(&error), "the database can't be used");
    let detail = match D::failure(error) {
        Failure::Unusable(reason) => reason,
        Failure::Busy | Failure::Silent => String::new(),
    };
    (verdict, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told_with_the_direction() {
        let now = SystemTime::now();
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        assert_eq!(skew(now, now + second, Duration::ZERO).0, Verdict::Ok);
        assert_eq!(skew(now, now - second, Duration::ZERO).0, Verdict::Ok);
        // An answer that takes long is not a clock that is ahead.
        assert_eq!(skew(now, now + minute, minute).0, Verdict::Ok);
        let (verdict, detail) = skew(now, now + minute, second);
        assert_eq!(verdict, Verdict::ClockSkew);
        assert_eq!(detail, "the server's clock is 59 s ahead");
        assert!(skew(now, now - minute, second).1.ends_with("60 s behind"));
    }

    #[test]
    fn an_address_is_named_by_the_setting_that_it_comes_from() {
        let of = |own, url, file| named_by(("PORT", own), [("URL", url), ("URL_FILE", file)]);
        assert_eq!(of(true, true, false), "PORT");
        assert_eq!(of(false, true, true), "URL");
        assert_eq!(of(false, false, true), "URL_FILE");
        assert_eq!(of(false, false, false), "PORT");
    }

    #[test]
    fn what_is_spoken_on_the_port_says_more_than_a_login_that_fails() {
        let of = |spoken, verdict| of_spoken(spoken, &[Spoken::HangsUp], verdict).map(|(verdict, _)| verdict);
        for (spoken, verdict, told) in [
            (Spoken::HangsUp, Verdict::Closed, None),
            (Spoken::Http1, Verdict::Closed, Some(Verdict::WrongProtocol)),
            (Spoken::Tls, Verdict::Closed, Some(Verdict::TlsRequired)),
            (Spoken::Tls, Verdict::TlsFailed, None),
            (Spoken::Nothing, Verdict::TimedOut, Some(Verdict::Silent)),
            (Spoken::Other, Verdict::Closed, None),
        ] {
            assert_eq!(of(spoken, verdict), told, "{spoken:?} {verdict:?}");
        }
    }
}
