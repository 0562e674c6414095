//! TLS in front of the facade, and where there should be some.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, date_time_ymd};

use super::{Report, authority, root, written};
use crate::fake::{Fake, Reply};

/// A server with such a certificate, and what doctor finds; `trusted` is whether it is told to trust the certificate.
async fn of_certificate(name: &str, trusted: bool, change: impl Fn(&mut CertificateParams)) -> Report {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    change(&mut params);
    let (fake, pem) = Fake::start_tls_with(params, |_| {
        Reply::with_status("200 OK", "text/html", "<h1>x</h1>")
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "ca.pem", &pem);
    let environment = [
        ("MCP_HUB_PUBLIC_URL", root(&fake.url)),
        ("MCP_HUB_CA_FILE", &file),
    ];
    Report::of(&[], &environment[..=usize::from(trusted)]).await
}

#[tokio::test]
async fn a_certificate_says_what_is_wrong_with_it() {
    let fine = of_certificate("localhost", true, |_| {}).await;
    fine.finds("tls", "ok");
    fine.finds("public-url", "not-ours");

    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    of_certificate("localhost", true, expired)
        .await
        .finds("tls", "tls-expired");

    // Certificates are renewed before so little is left.
    let soon = SystemTime::now() + Duration::from_hours(5 * 24);
    of_certificate("localhost", true, |params| params.not_after = soon.into())
        .await
        .finds("tls", "tls-expires-soon");

    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2999, 1, 1);
    of_certificate("localhost", true, future)
        .await
        .finds("tls", "tls-not-yet-valid");

    of_certificate("other.example.com", true, |_| {})
        .await
        .finds("tls", "tls-wrong-name");
    // Its authority is a file that nobody told doctor of.
    of_certificate("localhost", false, |_| {})
        .await
        .finds("tls", "tls-unknown-authority");
}

#[tokio::test]
async fn plain_text_where_tls_is_due_and_the_reverse() {
    let plain = Fake::start(|_| Reply::with_status("200 OK", "text/html", "x")).await;
    let url = format!("https://{}", authority(&plain.url));
    Report::of(&[], &[("MCP_HUB_PUBLIC_URL", &url)])
        .await
        .finds("tls", "tls-missing");

    let (secure, _) = Fake::start_tls(|_| Reply::HangUp).await;
    let report = Report::of(&["--service", authority(&secure.url)], &[]).await;
    report.finds("service", "tls-required");
}
