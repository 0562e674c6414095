//! What a statement may do, decided while SQLite compiles it: the authorizer.
//!
//! SQLite asks for each table that a statement reads or changes, each function that it calls, each pragma. The decision is a pure
//! function of that question and the [`Mode`]. It is one of several locks: the read connections are also opened read-only, are
//! `query_only` and defensive, attach nothing, and refuse a statement that SQLite itself does not call read-only.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Whose statement is being compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Our own: the catalogue, the transaction around a write.
    Internal,
    /// A caller's, in a tool that reads.
    Read,
    /// A caller's, in the tool that changes data.
    Write,
}

/// What a statement was refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What it does, to be followed by "is not allowed": "DELETE from orders".
    pub what: String,
    /// Whether the tool that changes data would do it.
    pub is_write: bool,
}

/// Something that a statement does in [`Mode::Write`] that decides whether it needs a confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Inserts into a table.
    Insert,
    /// Changes rows of this table.
    Update(String),
    /// Deletes rows of this table.
    Delete(String),
    /// Drops something: "the table orders".
    Drop(String),
    /// Drops a column: "the column note of the table orders".
    DropColumn(String),
}

/// The pragmas that only tell about schema and file, without telling where the file is. Those with an argument take a name.
const PRAGMAS: [&str; 23] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "quick_check",
    "schema_version",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Of [`PRAGMAS`], those whose argument would be stored.
const STORING_PRAGMAS: [&str; 6] = [
    "application_id",
    "data_version",
    "encoding",
    "page_size",
    "schema_version",
    "user_version",
];

/// SQLite's own functions that reach beyond the answer. The connections register none, so the rest only compute; a test lists all
/// that this SQLite has, so that a new one is judged.
const FUNCTIONS: [&str; 6] = [
    "edit",
    "fts3_tokenizer",
    "load_extension",
    "readfile",
    "sqlite_log",
    "writefile",
];

/// Decides about one question of SQLite's.
pub(crate) fn judge(mode: Mode, context: &AuthContext<'_>) -> Result<(), Denial> {
    if mode == Mode::Internal {
        return Ok(());
    }
    match context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Read { .. } => Ok(()),
        AuthAction::Function { function_name } => {
            if FUNCTIONS
                .iter()
                .any(|name| name.eq_ignore_ascii_case(function_name))
            {
                return Err(never(format!("the function {function_name}")));
            }
            Ok(())
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let name = pragma_name.to_ascii_lowercase();
            let stores = pragma_value.is_some() && STORING_PRAGMAS.contains(&name.as_str());
            if PRAGMAS.contains(&name.as_str()) && !stores {
                return Ok(());
            }
            Err(never(format!("PRAGMA {pragma_name}")))
        }
        AuthAction::Attach { .. } => Err(never("ATTACH (or VACUUM)")),
        AuthAction::Detach { .. } => Err(never("DETACH")),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Err(never("BEGIN, COMMIT, ROLLBACK or SAVEPOINT"))
        }
        _ => match describe(&context.action) {
            Some(_) if mode == Mode::Write => Ok(()),
            Some(what) => Err(Denial { what, is_write: true }),
            None => Err(never("this kind of statement")),
        },
    }
}

fn never(what: impl Into<String>) -> Denial {
    Denial {
        what: what.into(),
        is_write: false,
    }
}

/// What an action changes, in words; nothing for an action that this library does not know.
fn describe(action: &AuthAction<'_>) -> Option<String> {
    let text = match action {
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. }
            if is_schema_table(table_name) =>
        {
            "changing the schema".to_owned()
        }
        AuthAction::Insert { table_name } => format!("INSERT into {table_name}"),
        AuthAction::Update { table_name, .. } => format!("UPDATE of {table_name}"),
        AuthAction::Delete { table_name } => format!("DELETE from {table_name}"),
        AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateVtable { .. } => "CREATE".to_owned(),
        AuthAction::DropIndex { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::DropView { .. }
        | AuthAction::DropVtable { .. } => "DROP".to_owned(),
        AuthAction::AlterTable { .. } => "ALTER TABLE".to_owned(),
        AuthAction::Analyze { .. } => "ANALYZE".to_owned(),
        AuthAction::Reindex { .. } => "REINDEX".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn is_schema_table(name: &str) -> bool {
    [
        "sqlite_master",
        "sqlite_schema",
        "sqlite_temp_master",
        "sqlite_temp_schema",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(name))
}

/// What the caller's own statement does; what its triggers do is left out.
fn effect(context: &AuthContext<'_>) -> Option<Effect> {
    if context.accessor.is_some() {
        return None;
    }
    let effect = match context.action {
        AuthAction::Insert { table_name } if !is_schema_table(table_name) => Effect::Insert,
        AuthAction::Update { table_name, .. } if !is_schema_table(table_name) => {
            Effect::Update(table_name.to_owned())
        }
        AuthAction::Delete { table_name } if !is_schema_table(table_name) => {
            Effect::Delete(table_name.to_owned())
        }
        AuthAction::DropTable { table_name } | AuthAction::DropVtable { table_name, .. } => {
            Effect::Drop(format!("the table {table_name}"))
        }
        AuthAction::DropView { view_name } => Effect::Drop(format!("the view {view_name}")),
        AuthAction::DropIndex { index_name, .. } => Effect::Drop(format!("the index {index_name}")),
        AuthAction::DropTrigger { trigger_name, .. } => Effect::Drop(format!("the trigger {trigger_name}")),
        // SQLite passes the column of DROP COLUMN where the database's name usually stands, and nothing for other kinds.
        AuthAction::AlterTable { table_name, .. } => {
            let column = context.database_name?;
            Effect::DropColumn(format!("the column {column} of the table {table_name}"))
        }
        _ => return None,
    };
    Some(effect)
}

/// The authorizer's memory, shared between a connection's hook and the code that runs statements on it.
#[derive(Debug)]
pub(crate) struct Gate(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    mode: Mode,
    denial: Option<Denial>,
    effects: Vec<Effect>,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Mutex::new(Memory {
            mode: Mode::Internal,
            denial: None,
            effects: Vec::new(),
        }))
    }
}

impl Gate {
    /// The hook's answer, remembered when it is no.
    pub(crate) fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let mut memory = self.lock();
        match judge(memory.mode, context) {
            Ok(()) => {
                if memory.mode == Mode::Write {
                    memory.effects.extend(effect(context));
                }
                Authorization::Allow
            }
            Err(denial) => {
                // The first says what the statement wants; later ones are its consequences.
                memory.denial.get_or_insert(denial);
                Authorization::Deny
            }
        }
    }

    /// Sets whose statements are compiled from now on, forgets what was remembered, and returns whose they were.
    pub(crate) fn set_mode(&self, mode: Mode) -> Mode {
        let mut memory = self.lock();
        memory.denial = None;
        memory.effects.clear();
        std::mem::replace(&mut memory.mode, mode)
    }

    /// Why the last statement was refused.
    pub(crate) fn take_denial(&self) -> Option<Denial> {
        self.lock().denial.take()
    }

    /// What the statements compiled since the last call do.
    pub(crate) fn take_effects(&self) -> Vec<Effect> {
        std::mem::take(&mut self.lock().effects)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // A panic while it was held leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(mode: Mode, action: AuthAction<'_>) -> Result<(), Denial> {
        let context = AuthContext {
            action,
            database_name: Some("main"),
            accessor: None,
        };
        judge(mode, &context)
    }

    #[test]
    fn a_reading_tool_only_reads() {
        assert_eq!(ask(Mode::Read, AuthAction::Select), Ok(()));
        let denial = ask(Mode::Read, AuthAction::Delete { table_name: "orders" }).expect_err("denied");
        assert_eq!(
            (denial.what.as_str(), denial.is_write),
            ("DELETE from orders", true)
        );
        let denial = ask(
            Mode::Read,
            AuthAction::Insert {
                table_name: "sqlite_master",
            },
        )
        .expect_err("denied");
        assert_eq!(denial.what, "changing the schema");
    }

    #[test]
    fn nobody_attaches_loads_or_ends_the_transaction() {
        for mode in [Mode::Read, Mode::Write] {
            for action in [
                AuthAction::Attach { filename: "x" },
                AuthAction::Function {
                    function_name: "LOAD_extension",
                },
                AuthAction::Pragma {
                    pragma_name: "writable_schema",
                    pragma_value: Some("1"),
                },
                AuthAction::Pragma {
                    pragma_name: "user_version",
                    pragma_value: Some("7"),
                },
                AuthAction::Pragma {
                    pragma_name: "database_list",
                    pragma_value: None,
                },
                AuthAction::Transaction {
                    operation: rusqlite::hooks::TransactionOperation::Begin,
                },
                AuthAction::Unknown {
                    code: 99,
                    arg1: None,
                    arg2: None,
                },
            ] {
                let denial = ask(mode, action).expect_err("denied");
                assert!(!denial.is_write, "{action:?}");
            }
        }
    }

    #[test]
    fn a_writing_tool_writes_and_its_effects_are_known() {
        let gate = Gate::default();
        gate.set_mode(Mode::Write);
        let context = AuthContext {
            action: AuthAction::Delete { table_name: "orders" },
            database_name: Some("main"),
            accessor: None,
        };
        assert_eq!(gate.authorize(&context), Authorization::Allow);
        let by_trigger = AuthContext {
            accessor: Some("log_orders"),
            ..context
        };
        assert_eq!(gate.authorize(&by_trigger), Authorization::Allow);
        assert_eq!(gate.take_effects(), [Effect::Delete("orders".to_owned())]);
    }
}
