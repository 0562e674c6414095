//! What is said of writes before a server sees them.

use super::*;

fn request(sql: &str) -> pb::ExecuteRequest {
    pb::ExecuteRequest {
        statements: vec![pb::Statement {
            sql: sql.to_owned(),
            params: vec![],
        }],
        ..pb::ExecuteRequest::default()
    }
}

fn confirmed(request: &pb::ExecuteRequest) -> Result<(), Fault> {
    confirm(request, &judge(request)?)
}

#[test]
fn a_destructive_statement_needs_the_digest_of_its_own_request() {
    assert_eq!(confirmed(&request("delete from t where id = 1")), Ok(()));
    let mut delete = request("delete from t");
    let fault = confirmed(&delete).expect_err("asks");
    assert_eq!(fault.reason, Reason::ConfirmationRequired);
    assert_eq!(
        fault.metadata["effect"],
        "`delete from t` removes all rows of the table."
    );
    delete.confirmation = Some(fault.metadata["digest"].clone());
    assert_eq!(confirmed(&delete), Ok(()));
    // Rehearsed before, with the same digest after.
    delete.dry_run = Some(false);
    assert_eq!(confirmed(&delete), Ok(()));
    delete.database = Some("other".to_owned());
    assert!(confirmed(&delete).is_err());
}

#[test]
fn a_refusal_names_the_statement() {
    let mut two = request("insert into t values (1)");
    two.statements.extend(request("commit").statements);
    let fault = judge(&two).expect_err("refused");
    assert_eq!(
        fault.message,
        "statement 2 of 2: COMMIT controls transactions (nothing was changed)"
    );
    assert!(judge(&pb::ExecuteRequest::default()).is_err());
    let fault = judge(&request("insert into t values (?)")).expect_err("a value is missing");
    assert_eq!(fault.metadata["field"], "params");
}

#[test]
fn what_commits_by_itself_stands_alone() {
    assert!(judge(&request("create table t (a int)")).is_ok());
    let mut two = request("insert into t values (1)");
    two.statements
        .extend(request("alter table t add b int").statements);
    let dry_run = pb::ExecuteRequest {
        dry_run: Some(true),
        ..request("call p()")
    };
    let expects = pb::ExecuteRequest {
        expect_rows: Some(1),
        ..request("rename table t to u")
    };
    for (request, part) in [
        (
            two,
            "statement 2 of 2: ALTER TABLE commits by itself, so it must be the only",
        ),
        (dry_run, "CALL commits by itself, so it can't be tried"),
        (
            expects,
            "RENAME TABLE commits by itself, so it can't be rolled back",
        ),
    ] {
        let fault = judge(&request).expect_err(part);
        assert!(fault.message.starts_with(part), "{fault}");
        assert!(fault.metadata.contains_key("hint"), "{fault:?}");
    }
}

#[test]
fn an_unclear_end_is_told_as_such_and_not_to_be_repeated() {
    let call = |commits, lasting: &[&str]| Call {
        statements: 1,
        commits,
        lasting: lasting.iter().map(ToString::to_string).collect(),
    };
    let lost = || Error::Lost("gone".into());
    let fault = call(false, &[]).not_committed(lost());
    assert!(fault.message.contains("not known"), "{fault}");
    assert_eq!(fault.retry_after, None);
    // Before the commit the server rolls back.
    let fault = call(false, &[]).failed(lost(), 0);
    assert!(fault.message.ends_with("(nothing was changed)"), "{fault}");
    let fault = call(true, &[]).failed(lost(), 0);
    assert!(fault.message.contains("not known"), "{fault}");
    let fault = call(false, &["shop.log"]).failed(lost(), 0);
    assert!(fault.message.contains("changes of shop.log stay"), "{fault}");
}
