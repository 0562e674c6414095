//! Where a server is, and as whom one may log in.

use mcp_hub_programs::{names, variable};
use url::Url;

/// The default port of the MySQL protocol.
pub(crate) const MYSQL_PORT: u16 = 3306;

/// A real MySQL server, when `MCP_HUB_TEST_MYSQL_URL` names one: `mysql://root:PASSWORD@HOST:PORT/DATABASE`.
///
/// It can't be had everywhere, so a test that gets `None` returns without being skipped.
///
/// # Panics
///
/// When the variable is no URL.
pub fn mysql() -> Option<Address> {
    Address::given(names::MYSQL_URL, MYSQL_PORT)
}

/// The address of a test server, with a user that may do everything.
#[derive(Clone, Debug)]
pub struct Address {
    url: Url,
    default_port: u16,
}

impl Address {
    /// What an environment variable says, if it is set.
    ///
    /// # Panics
    ///
    /// When it is no URL.
    pub(crate) fn given(name: &str, default_port: u16) -> Option<Self> {
        variable(name)
            .map(|url| Self::new(&url, default_port).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    pub(crate) fn new(url: &str, default_port: u16) -> Result<Self, url::ParseError> {
        Ok(Self {
            url: Url::parse(url)?,
            default_port,
        })
    }

    /// The address alone, for those who take user and password otherwise.
    ///
    /// # Panics
    ///
    /// When the address can't have a user.
    pub(crate) fn without_user(&self) -> Self {
        let mut url = self.url.clone();
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .expect("an address with a host");
        Self { url, ..self.clone() }
    }

    /// `scheme://user:password@host:port/database`, as far as there are such parts.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The address of another database of this server.
    pub fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// The address of a database for another user.
    ///
    /// # Panics
    ///
    /// When the address can't have a user.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.set_username(user)
            .and_then(|()| url.set_password(Some(password)))
            .expect("an address with a host");
        url.into()
    }

    /// The host: 127.0.0.1 unless the address was given.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("127.0.0.1")
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(self.default_port)
    }

    /// The user that may do everything; empty when the address names none.
    pub fn user(&self) -> &str {
        self.url.username()
    }

    /// That user's password; empty when the address names none.
    pub fn password(&self) -> &str {
        self.url.password().unwrap_or_default()
    }
}
