//! A tokens file that is changed: replaced as a whole, so that nobody reads half of it, with the comments and the order that it had.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use mcp_hub_facade::auth::token::{self, Entry};
use tempfile::NamedTempFile;
use toml_edit::{DocumentMut, Item, Table};

use crate::error::{Error, Result};

/// A tokens file as it was read, or is to be.
#[derive(Debug)]
pub(super) struct TokensFile {
    /// Where it really is, behind all links.
    path: PathBuf,
    text: String,
    entries: Vec<Entry>,
    /// Held while the file is changed, so that of two changes at the same time none is lost.
    _lock: Option<File>,
}

impl TokensFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::unreadable(path, source))?;
        Self::of(path, text, None)
    }

    /// Reads a file that is to be changed, or to be made.
    pub(super) fn change(path: &Path) -> Result<Self> {
        let (path, lock) = locked(path).map_err(|source| Error::unreadable(path, source))?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::unreadable(&path, source)),
        };
        Self::of(&path, text, lock)
    }

    fn of(path: &Path, text: String, lock: Option<File>) -> Result<Self> {
        let entries = if text.trim().is_empty() {
            vec![]
        } else {
            parse(path, &text)?
        };
        Ok(Self {
            path: path.to_owned(),
            text,
            entries,
            _lock: lock,
        })
    }

    /// The tokens, sorted by name.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a token at the end.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<()> {
        if self.entries.iter().any(|other| other.name == entry.name) {
            return Err(Error::TokenTaken {
                name: entry.name.clone(),
            });
        }
        let mut text = self.text.clone();
        if !text.is_empty() {
            let end = if text.ends_with('\n') { "\n" } else { "\n\n" };
            text.push_str(end);
        }
        text.push_str(&entry.to_string());
        // A file that has its tokens in one line can't be added to at its end.
        self.entries = parse(&self.path, &text)?;
        self.text = text;
        Ok(())
    }

    /// Takes a token out, with the comment right above it.
    pub(super) fn remove(&mut self, name: &str) -> Result<()> {
        if !self.entries.iter().any(|entry| entry.name == name) {
            let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
            return Err(Error::NoToken {
                name: name.to_owned(),
                hint: match names.as_slice() {
                    [] => String::new(),
                    names => format!("; there are: {}", names.join(", ")),
                },
            });
        }
        // It was valid TOML when it was read.
        let mut file: DocumentMut = self.text.parse().unwrap_or_default();
        let trailing = file.trailing().as_str().unwrap_or_default().to_owned();
        if let Some(tokens) = file.get_mut("tokens").and_then(Item::as_table_mut) {
            let stays = tokens.remove(name).and_then(|gone| take_out(tokens, &gone));
            // So that the file says that nobody is meant to be let in.
            tokens.set_implicit(!tokens.is_empty() && tokens.is_implicit());
            if let Some(comments) = stays {
                file.set_trailing(comments + &trailing);
            }
        } else if let Some(tokens) = file.get_mut("tokens").and_then(Item::as_inline_table_mut) {
            tokens.remove(name);
        }
        let text = file.to_string().trim_start_matches('\n').to_owned();
        self.entries = parse(&self.path, &text)?;
        self.text = text;
        Ok(())
    }

    /// Replaces the file. A new one can be read by nobody else; an old one keeps its mode and its owner.
    pub(super) fn save(&self) -> Result<()> {
        let write = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let mut new = NamedTempFile::new_in(folder)?;
            new.write_all(self.text.as_bytes())?;
            if let Ok(before) = fs::metadata(&self.path) {
                keep_access(new.as_file(), &before)?;
            }
            new.as_file().sync_all()?;
            new.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|source| Error::Unwritable {
            path: self.path.clone(),
            source,
        })
    }
}

/// Leaves the comments above a table that was taken out, but for the one right above it, to the next table; those that come to the
/// end of the file, because there is none, are given back.
fn take_out(tokens: &mut Table, gone: &Item) -> Option<String> {
    let gone = gone.as_table()?;
    let above = gone.decor().prefix()?.as_str()?;
    let (comments, _) = above.rsplit_once("\n\n")?;
    let comments = format!("{comments}\n");
    let behind = tokens
        .iter_mut()
        .filter_map(|(_, item)| item.as_table_mut())
        .filter(|table| table.position() > gone.position());
    let Some(next) = behind.min_by_key(|table| table.position()) else {
        return Some(comments);
    };
    let own = next
        .decor()
        .prefix()
        .and_then(|prefix| prefix.as_str())
        .unwrap_or_default();
    let both = comments + own;
    next.decor_mut().set_prefix(both);
    None
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>> {
    token::parse(text).map_err(|source| Error::Tokens {
        path: path.to_owned(),
        source,
    })
}

/// Where a file really is, and the lock on its folder: on the file itself it would go with the first replacement.
fn locked(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(path)?,
        path => path?,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let lock = if cfg!(unix) {
        let folder = File::open(folder)?;
        match folder.lock() {
            // Some network file systems have no locks. Then two people must not do it at the same time.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
            _ => Some(folder),
        }
    } else {
        None
    };
    Ok((path, lock))
}

#[cfg(unix)]
fn keep_access(new: &File, before: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let now = new.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        // A service that runs as somebody else must still be able to read it.
        fchown(new, Some(before.uid()), Some(before.gid()))?;
    }
    new.set_permissions(before.permissions())
}

#[cfg(not(unix))]
fn keep_access(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use mcp_hub_facade::auth::token::{Scope, Token};

    use super::*;

    fn entry(name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            digest: Token::generate().expect("random bytes").digest(),
            scopes: vec![Scope::Read],
            upstreams: None,
            expires: None,
        }
    }

    fn names(file: &TokensFile) -> Vec<&str> {
        file.entries().iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn comments_and_order_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        let [zoe, bob, ci] = ["zoe", "bob", "ci.x"].map(entry);
        let text = format!("# ours\n\n# Zoe's laptop\n{zoe}\n# Bob\n{bob} # end");
        fs::write(&path, &text).expect("written");

        let mut file = TokensFile::change(&path).expect("usable");
        file.add(&ci).expect("added");
        assert!(matches!(file.add(&entry("bob")), Err(Error::TokenTaken { .. })));
        file.save().expect("saved");
        drop(file);
        assert_eq!(
            fs::read_to_string(&path).expect("a file"),
            format!("{text}\n\n{ci}")
        );

        let mut file = TokensFile::change(&path).expect("usable");
        assert_eq!(names(&file), ["bob", "ci.x", "zoe"]);
        file.remove("zoe").expect("removed");
        let error = file.remove("zoe").expect_err("gone").to_string();
        assert_eq!(error, "there is no token \"zoe\"; there are: bob, ci.x");
        file.save().expect("saved");
        drop(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert_eq!(text, format!("# ours\n\n# Bob\n{bob} # end\n\n{ci}"));

        let mut file = TokensFile::change(&path).expect("usable");
        for name in ["bob", "ci.x"] {
            file.remove(name).expect("removed");
        }
        file.save().expect("saved");
        assert_eq!(names(&TokensFile::read(&path).expect("usable")), [""; 0]);
        let text = fs::read_to_string(&path).expect("a file");
        assert_eq!(token::parse(&text), Ok(vec![]));
        assert!(text.contains("# ours\n"), "{text}");
    }

    #[test]
    fn tokens_in_one_line_are_revoked_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        let [a, b] =
            ["a", "b"].map(|name| format!("{name} = {{ sha256 = \"{}\", scopes = [] }}", entry(name).digest));
        fs::write(&path, format!("tokens = {{ {a}, {b} }}\n")).expect("written");
        let mut file = TokensFile::change(&path).expect("usable");
        assert!(matches!(file.add(&entry("c")), Err(Error::Tokens { .. })));
        file.remove("a").expect("removed");
        assert_eq!(names(&file), ["b"]);
        file.remove("b").expect("removed");
        assert_eq!(names(&file), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_its_owners_and_an_old_one_keeps_its_mode_and_its_link() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("tokens.toml"), folder.path().join("link.toml"));
        let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        let add = |path: &Path, name: &str| {
            let mut file = TokensFile::change(path).expect("usable");
            file.add(&entry(name)).expect("added");
            file.save().expect("saved");
        };
        add(&path, "a");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        symlink("tokens.toml", &link).expect("a link");
        add(&link, "b");
        assert_eq!(mode(), 0o640);
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(names(&TokensFile::read(&path).expect("usable")), ["a", "b"]);
        assert_eq!(
            fs::read_dir(folder.path()).expect("a folder").count(),
            2,
            "nothing is left over"
        );
    }

    #[test]
    fn of_many_changes_at_the_same_time_none_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        std::thread::scope(|scope| {
            for index in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let mut file = TokensFile::change(path).expect("usable");
                    file.add(&entry(&format!("t{index}"))).expect("added");
                    file.save().expect("saved");
                });
            }
        });
        assert_eq!(TokensFile::read(&path).expect("usable").entries().len(), 16);
    }
}
