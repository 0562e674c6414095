use super::*;

fn server(number: u16) -> ServerError {
    ServerError {
        number,
        sqlstate: "42S22".to_owned(),
        message: "Unknown column 'x' in 'field list'".to_owned(),
        position: Some(8),
    }
}

#[test]
fn a_statement_s_mistake_is_told_with_its_place() {
    let fault = Fault::from(server(1054));
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert_eq!(fault.metadata["sqlstate"], "42S22");
    assert_eq!(fault.metadata["code"], "1054");
    assert_eq!(fault.metadata["position"], "8");
}

#[test]
fn errors_have_reasons_of_their_own() {
    for (number, reason) in [
        (1792, Reason::WriteNotAllowed),
        (1142, Reason::AccessDenied),
        (1049, Reason::ObjectNotFound),
        (1927, Reason::DatabaseUnavailable),
        (1205, Reason::DatabaseBusy),
        (1969, Reason::StatementTimedOut),
        (1317, Reason::Cancelled),
        (1064, Reason::StatementInvalid),
    ] {
        assert_eq!(Fault::from(server(number)).reason, reason, "{number}");
    }
}

#[test]
fn the_host_behind_a_user_s_name_is_not_told() {
    for (message, clean) in [
        (
            "SELECT command denied to user 'reader'@'10.0.0.5' for table `app`.`secret`",
            "SELECT command denied to user 'reader' for table `app`.`secret`",
        ),
        (
            "definer ('a'@'h1') and ('b'@'h2') differ",
            "definer ('a') and ('b') differ",
        ),
        ("no such thing as 'a@b'", "no such thing as 'a@b'"),
        ("definer `a`@`10.0.0.5`", "definer `a`"),
    ] {
        assert_eq!(without_hosts(message), clean);
    }
}

#[test]
fn secrets_are_taken_out_of_whatever_the_server_quotes() {
    let mut error = ServerError {
        message: "password hunter22 is wrong".to_owned(),
        ..ServerError::default()
    };
    error.redact(&["hunter22".to_owned()]);
    assert_eq!(error.message, "password *** is wrong");
}

#[test]
fn a_syntax_error_s_place_is_found_where_that_is_certain() {
    let message = |near: &str, line: usize| format!("check the manual to use near '{near}' at line {line}");
    for (near, line, sql, position) in [
        ("frm t", 1, "select 'ä' frm t", Some(12)),
        ("", 1, "select (1 ", Some(10)),
        ("1", 1, "select 1 1", Some(10)),
        ("elsewhere", 1, "select 1", None),
    ] {
        assert_eq!(position_of_near(&message(near, line), sql), position, "{sql}");
    }
    let long = "x".repeat(QUOTED);
    let sql = format!("select\n 1 {long}y{long} z");
    assert_eq!(position_of_near(&message(&long, 2), &sql), None);
    let sql = format!("select\n 1 {long} z");
    assert_eq!(position_of_near(&message(&long, 2), &sql), Some(11));
}

#[test]
fn our_comment_is_taken_out_of_what_the_server_quotes() {
    let sql = "select 1 frm t";
    let comment = "\n/*traceparent='00-1-2-01'*/";
    let quoting = |near: &str| ServerError {
        number: 1064,
        message: format!("check the manual to use near '{near}' at line 1"),
        ..ServerError::default()
    };
    // The server quotes a bounded part, which may end anywhere.
    for length in 0..=comment.len() {
        let error = quoting(&format!("frm t{}", &comment[..length]))
            .without(comment, sql)
            .locate(sql);
        assert_eq!(error.message, quoting("frm t").message);
        assert_eq!(error.position, Some(10));
    }
    for near in ["frm", "1 f", "elsewhere", ""] {
        assert_eq!(quoting(near).without(comment, sql), quoting(near));
    }
    assert_eq!(quoting("frm t").without("", sql), quoting("frm t"));
}

#[test]
fn an_error_has_the_reason_of_its_fault() {
    let text = || "x".to_owned();
    let errors = || {
        [
            Error::Server(Box::new(server(1205))),
            Error::Unavailable {
                verdict: Verdict::Refused,
                reason: text(),
                source: None,
            },
            Error::Busy,
            Error::TimedOut(Duration::ZERO),
            Error::Lost("reset".into()),
            Error::Protocol(text()),
            Error::UnknownType(text()),
            Error::Fault(Fault::argument("sql", "x")),
        ]
    };
    for (error, again) in errors().into_iter().zip(errors()) {
        assert_eq!(error.reason(), Fault::from(again).reason, "{error:?}");
    }
}

#[test]
fn a_cause_of_unavailability_stays_in_the_log() {
    let fault = Fault::from(Error::Unavailable {
        verdict: Verdict::Refused,
        reason: "connection refused".to_owned(),
        source: Some("10.0.0.5:3306".into()),
    });
    assert_eq!(fault.message, "the database can't be used: connection refused");
}
