use super::*;

fn server(code: &str, message: &str) -> ServerError {
    ServerError::read(&Packed::Map(vec![
        ("code".to_owned(), code.into()),
        ("message".to_owned(), message.into()),
    ]))
}

#[test]
fn a_statement_s_mistake_is_told_with_its_place() {
    let mut error = server(
        "Neo.ClientError.Statement.SyntaxError",
        "Variable `x` not defined (line 1, column 14 (offset: 13))\n\"return '😀', x\"\n    ^",
    );
    error.locate("return '😀', x");
    let fault = Fault::from(error);
    assert_eq!(fault.reason, Reason::StatementInvalid);
    assert_eq!(fault.message, "Variable `x` not defined (line 1, column 14)");
    assert_eq!(
        fault.metadata["sqlstate"],
        "Neo.ClientError.Statement.SyntaxError"
    );
    assert_eq!(fault.metadata["position"], "13");
}

#[test]
fn the_place_of_newer_servers_is_read() {
    let position = Packed::Map(vec![("offset".to_owned(), Packed::Int(7))]);
    let record = Packed::Map(vec![("_position".to_owned(), position)]);
    let error = ServerError::read(&Packed::Map(vec![
        ("neo4j_code".to_owned(), "Neo.X".into()),
        ("message".to_owned(), "no".into()),
        ("diagnostic_record".to_owned(), record),
    ]));
    assert_eq!((error.code.as_str(), error.position), ("Neo.X", Some(8)));
}

#[test]
fn codes_have_reasons() {
    for (code, reason) in [
        ("Neo.ClientError.Statement.AccessMode", Reason::WriteNotAllowed),
        (
            "Neo.ClientError.Statement.ParameterMissing",
            Reason::ArgumentInvalid,
        ),
        ("Neo.ClientError.Statement.SyntaxError", Reason::StatementInvalid),
        (
            "Neo.ClientError.Database.DatabaseNotFound",
            Reason::ObjectNotFound,
        ),
        ("Neo.ClientError.Security.Forbidden", Reason::AccessDenied),
        (
            "Neo.ClientError.Security.Unauthorized",
            Reason::DatabaseUnavailable,
        ),
        (
            "Neo.ClientError.Transaction.TransactionTimedOut",
            Reason::StatementTimedOut,
        ),
        (
            "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
            Reason::StatementTimedOut,
        ),
        ("Neo.ClientError.Transaction.Terminated", Reason::Cancelled),
        ("Neo.TransientError.Transaction.Terminated", Reason::Cancelled),
        (
            "Neo.TransientError.General.DatabaseUnavailable",
            Reason::DatabaseUnavailable,
        ),
        (
            "Neo.TransientError.Transaction.DeadlockDetected",
            Reason::DatabaseBusy,
        ),
        (
            "Neo.TransientError.General.MemoryPoolOutOfMemoryError",
            Reason::DatabaseBusy,
        ),
        ("Neo.ClientError.Cluster.NotALeader", Reason::DatabaseBusy),
        ("", Reason::StatementInvalid),
    ] {
        assert_eq!(server(code, "x").reason(), reason, "{code}");
    }
}

#[test]
fn secrets_are_taken_out_of_whatever_the_server_quotes() {
    let mut error = server("x", "password=hunter22 is wrong");
    error.redact(&["hunter22".to_owned()]);
    assert_eq!(error.message, "password=*** is wrong");
}

#[test]
fn an_error_has_the_reason_of_its_fault() {
    let reason = || "x".to_owned();
    let errors = || {
        [
            Error::Server(Box::new(server("Neo.ClientError.Security.Forbidden", "x"))),
            Error::Unreachable {
                verdict: Verdict::Refused,
                reason: reason(),
                source: None,
            },
            Error::Unavailable {
                verdict: Verdict::Refused,
                reason: reason(),
                source: None,
            },
            Error::Refused {
                verdict: Verdict::LoginRefused,
                reason: reason(),
            },
            Error::Busy,
            Error::TimedOut(Duration::ZERO),
            Error::Lost(io::ErrorKind::UnexpectedEof.into()),
            Error::TooLarge(reason()),
            Error::Protocol("x"),
            Error::Fault(Fault::argument("cypher", "x")),
        ]
    };
    for (error, again) in errors().into_iter().zip(errors()) {
        assert_eq!(error.reason(), Fault::from(again).reason, "{error:?}");
    }
}

#[test]
fn a_cause_of_unavailability_stays_in_the_log() {
    let fault = Fault::from(Error::Unreachable {
        verdict: Verdict::Refused,
        reason: "connection refused".to_owned(),
        source: Some(io::Error::other("10.0.0.5:7687")),
    });
    assert_eq!(fault.message, "the database can't be used: connection refused");
}
