//! What a statement of a write is, what it destroys, and whether it can run in a transaction of ours.

use std::collections::BTreeSet;

use indexmap::IndexSet;
use squawk_syntax::syntax_error::SyntaxError;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::read::{only_statement, qualified, words};
use super::{Name, Refusal, lexical, nodes};

/// How much of a statement a sentence about it shows.
const SHOWN: usize = 120;

const ONE_TRANSACTION: &str =
    "The statements of a call are one transaction: all of them or none. Use dry_run to roll back.";
const NO_SESSION: &str =
    "Calls share connections, so nothing can be kept between them. Inside a call, SET LOCAL works.";

/// One statement of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write<'a> {
    /// What it is, as SQL names it: `DELETE`.
    pub name: String,
    /// Its text without comments around it and without `;`.
    pub text: &'a str,
    /// How many characters stood in front of `text`.
    pub offset: usize,
    /// Names in front of dots: schemas, but tables and aliases too.
    pub qualifiers: BTreeSet<String>,
    /// The tables, views, indexes, sequences and routines that it names, in the order of its text, those of its own `WITH` left out.
    pub names: IndexSet<Name>,
    /// What it destroys, as a sentence, when that is much or can't be seen; such a statement wants a confirmation.
    pub effect: Option<String>,
}

impl Write<'_> {
    /// Whether the rows that it reports are rows that it changed.
    pub(crate) fn counts(&self) -> bool {
        ["INSERT", "UPDATE", "DELETE", "MERGE"].contains(&self.name.as_str())
    }

    /// Whether it may add, drop or rename tables, or change who may read them: all but what is known to touch nothing but rows. What
    /// functions and triggers do can't be seen.
    pub(crate) fn may_change_schema(&self) -> bool {
        let only_rows = [
            "SELECT", "VALUES", "TABLE", "TRUNCATE", "LOCK", "SET", "SHOW", "EXPLAIN", "ANALYZE", "NOTIFY",
        ];
        !self.counts() && !only_rows.contains(&self.name.as_str())
    }
}

/// Looks at the tree of a statement of a write.
pub(super) fn inspect<'a>(
    sql: &str,
    lexed: &lexical::Lexed<'a>,
    root: &SyntaxNode,
    errors: &[SyntaxError],
) -> Result<Write<'a>, Refusal> {
    let statement = only_statement(sql, root, errors)?;
    check(&statement)?;
    Ok(Write {
        name: words(statement.kind()),
        text: lexed.text,
        offset: sql[..lexed.start].chars().count(),
        qualifiers: lexed.qualifiers.clone(),
        names: names(&statement),
        effect: effect(&statement, &shortened(lexed.text)),
    })
}

/// What a statement names.
fn names(statement: &SyntaxNode) -> IndexSet<Name> {
    let of = |is_wanted: fn(SyntaxKind) -> bool| {
        let nodes = statement.descendants().filter(move |node| is_wanted(node.kind()));
        nodes.map(|node| qualified(&node))
    };
    let queries: BTreeSet<String> = of(|kind| kind == SyntaxKind::CTE_NAME)
        .map(|query| query.name)
        .collect();
    of(nodes::is_shown)
        .filter(|name| name.schema.is_some() || !queries.contains(&name.name))
        .collect()
}

/// Refuses what can't run, or must not run, inside the call's transaction.
fn check(statement: &SyntaxNode) -> Result<(), Refusal> {
    let kind = statement.kind();
    let name = words(kind);
    let has = |wanted: SyntaxKind| {
        statement
            .descendants_with_tokens()
            .any(|part| part.kind() == wanted)
    };
    match kind {
        _ if nodes::controls_transaction(kind) => {
            Err(Refusal::write(&name, "controls transactions", ONE_TRANSACTION))
        }
        SyntaxKind::SET if second_word(statement) == Some(SyntaxKind::LOCAL_KW) => Ok(()),
        _ if nodes::changes_session(kind) => Err(Refusal::write(&name, "changes the session", NO_SESSION)),
        SyntaxKind::COPY => Err(Refusal::write(
            &name,
            "reads or writes files, programs or streams, which this tool can't",
            "Insert rows with INSERT, read them with SELECT.",
        )),
        SyntaxKind::CREATE_DATABASE => Err(Refusal::write(
            &name,
            "can't run in a transaction",
            "Use the create_database tool.",
        )),
        SyntaxKind::VACUUM
        | SyntaxKind::REPACK
        | SyntaxKind::CHECKPOINT
        | SyntaxKind::DROP_DATABASE
        | SyntaxKind::ALTER_DATABASE
        | SyntaxKind::CREATE_TABLESPACE
        | SyntaxKind::DROP_TABLESPACE
        | SyntaxKind::ALTER_SYSTEM
        | SyntaxKind::CREATE_SUBSCRIPTION
        | SyntaxKind::ALTER_SUBSCRIPTION
        | SyntaxKind::DROP_SUBSCRIPTION => Err(Refusal::write(
            &name,
            "can't run in a transaction or acts on the whole server",
            "It is for an administrator at a console.",
        )),
        SyntaxKind::REINDEX
            if has(SyntaxKind::REINDEX_TARGET_DATABASE)
                || has(SyntaxKind::REINDEX_TARGET_SCHEMA)
                || has(SyntaxKind::REINDEX_TARGET_SYSTEM) =>
        {
            Err(Refusal::write(
                &name,
                "of more than a table can't run in a transaction",
                "Reindex a table.",
            ))
        }
        SyntaxKind::CREATE_INDEX | SyntaxKind::DROP_INDEX | SyntaxKind::REINDEX | SyntaxKind::ALTER_TABLE
            if has(SyntaxKind::CONCURRENTLY_KW) =>
        {
            Err(Refusal::write(
                &format!("{name} CONCURRENTLY"),
                "can't run in a transaction",
                "Leave CONCURRENTLY out, and mind that writes to the table wait meanwhile.",
            ))
        }
        _ if statement.children().any(|part| part.kind() == SyntaxKind::TEMP)
            && !statement
                .children()
                .any(|part| part.kind() == SyntaxKind::ON_COMMIT && is_drop(&part)) =>
        {
            Err(Refusal::write(
                &format!("a temporary object made by {name}"),
                "would stay on a connection that calls share",
                "Create a table ON COMMIT DROP and use it in the same call.",
            ))
        }
        _ => Ok(()),
    }
}

fn second_word(statement: &SyntaxNode) -> Option<SyntaxKind> {
    statement
        .descendants_with_tokens()
        .filter_map(squawk_syntax::SyntaxElement::into_token)
        .map(|token| token.kind())
        .filter(|kind| !kind.is_trivia())
        .nth(1)
}

fn is_drop(on_commit: &SyntaxNode) -> bool {
    on_commit
        .descendants_with_tokens()
        .any(|part| part.kind() == SyntaxKind::DROP_KW)
}

/// What a statement destroys, if it is much or can't be seen.
fn effect(statement: &SyntaxNode, text: &str) -> Option<String> {
    let name = words(statement.kind());
    let sentence = match statement.kind() {
        SyntaxKind::TRUNCATE => format!("`{text}` removes all rows."),
        SyntaxKind::DROP_OWNED => format!("`{text}` removes everything that the role owns."),
        SyntaxKind::REASSIGN => format!("`{text}` gives everything that a role owns to another."),
        SyntaxKind::DO | SyntaxKind::CALL => {
            format!("`{text}` runs code whose effects can't be seen beforehand.")
        }
        _ if name.starts_with("DROP ") => format!("`{text}` removes what it names, with all that is in it."),
        _ if name.starts_with("ALTER ") && drops_a_part(statement) => {
            format!("`{text}` removes a part of an object, with what is in it.")
        }
        _ => return statement.descendants().find_map(|node| rows(&node)),
    };
    Some(sentence)
}

fn drops_a_part(statement: &SyntaxNode) -> bool {
    // What loses data; DROP DEFAULT, DROP NOT NULL and the like do not.
    statement.descendants().any(|node| {
        matches!(
            node.kind(),
            SyntaxKind::DROP_COLUMN
                | SyntaxKind::DROP_CONSTRAINT
                | SyntaxKind::DROP_ATTRIBUTE
                | SyntaxKind::DROP_EXPRESSION
                | SyntaxKind::ALTER_EXTENSION_DROP
        )
    })
}

/// The effect on rows of a data-modifying node, which may stand in a `WITH` as well.
fn rows(node: &SyntaxNode) -> Option<String> {
    let text = shortened(&node.text().to_string());
    match node.kind() {
        SyntaxKind::DELETE if !is_limited(node) => Some(format!("`{text}` removes all rows of the table.")),
        SyntaxKind::UPDATE if !is_limited(node) => Some(format!("`{text}` changes all rows of the table.")),
        SyntaxKind::TRUNCATE => Some(format!("`{text}` removes all rows.")),
        SyntaxKind::MERGE_DELETE => Some("MERGE removes rows.".to_owned()),
        _ => None,
    }
}

/// Whether a statement has a condition that looks at a row: `WHERE true` and `WHERE 1 = 1` are none.
fn is_limited(node: &SyntaxNode) -> bool {
    node.children().any(|part| match part.kind() {
        SyntaxKind::WHERE_CURRENT_OF => true,
        SyntaxKind::WHERE_CLAUSE => part.descendants().any(|node| node.kind() == SyntaxKind::NAME_REF),
        _ => false,
    })
}

/// A statement in one line, cut to what a sentence can hold.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ..", &line[..end]),
        None => line,
    }
}
