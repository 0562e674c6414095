//! What the login may do beyond what the adapter's mode needs, each a sentence for an operator.

use std::time::Duration;

use crate::database::Database;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Who we are. The Community edition has no roles, and says `null`.
const USER: &str = "SHOW CURRENT USER YIELD user, roles RETURN user, roles";

/// Roles that can't write.
const HARMLESS: [&str; 2] = ["PUBLIC", "reader"];

/// Judges the reading user.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn judge(database: &Database) -> Result<Vec<String>, Error> {
    let mut transaction = database.read_system(TIMEOUT).await?;
    let rows = transaction.rows("SHOW CURRENT USER", USER, vec![]).await?;
    transaction.rollback().await?;
    // A server whose authentication is off knows no user.
    let user = rows.first().and_then(|row| row.text(0)).is_some();
    let roles = match rows.first() {
        Some(row) => row.get::<Option<Vec<String>>>(1)?,
        None => None,
    };
    let config = database.config();
    // The same user reads and writes when writes are on and no other user is named: it must be able to.
    let writes_too = config.allow_writes && config.write_user.is_none();
    Ok(sentences(user, roles.as_deref(), writes_too))
}

fn sentences(user: bool, roles: Option<&[String]>, writes_too: bool) -> Vec<String> {
    if !user {
        return vec![
            "The server asks nobody for a password: whoever reaches it may read and change everything."
                .to_owned(),
        ];
    }
    match roles {
        _ if writes_too => vec![],
        None => vec![
            "This edition of the server has no roles, so that the user may write and administer: only this adapter, and the read mode of its transactions, keep it from that.".to_owned(),
        ],
        Some(roles) => {
            let harmful = roles.iter().filter(|role| !HARMLESS.contains(&role.as_str()));
            let sentences = harmful.map(|role| {
                format!("The user has the role \"{role}\", which may do more than read: the role \"reader\" would do.")
            });
            sentences.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_beyond_reading_are_told() {
        let roles = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(sentences(false, None, false)[0].contains("nobody for a password"));
        assert!(sentences(true, None, false)[0].contains("no roles"));
        assert!(sentences(true, None, true).is_empty());
        assert!(sentences(true, Some(&roles(&["reader", "PUBLIC"])), false).is_empty());
        let told = sentences(true, Some(&roles(&["reader", "admin"])), false);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("\"admin\""));
    }
}
