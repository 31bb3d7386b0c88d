//! Where a server is: a URL taken apart.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result};

/// A password, which nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The password, to be given to the server.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The parts of `scheme://user:password@host:port/database?name=value`, each decoded; all but the scheme can be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `postgres`, `mysql`.
    pub scheme: String,
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The host, or the folder of a socket.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The database.
    pub database: Option<String>,
    /// What follows the question mark, in order; a value may be a secret.
    pub parameters: Vec<(String, Secret)>,
}

impl Address {
    /// Takes a URL apart.
    ///
    /// # Errors
    ///
    /// If it is none. The message does not repeat it, for it may hold a password.
    pub fn parse(location: &str) -> Result<Self> {
        let url = Url::parse(location).map_err(|error| {
            Error::new(format!("found no valid URL: {error}"))
                .hint("write scheme://user@host:port/database, with signs such as @ / # of a password percent-encoded")
        })?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let present = |text: &str| Some(decoded(text)).filter(|text| !text.is_empty());
        Ok(Address {
            scheme: url.scheme().to_string(),
            user: present(url.username()),
            password: url.password().map(|password| Secret(decoded(password))),
            host: url.host_str().and_then(|host| present(host.trim_matches(['[', ']']))),
            port: url.port(),
            database: present(url.path().trim_start_matches('/')),
            parameters: url.query_pairs().map(|(name, value)| (name.into_owned(), Secret(value.into_owned()))).collect(),
        })
    }

    /// The value of a parameter; of several with one name, the last.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.expose())
    }

    /// The server and database, to be named in messages.
    pub fn place(&self) -> String {
        let host = self.host.as_deref().unwrap_or("localhost");
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        let database = self.database.as_deref().map_or_else(String::new, |database| format!("/{database}"));
        format!("{}://{host}{port}{database}", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_decoded() {
        let address = Address::parse("postgres://app:s%40%21%2F@[::1]:5433/my%20shop?sslmode=verify-full&a=1&a=2").unwrap();
        assert_eq!(address.user.as_deref(), Some("app"));
        assert_eq!(address.password.as_ref().map(Secret::expose), Some("s@!/"));
        assert_eq!((address.host.as_deref(), address.port), (Some("::1"), Some(5433)));
        assert_eq!(address.database.as_deref(), Some("my shop"));
        assert_eq!(
            (address.parameter("sslmode"), address.parameter("a"), address.parameter("b")),
            (Some("verify-full"), Some("2"), None)
        );
        assert!(!format!("{address:?}").contains("s@!/"));
        assert_eq!(address.place(), "postgres://::1:5433/my shop");
    }

    #[test]
    fn parts_may_be_absent_and_a_socket_may_be_the_host() {
        let bare = Address::parse("mysql:///shop").unwrap();
        assert_eq!((bare.user, bare.host, bare.port, bare.database.as_deref()), (None, None, None, Some("shop")));
        let socket = Address::parse("postgres://%2Fvar%2Frun%2Fpostgresql/shop").unwrap();
        assert_eq!(socket.host.as_deref(), Some("/var/run/postgresql"));
    }

    #[test]
    fn what_is_no_url_is_an_error_that_does_not_repeat_it() {
        let error = Address::parse("postgres://app:s3cret@host:port/shop").unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}
