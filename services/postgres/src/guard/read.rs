//! Whether a parsed statement is a read, and what it touches.

use std::collections::BTreeSet;
use std::ops::Range;

use indexmap::IndexSet;
use squawk_syntax::syntax_error::SyntaxError;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Kind, Name, Refusal, functions, lexical, nodes};

const USE_EXECUTE: &str =
    "Changes go through the execute tool, which this server offers only if it allows writes.";
const NO_TRANSACTIONS: &str = "Each call is a transaction of its own; leave it out.";
const NO_SESSION: &str = "Calls share connections, so nothing can be kept between them; leave it out.";

/// What a read's tree tells.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) functions: BTreeSet<Name>,
    pub(super) relations: IndexSet<Name>,
}

/// The one statement of a text.
pub(super) fn only_statement(
    sql: &str,
    root: &SyntaxNode,
    errors: &[SyntaxError],
) -> Result<SyntaxNode, Refusal> {
    let mut statements = root
        .children()
        .filter(|node| node.kind() != SyntaxKind::EMPTY_STMT);
    let statement = statements.next();
    // Said before syntax errors: "select 1; garbage" is two statements in the first place.
    let further: Vec<SyntaxNode> = statements.collect();
    if let Some(second) = further.first() {
        return Err(Refusal::several(
            further.len() + 1,
            sql,
            second.text_range().start().into(),
        ));
    }
    if let Some(error) = errors.first() {
        return Err(Refusal::syntax(
            error.message(),
            sql,
            error.range().start().into(),
        ));
    }
    statement.ok_or_else(Refusal::empty)
}

/// Looks at the tree of a statement that must be a read.
pub(super) fn inspect(sql: &str, root: &SyntaxNode, errors: &[SyntaxError]) -> Result<Facts, Refusal> {
    let statement = only_statement(sql, root, errors)?;
    let kind = match statement.kind() {
        SyntaxKind::SELECT | SyntaxKind::COMPOUND_SELECT | SyntaxKind::PAREN_SELECT => Kind::Select,
        SyntaxKind::SELECT_INTO => return Err(inside(SyntaxKind::SELECT_INTO)),
        SyntaxKind::VALUES => Kind::Values,
        SyntaxKind::TABLE => Kind::Table,
        SyntaxKind::SHOW => Kind::Show,
        SyntaxKind::EXPLAIN => Kind::Explain,
        other => return Err(not_a_read(other)),
    };
    if let Some(node) = statement.descendants().find(|node| !nodes::is_read(node.kind())) {
        return Err(inside(node.kind()));
    }
    let mut facts = Facts {
        kind,
        functions: BTreeSet::new(),
        relations: IndexSet::new(),
    };
    let queries = Queries::of(&statement);
    for node in statement.descendants() {
        facts.take(&node, &queries);
    }
    if let Some(name) = facts
        .relations
        .iter()
        .find(|name| functions::reads_files(&name.name))
    {
        return Err(Refusal::write(&name.name, "reads files of the server", ""));
    }
    Ok(facts)
}

impl Facts {
    fn take(&mut self, node: &SyntaxNode, queries: &Queries) {
        match node.kind() {
            // Special forms (extract, coalesce ..) have a node of their own in place of a name. They are PostgreSQL's own.
            SyntaxKind::CALL_EXPR => match node.first_child() {
                Some(name) if matches!(name.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR) => {
                    self.functions.insert(qualified(&name));
                }
                _ => {}
            },
            SyntaxKind::RELATION_NAME_REF => {
                let name = qualified(node);
                if !queries.include(&name, &place(node)) {
                    self.relations.insert(name);
                }
            }
            _ => {}
        }
    }
}

/// The queries of the `WITH` at the top. Those of a `WITH` further inside are not followed: their names count as relations, which at
/// worst refuses too much.
#[derive(Default)]
struct Queries {
    recursive: bool,
    /// Name and place of each.
    named: Vec<(String, Range<usize>)>,
}

impl Queries {
    fn of(statement: &SyntaxNode) -> Self {
        let is_with = |node: &SyntaxNode| node.kind() == SyntaxKind::WITH_CLAUSE;
        let Some(with) = statement.children().find(is_with) else {
            return Self::default();
        };
        let named = with
            .children()
            .filter(|node| node.kind() == SyntaxKind::WITH_TABLE);
        Self {
            recursive: with
                .children_with_tokens()
                .any(|token| token.kind() == SyntaxKind::RECURSIVE_KW),
            named: named
                .filter_map(|table| {
                    let name = table
                        .children()
                        .find(|node| node.kind() == SyntaxKind::CTE_NAME)?;
                    Some((qualified(&name).name, place(&table)))
                })
                .collect(),
        }
    }

    /// Whether `name`, at `place`, is one of them rather than a relation of the database. Without RECURSIVE a query sees only those
    /// before it, and its own name means the real relation.
    fn include(&self, name: &Name, place: &Range<usize>) -> bool {
        name.schema.is_none()
            && self
                .named
                .iter()
                .take_while(|(_, query)| self.recursive || !query.contains(&place.start))
                .any(|(query, _)| *query == name.name)
    }
}

/// Where a node stands, in bytes.
fn place(node: &SyntaxNode) -> Range<usize> {
    node.text_range().into()
}

/// The name that the identifiers below a node make: the last one, and the one before it.
pub(super) fn qualified(node: &SyntaxNode) -> Name {
    let mut parts: Vec<String> = node
        .descendants_with_tokens()
        .filter_map(squawk_syntax::SyntaxElement::into_token)
        .filter(|token| token.kind() == SyntaxKind::IDENT || token.kind().is_keyword())
        .filter(|token| token.kind() != SyntaxKind::UESCAPE_KW)
        .map(|token| canonical(token.text(), token.parent().as_ref()))
        .collect();
    let name = parts.pop().unwrap_or_default();
    Name {
        schema: parts.pop(),
        name,
    }
}

fn canonical(text: &str, parent: Option<&SyntaxNode>) -> String {
    if let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return quoted.replace("\"\"", "\"");
    }
    let escaped = text
        .strip_prefix(['u', 'U'])
        .and_then(|text| text.strip_prefix("&\""))
        .and_then(|text| text.strip_suffix('"'));
    match (escaped, parent) {
        (Some(_), Some(node)) => squawk_syntax::ast::normalize_name_node(node),
        (Some(inner), None) => lexical::unescape(inner, '\\').unwrap_or_default(),
        (None, _) => text.to_ascii_lowercase(),
    }
}

/// Why a statement of this kind is not a read.
fn not_a_read(kind: SyntaxKind) -> Refusal {
    let name = words(kind);
    match kind {
        _ if nodes::controls_transaction(kind) => Refusal::write(
            &name,
            "controls transactions, and this tool only reads",
            NO_TRANSACTIONS,
        ),
        _ if nodes::changes_session(kind) || kind == SyntaxKind::SET_CONSTRAINTS => {
            Refusal::write(&name, "changes the session, and this tool only reads", NO_SESSION)
        }
        SyntaxKind::DO | SyntaxKind::CALL => Refusal::write(
            &name,
            "runs code that may change data, and this tool only reads",
            USE_EXECUTE,
        ),
        SyntaxKind::COPY => Refusal::write(
            &name,
            "reads or writes files and streams, which this tool can't",
            "To read a table, select from it.",
        ),
        _ => Refusal::write(&name, "is not a read, and this tool only reads", USE_EXECUTE),
    }
}

/// Why a node of this kind may not stand in a read.
fn inside(kind: SyntaxKind) -> Refusal {
    match kind {
        SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE | SyntaxKind::MERGE => {
            let what = format!("{} inside this statement", words(kind));
            Refusal::write(&what, "changes data, and this tool only reads", USE_EXECUTE)
        }
        SyntaxKind::SELECT_INTO | SyntaxKind::INTO_CLAUSE => Refusal::write(
            "SELECT .. INTO",
            "creates a table, and this tool only reads",
            "Leave INTO out.",
        ),
        SyntaxKind::LOCKING_CLAUSE => Refusal::write(
            "FOR UPDATE or FOR SHARE",
            "locks rows, and this tool only reads",
            "Leave the locking clause out.",
        ),
        SyntaxKind::CREATE_TABLE_AS
        | SyntaxKind::CREATE_MATERIALIZED_VIEW
        | SyntaxKind::EXECUTE
        | SyntaxKind::DECLARE => Refusal::write(
            &format!("EXPLAIN of {}", words(kind)),
            "can't be asked for here",
            "Explain its query alone.",
        ),
        _ => Refusal::write(
            &words(kind),
            "is nothing that this tool knows in a read, so it is not run",
            "",
        ),
    }
}

/// The name of a kind as SQL has it: `CREATE TABLE`.
pub(super) fn words(kind: SyntaxKind) -> String {
    match kind {
        SyntaxKind::COMPOUND_SELECT | SyntaxKind::PAREN_SELECT => "SELECT".to_owned(),
        SyntaxKind::COMMIT_TRANSACTION => "COMMIT".to_owned(),
        SyntaxKind::ROLLBACK_TRANSACTION => "ROLLBACK".to_owned(),
        SyntaxKind::SAVEPOINT_CREATE => "SAVEPOINT".to_owned(),
        SyntaxKind::SET_SESSION_AUTH => "SET SESSION AUTHORIZATION".to_owned(),
        SyntaxKind::RESET_SESSION_AUTH => "RESET SESSION AUTHORIZATION".to_owned(),
        SyntaxKind::REFRESH => "REFRESH MATERIALIZED VIEW".to_owned(),
        SyntaxKind::REASSIGN => "REASSIGN OWNED".to_owned(),
        kind => format!("{kind:?}").replace('_', " "),
    }
}
