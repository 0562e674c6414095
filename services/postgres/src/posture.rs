//! What the login may do beyond what the adapter's mode needs, each a sentence for an operator.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;
use crate::row::Row;
use crate::traced::Shown;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Rights of the role itself, and through membership.
const RIGHTS: &str = "
    select r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
           pg_catalog.has_database_privilege(current_database(), 'create'),
           (select pg_catalog.array_agg(m.rolname::text order by m.rolname)
              from pg_catalog.pg_roles m
             where m.rolname = any ('{pg_write_server_files,pg_read_server_files,pg_execute_server_program,\
pg_write_all_data,pg_signal_backend,pg_maintain,pg_create_subscription}'::name[])
               and pg_catalog.pg_has_role(m.oid, 'member'))
      from pg_catalog.pg_roles r
     where r.rolname = current_user";

/// How many tables the role may write, and the first of them. Ownership counts, as it does for the server.
const WRITABLE: &str = "
    select count(*), pg_catalog.min(pg_catalog.format('%I.%I', n.nspname, c.relname))
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'f')
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and pg_catalog.has_schema_privilege(n.oid, 'usage')
       and pg_catalog.has_table_privilege(c.oid, 'insert, update, delete, truncate')";

/// Judges the reading role.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn judge(database: &Database) -> Result<Vec<String>, Error> {
    let mut transaction = database.read(None, TIMEOUT).await?;
    let rights = transaction
        .rows(Shown::ours("SELECT pg_roles"), RIGHTS, &[])
        .await?;
    let Some(rights) = rights.first() else {
        return Ok(vec![]);
    };
    // The same role reads and writes when writes are on and no other role is named: it must be able to.
    let writes_too = database.config().allow_writes && database.config().write_user.is_none();
    let mut sentences = of_role(rights)?;
    if rights.get::<bool>(0)? {
        // It may do everything else as well; one sentence says it.
        return Ok(sentences);
    }
    if !writes_too {
        let writable = transaction
            .rows(Shown::ours("SELECT pg_class"), WRITABLE, &[])
            .await?;
        let (count, first): (i64, Option<String>) = match writable.first() {
            Some(row) => (row.get(0)?, row.get(1)?),
            None => (0, None),
        };
        if let Some(first) = first {
            sentences.push(format!(
                "The role may write {count} table{} ({first}{}); reading needs SELECT only.",
                if count == 1 { "" } else { "s" },
                if count == 1 { "" } else { " and others" },
            ));
        }
        if rights.get(5)? {
            sentences.push("The role may create schemas in the database.".to_owned());
        }
    }
    transaction.rollback().await?;
    Ok(sentences)
}

fn of_role(rights: &Row) -> Result<Vec<String>, Error> {
    if rights.get(0)? {
        return Ok(vec![
            "The role is a superuser: only this adapter keeps it from writing, from files and from programs of the server.".to_owned(),
        ]);
    }
    let mut sentences = Vec::new();
    for (column, sentence) in [
        (1, "The role bypasses row-level security."),
        (2, "The role may create roles."),
        (3, "The role may create databases."),
        (4, "The role may replicate, which reads everything."),
    ] {
        if rights.get(column)? {
            sentences.push(sentence.to_owned());
        }
    }
    for member in rights.get::<Vec<String>>(6)? {
        sentences.push(format!("The role is a member of {member}."));
    }
    Ok(sentences)
}
