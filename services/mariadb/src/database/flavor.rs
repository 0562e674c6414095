//! What kind of server answers: MariaDB or MySQL, and its version.

use std::fmt;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// MariaDB.
    MariaDb,
    /// MySQL, or one of its relatives that calls itself so.
    MySql,
}

/// What kind of server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// Whose it is.
    pub product: Product,
    /// Its version: 10.11.19.
    pub version: (u16, u16, u16),
}

impl Flavor {
    /// Reads what `VERSION()` says: `10.11.19-MariaDB-0+deb12u1`, `8.0.40`.
    pub(super) fn read(text: &str) -> Self {
        let product = if text.to_lowercase().contains("mariadb") {
            Product::MariaDb
        } else {
            Product::MySql
        };
        // Old replication made MariaDB say "5.5.5-10.11.19-MariaDB".
        let numbers = text.strip_prefix("5.5.5-").unwrap_or(text);
        let mut numbers = numbers
            .split(|character: char| !character.is_ascii_digit())
            .map(|digits| digits.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self {
            product,
            version: (next(), next(), next()),
        }
    }

    /// Whether it is MariaDB.
    pub fn is_mariadb(self) -> bool {
        self.product == Product::MariaDb
    }

    /// The product's name.
    pub fn name(self) -> &'static str {
        match self.product {
            Product::MariaDb => "MariaDB",
            Product::MySql => "MySQL",
        }
    }
}

impl fmt::Display for Flavor {
    /// The version alone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(formatter, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, product, version) in [
            ("10.11.19-MariaDB-0+deb12u1-log", Product::MariaDb, (10, 11, 19)),
            ("5.5.5-10.4.7-MariaDB", Product::MariaDb, (10, 4, 7)),
            ("11.8.2-MariaDB", Product::MariaDb, (11, 8, 2)),
            ("8.0.40", Product::MySql, (8, 0, 40)),
            ("8.0.36-28", Product::MySql, (8, 0, 36)),
        ] {
            assert_eq!(Flavor::read(text), Flavor { product, version }, "{text}");
        }
    }
}
