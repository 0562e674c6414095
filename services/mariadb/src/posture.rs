//! What the login may do beyond what the adapter's mode needs, each a sentence for an operator.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Rights on tables and databases that change them.
const WRITING: [&str; 14] = [
    "ALTER",
    "ALTER ROUTINE",
    "CREATE",
    "CREATE ROUTINE",
    "CREATE VIEW",
    "DELETE",
    "DELETE HISTORY",
    "DELETE VERSIONING ROWS",
    "DROP",
    "EVENT",
    "INDEX",
    "INSERT",
    "TRIGGER",
    "UPDATE",
];

/// Rights on the server that neither reading nor writing needs.
const POWERS: [(&[&str], &str); 9] = [
    (
        &["FILE"],
        "The user may read and write files of the server (FILE).",
    ),
    (
        &["CREATE USER"],
        "The user may create users and change their passwords.",
    ),
    (&["SHUTDOWN"], "The user may stop the server."),
    (
        &["PROCESS"],
        "The user sees what the sessions of all users run (PROCESS).",
    ),
    (
        &["CONNECTION ADMIN", "CONNECTION_ADMIN"],
        "The user may end other users' sessions.",
    ),
    (
        &["READ_ONLY ADMIN", "READ ONLY ADMIN", "SYSTEM_VARIABLES_ADMIN"],
        "The user may change the server's settings, or write while the server is read-only.",
    ),
    (
        &["REPLICATION SLAVE", "BINLOG MONITOR", "REPLICATION SLAVE ADMIN"],
        "The user may read or control the replication, which shows every change.",
    ),
    (
        &["RELOAD"],
        "The user may flush the server's caches and logs (RELOAD).",
    ),
    (
        &[
            "CREATE TABLESPACE",
            "INSTALL",
            "SYSTEM_USER",
            "SET USER",
            "SET_USER_ID",
            "SET_ANY_DEFINER",
        ],
        "The user may act for others, or change what the server is made of.",
    ),
];

/// Judges the reading user.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn judge(database: &Database) -> Result<Vec<String>, Error> {
    let mut transaction = database.read(None, TIMEOUT).await?;
    let rows = transaction.rows("SHOW GRANTS", "SHOW GRANTS", &[]).await?;
    transaction.rollback().await?;
    let grants: Vec<Grant> = rows
        .iter()
        .filter_map(|row| row.text(0))
        .filter_map(Grant::read)
        .collect();
    // The same user reads and writes when writes are on and no other is named: it must be able to.
    let writes_too = database.config().allow_writes && database.config().write_user.is_none();
    Ok(sentences(&grants, writes_too))
}

/// Some rights on one object.
#[derive(Debug, PartialEq, Eq)]
struct Grant {
    rights: Vec<String>,
    /// As the server writes it: `*.*`, `` `shop`.* ``.
    on: String,
    /// Whether they can be given to others.
    passed_on: bool,
}

impl Grant {
    /// Reads a line of `SHOW GRANTS`; `None` for one that gives a role, or something else that is no right.
    fn read(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("GRANT ")?;
        // The columns of a right stand in brackets.
        let mut depth = 0;
        let mut rights = vec![String::new()];
        let mut bytes = rest.char_indices();
        let on = loop {
            let (at, character) = bytes.next()?;
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                ',' if depth == 0 => rights.push(String::new()),
                ' ' if depth == 0 && rest[at..].starts_with(" ON ") => break &rest[at + " ON ".len()..],
                // A role's name: the line has no ON.
                _ if depth > 0 => {}
                _ => rights.last_mut()?.push(character),
            }
        };
        let (on, to) = on.split_once(" TO ")?;
        Some(Self {
            rights: rights.iter().map(|right| right.trim().to_uppercase()).collect(),
            on: on.to_owned(),
            passed_on: to.ends_with("GRANT OPTION") || to.contains(" WITH GRANT OPTION"),
        })
    }

    fn has(&self, wanted: &[&str]) -> bool {
        self.rights
            .iter()
            .any(|right| right.starts_with("ALL PRIVILEGES") || wanted.contains(&right.as_str()))
    }

    fn is_global(&self) -> bool {
        self.on == "*.*"
    }
}

fn sentences(grants: &[Grant], writes_too: bool) -> Vec<String> {
    let global = |wanted: &[&str]| grants.iter().any(|grant| grant.is_global() && grant.has(wanted));
    if global(&["SUPER"]) {
        return vec![
            "The user is an administrator: only this adapter keeps it from writing, from files and from other sessions.".to_owned(),
        ];
    }
    let mut sentences: Vec<String> = POWERS
        .iter()
        .filter(|(rights, _)| global(rights))
        .map(|(_, sentence)| (*sentence).to_owned())
        .collect();
    if grants
        .iter()
        .any(|grant| grant.passed_on && !grant.has(&["USAGE", "PROXY"]))
    {
        sentences.push("The user may give its rights to others (GRANT OPTION).".to_owned());
    }
    if !writes_too {
        let writable: Vec<&str> = grants
            .iter()
            .filter(|grant| grant.has(&WRITING))
            .map(|grant| grant.on.as_str())
            .collect();
        if let Some(first) = writable.first() {
            sentences.push(format!(
                "The user may write in {first}{}; reading needs SELECT and SHOW VIEW only.",
                match writable.len() {
                    1 => String::new(),
                    more => format!(" and {} more", more - 1),
                },
            ));
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str], writes_too: bool) -> Vec<String> {
        let grants: Vec<Grant> = lines.iter().filter_map(|line| Grant::read(line)).collect();
        sentences(&grants, writes_too)
    }

    #[test]
    fn a_reader_has_nothing_to_be_said_of() {
        let lines = [
            "GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*ABC'",
            "GRANT SELECT, SHOW VIEW ON `shop`.* TO `reader`@`%`",
            "GRANT SELECT (`insert`, b) ON `shop`.`t` TO `reader`@`%`",
            "GRANT `reading` TO `reader`@`%`",
            "SET DEFAULT ROLE `reading` FOR `reader`@`%`",
        ];
        assert!(judged(&lines, false).is_empty());
    }

    #[test]
    fn what_is_more_than_reading_is_said() {
        let lines = [
            "GRANT SELECT, FILE, PROCESS ON *.* TO `u`@`%`",
            "GRANT SELECT, INSERT ON `shop`.* TO `u`@`%` WITH GRANT OPTION",
            "GRANT UPDATE (`a`) ON `other`.`t` TO `u`@`%`",
        ];
        let sentences = judged(&lines, false);
        assert_eq!(sentences.len(), 4, "{sentences:?}");
        assert!(sentences[0].contains("FILE") && sentences[1].contains("PROCESS"));
        assert!(sentences[2].contains("GRANT OPTION"));
        assert!(sentences[3].contains("`shop`.* and 1 more"));
        assert_eq!(judged(&lines, true).len(), 3);
    }

    #[test]
    fn one_sentence_says_that_a_user_may_do_everything() {
        for line in [
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
            "GRANT SELECT,SUPER,CREATE ROLE ON *.* TO `root`@`%`",
        ] {
            assert_eq!(judged(&[line], true).len(), 1, "{line}");
        }
    }
}
