//! Connections: where the server is, who asks, and how the line is secured.
//!
//! What the URL says comes first, then `~/.my.cnf`, then the environment, as MySQL's own clients have it:
//! <https://dev.mysql.com/doc/refman/9.4/en/connection-options.html>.

use std::path::Path;
use std::time::Instant;

use mysql::{Conn, Opts, OptsBuilder};

use super::connection::Connection;
use super::failure::{code, failure};
use super::options::OptionFile;
use super::tls::{self, Mode, Tls};
use crate::engines::OpenOptions;
use crate::engines::address::{Address, Secret};
use crate::error::{Error, Result};

/// Parameters that a URL may have.
const PARAMETERS: [&str; 5] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"];
/// Where servers put their socket if nobody tells them otherwise.
const SOCKETS: [&str; 4] =
    ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];
const PORT_DEFAULT: u16 = 3306;
/// The largest packet that the protocol knows, in bytes: no value is too long to be read.
pub(super) const PACKET_BYTES_MAX: usize = 1 << 30;

/// A server, and how it is reached. Prints itself without secrets.
#[derive(Debug, Clone)]
pub(super) struct Server {
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: u16,
    socket: Option<String>,
    tls: Tls,
    /// The database that is audited.
    pub(super) database: String,
    /// How messages call it.
    pub(super) place: String,
    /// How it is opened.
    pub(super) options: OpenOptions,
}

impl Server {
    /// Works out where a location is.
    ///
    /// # Errors
    ///
    /// If it is no URL, names no database, or has a parameter that means nothing.
    pub(super) fn locate(location: &str, options: &OpenOptions) -> Result<Self> {
        let address = Address::parse(location)?;
        let place = address.place();
        Server::of(&address, &OptionFile::of_user()?, options).map_err(|error| error.at(place))
    }

    fn of(address: &Address, file: &OptionFile, options: &OpenOptions) -> Result<Self> {
        if let Some((name, _)) = address.parameters.iter().find(|(name, _)| !PARAMETERS.contains(&spelled(name).as_str())) {
            return Err(Error::new(format!("found the parameter '{name}', expected one of {}", PARAMETERS.join(", ")))
                .suggest(name, PARAMETERS));
        }
        let parameter =
            |name: &str| address.parameters.iter().rev().find(|(other, _)| spelled(other) == name).map(|(_, value)| value.expose());
        let said = |name: &str| parameter(name).or_else(|| file.get(name)).map(str::to_string);
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let database = address.database.clone().ok_or_else(|| {
            Error::new("found no database").hint("write the name of the database after the host: mysql://user@host/database")
        })?;
        let host = address.host.clone().or_else(|| file.get("host").map(str::to_string)).or_else(|| environment("MYSQL_HOST"));
        let port = match (address.port, file.get("port").map(str::to_string).or_else(|| environment("MYSQL_TCP_PORT"))) {
            (Some(port), _) => Some(port),
            (None, Some(port)) => {
                Some(port.parse().map_err(|_| Error::new(format!("found '{port}', expected the number of a port")))?)
            }
            (None, None) => None,
        };
        let (host, socket) = match host {
            Some(path) if path.starts_with('/') => ("localhost".to_string(), Some(path)),
            host => {
                let host = host.unwrap_or_else(|| "localhost".to_string());
                // A port in the URL means the network; one that lies about in a file or the environment does not.
                let local = host == "localhost" && address.port.is_none();
                let socket = parameter("socket").map(str::to_string).or_else(|| if local { default_socket(file) } else { None });
                (host, socket)
            }
        };
        let ca = said("ssl-ca");
        let mode = match parameter("ssl-mode") {
            Some(mode) => Mode::parse(mode)?,
            None => Mode::of_options(file, ca.is_some())?,
        };
        let tls = Tls::new(mode, ca, said("ssl-cert"), said("ssl-key"))?;
        let user = address.user.clone().or_else(|| file.get("user").map(str::to_string)).or_else(|| environment("USER"));
        let password = address.password.clone().or_else(|| file.get("password").map(Secret::new));
        let password = password.or_else(|| environment("MYSQL_PWD").map(Secret::new));
        let (port, options, place) = (port.unwrap_or(PORT_DEFAULT), options.clone(), address.place());
        Ok(Server { user, password, host, port, socket, tls, database, place, options })
    }

    /// Opens a connection; nothing is set on it yet.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or does not let the user in.
    pub(super) fn connect(&self) -> Result<Connection> {
        self.connect_with(false)
    }

    /// Opens a connection and closes it, to find out whether there is a server at all: one that takes the call and
    /// then says nothing is given up after the time that connecting may take.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or does not let the user in.
    pub(super) fn probe(&self) -> Result<()> {
        self.connect_with(true).map(drop)
    }

    fn connect_with(&self, impatient: bool) -> Result<Connection> {
        let started = Instant::now();
        let open = |tls: Option<mysql::SslOpts>| {
            // The driver speaks TLS wherever it is told to, but over a socket.
            let encrypted = tls.is_some() && self.socket.is_none();
            Conn::new(self.opts(tls, impatient)).map(|conn| Connection::new(conn, encrypted))
        };
        let opened = match open(self.tls.options()) {
            Err(error) if self.tls.is_optional() && tls::is_not_offered(&error) => open(None),
            opened => opened,
        };
        opened.map_err(|error| {
            let timeout = self.options.connect_timeout;
            if impatient && code(&error).is_none() && started.elapsed() >= timeout {
                return Error::new(format!("connect: found no answer within {timeout:?}"))
                    .at(self.place.as_str())
                    .hint("check host and port, and that the server is up");
            }
            let certificate = matches!(error, mysql::Error::TlsError(_));
            let error = failure("connect", error).at(self.place.as_str());
            match (certificate, self.tls.is_verifying()) {
                (true, true) => error.hint("check ssl-ca, and that the certificate is made out to the host in the URL"),
                (true, false) => error.hint("write ?ssl-mode=DISABLED if the server only speaks old versions of TLS"),
                (false, _) => error.hint("check host and port, and that the server is up"),
            }
        })
    }

    fn opts(&self, tls: Option<mysql::SslOpts>, impatient: bool) -> Opts {
        let timeout = self.options.connect_timeout;
        OptsBuilder::new()
            .ip_or_hostname(Some(self.host.as_str()))
            .tcp_port(self.port)
            .socket(self.socket.as_deref())
            // A loopback address means the network, and TLS where that is asked for.
            .prefer_socket(false)
            .user(self.user.as_deref())
            .pass(self.password.as_ref().map(Secret::expose))
            .db_name(Some(self.database.as_str()))
            .tcp_connect_timeout(Some(timeout))
            .read_timeout(impatient.then_some(timeout))
            .tcp_keepalive_time_ms(Some(60_000))
            .max_allowed_packet(Some(PACKET_BYTES_MAX))
            // Each statement is executed once: none is kept.
            .stmt_cache_size(0)
            .connect_attrs(Some([("program_name".to_string(), "tieout".to_string())].into_iter().collect()))
            .ssl_opts(tls)
            .into()
    }

    /// What the reader of a verdict must know of how the server is reached.
    pub(super) fn note(&self) -> Option<String> {
        self.tls.note()
    }
}

/// A parameter's name in one spelling.
fn spelled(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

fn default_socket(file: &OptionFile) -> Option<String> {
    let told = file.get("socket").map(str::to_string).or_else(|| std::env::var("MYSQL_UNIX_PORT").ok());
    told.or_else(|| SOCKETS.into_iter().find(|socket| Path::new(socket).exists()).map(str::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server> {
        Server::of(&Address::parse(url).unwrap(), &OptionFile::default(), &OpenOptions::default())
    }

    #[test]
    fn the_url_says_where_the_server_is() {
        let server_at = |url: &str| server(url).map(|server| (server.host, server.port, server.socket)).unwrap();
        assert_eq!(server_at("mysql://app@db1:3307/shop"), ("db1".to_string(), 3307, None));
        assert_eq!(server_at("mysql://app@127.0.0.1/shop"), ("127.0.0.1".to_string(), 3306, None));
        assert_eq!(server_at("mysql://app@localhost:3306/shop"), ("localhost".to_string(), 3306, None));
        let socket = Some("/s.sock".to_string());
        assert_eq!(server_at("mysql://app@localhost/shop?socket=/s.sock").2, socket);
        assert_eq!(server_at("mysql://app@%2Fs.sock/shop").2, socket);
    }

    #[test]
    fn what_is_missing_or_means_nothing_is_an_error() {
        for (url, word) in [
            ("mysql://app@db1", "database"),
            ("mysql://app@db1/shop?ssl-mod=DISABLED", "ssl-mod"),
            ("mysql://app@db1/shop?ssl-mode=maybe", "maybe"),
            ("mysql://app@db1/shop?ssl-mode=VERIFY_CA", "ssl-ca"),
            ("mysql://app@db1/shop?ssl-cert=/a", "ssl-key"),
        ] {
            let error = server(url).unwrap_err();
            assert!(format!("{error:?}").contains(word), "{url}: {error:?}");
        }
    }

    #[test]
    fn a_server_prints_itself_without_its_password() {
        let server = server("mysql://app:s3cret@db1/shop").unwrap();
        assert!(!format!("{server:?}").contains("s3cret"));
    }
}
