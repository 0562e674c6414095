use super::*;
use crate::doctor::{Hop, Verdict};

fn findings() -> Vec<Finding> {
    vec![
        Finding::new(Hop::Host, "orders: db.example.com", Verdict::Ok),
        Finding::new(Hop::Port, "orders: db.example.com:5432", Verdict::TimedOut)
            .of_setting("POSTGRES_PORT")
            .fill("port", "5432")
            .after(Duration::from_millis(1500)),
        Finding::new(Hop::Login, "orders", Verdict::Skipped),
        Finding::new(Hop::Posture, "orders", Verdict::ExcessRights)
            .with_detail("it is a \u{1b}[31msuperuser"),
    ]
}

#[test]
fn json_has_what_programs_want_to_know() {
    let json: serde_json::Value =
        serde_json::from_str(&json(&findings(), UNIX_EPOCH + Duration::from_secs(7))).expect("JSON");
    assert_eq!(
        (json["ok"].as_bool(), json["time"].as_u64()),
        (Some(false), Some(7))
    );
    let counts = ["checks", "failures", "warnings", "skipped"].map(|name| json[name].as_u64());
    assert_eq!(counts, [4, 1, 1, 1].map(Some));
    let failure = &json["findings"][1];
    let words = ["hop", "verdict", "severity", "setting"].map(|name| failure[name].as_str());
    assert_eq!(words, ["port", "timed-out", "failure", "POSTGRES_PORT"].map(Some));
    assert_eq!(failure["took_ms"], 1500);
    assert!(
        failure["mend"]
            .as_str()
            .expect("a text")
            .contains("to any port 5432 ")
    );
}

#[test]
fn the_table_explains_what_is_not_well_and_nothing_else() {
    let text = anstream::adapter::strip_str(&table::of(&findings())).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "host     orders: db.example.com       ok");
    assert_eq!(lines[2], "port     orders: db.example.com:5432  timed-out");
    assert!(lines[3].starts_with("    nothing answered in time"), "{text}");
    assert!(
        lines[4].starts_with("    mend: let the hub's network in"),
        "{text}"
    );
    assert_eq!(
        lines[5].split_whitespace().collect::<Vec<_>>(),
        ["login", "orders", "skipped"]
    );
    assert_eq!(
        lines.last(),
        Some(&"4 checks: 1 failed, 1 with a warning, 1 not looked at")
    );
}

#[test]
fn nobody_steers_the_terminal() {
    let told = table::of(&findings());
    assert!(!told.contains("\u{1b}[31msuper"), "{told:?}");
    assert!(told.contains(" [31msuperuser"), "{told:?}");
}

#[test]
fn a_file_is_replaced_as_a_whole_and_may_be_read_by_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("doctor.prom");
    for text in ["one\n", "two\n"] {
        write_whole(&path, text).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), text);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }
    assert!(write_whole(Path::new("/nowhere/doctor.prom"), "x").is_err());
}
