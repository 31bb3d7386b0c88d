//! Where and as whom to connect: the URL, then the service file, then the `PG*` environment, then defaults, as libpq
//! takes them.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html>, <https://www.postgresql.org/docs/current/libpq-envars.html>.

use std::path::{Path, PathBuf};

use super::passfile;
use super::service;
use crate::engines::address::{Address, Secret};
use crate::error::{Error, Result};

/// Reads a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where sockets lie if nothing is said: Debian's folder, and that of the source distribution.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
const PORT: u16 = 5432;

/// The parameters that are understood, each with the variable that can give it.
const KNOWN: [(&str, &str); 19] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
];

/// Parameters of libpq that make no difference here.
const IGNORED: [&str; 10] = [
    "client_encoding",
    "fallback_application_name",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslcompression",
    "sslsni",
    "gssencmode",
];

/// What libpq's `sslmode` says about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses a connection without.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS, and a certificate that a trusted authority signed.
    VerifyCa,
    /// The same, and the certificate names the host.
    VerifyFull,
}

/// Everything that it takes to connect.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Names, addresses, or folders of sockets (they begin with `/`), tried in order.
    pub hosts: Vec<String>,
    /// The address to connect to in place of looking the first host up.
    pub address: Option<String>,
    /// One port for all hosts, or one for each.
    pub ports: Vec<u16>,
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password.
    pub password: Option<Secret>,
    /// Why the password file was not looked at, if it was there.
    pub passfile_ignored: Option<String>,
    /// How TLS is used.
    pub mode: Mode,
    /// Certificates of trusted authorities; `system`: those of the operating system.
    pub root_certificate: Option<PathBuf>,
    /// The client's certificate and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    others: Vec<(&'static str, Secret)>,
}

impl Parameters {
    /// Gathers the parameters for `address`.
    ///
    /// # Errors
    ///
    /// If a parameter is unknown or has no meaning, or a file that it names cannot be read.
    pub fn gather(address: &Address, environment: Environment<'_>) -> Result<Self> {
        let layers = Layers::new(address, environment)?;
        let home = environment("HOME").map(PathBuf::from);
        let ports = layers.get("port").map_or(Ok(vec![PORT]), |text| {
            text.split(',').map(|port| port.parse().map_err(|_| unexpected("port", &text, "a number up to 65535"))).collect()
        })?;
        let hosts: Vec<String> = match layers.get("host").or_else(|| layers.get("hostaddr")) {
            Some(hosts) => hosts.split(',').map(str::to_string).collect(),
            None => vec![default_host(ports.first().copied().unwrap_or(PORT))],
        };
        let user = layers
            .get("user")
            .or_else(|| environment("USER").or_else(|| environment("LOGNAME")))
            .ok_or_else(|| Error::new("found no user").hint("name the user in the URL or in PGUSER"))?;
        let database = layers.get("dbname").unwrap_or_else(|| user.clone());
        let (mut password, mut passfile_ignored) = (layers.get("password").map(Secret::new), None);
        if password.is_none() {
            let file = layers.get("passfile").map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(".pgpass")));
            let host = match hosts.first().map_or("", String::as_str) {
                folder if SOCKET_FOLDERS.contains(&folder) => "localhost",
                host => host,
            };
            match file.map(|file| passfile::look_up(&file, host, ports[0], &database, &user)) {
                Some(Ok(found)) => password = found,
                Some(Err(reason)) => passfile_ignored = Some(reason),
                None => {}
            }
        }
        let in_home = |name: &str| home.as_ref().map(|home| home.join(".postgresql").join(name)).filter(|file| file.exists());
        let root_certificate = layers.get("sslrootcert").map(PathBuf::from).or_else(|| in_home("root.crt"));
        let certificate = layers.get("sslcert").map(PathBuf::from).or_else(|| in_home("postgresql.crt"));
        let key = layers.get("sslkey").map(PathBuf::from).or_else(|| in_home("postgresql.key"));
        let mode = layers.mode(root_certificate.as_deref())?;
        let others =
            ["options", "application_name", "target_session_attrs", "channel_binding", "sslnegotiation", "connect_timeout"];
        // An address from the environment belongs to the host there, not to that of the URL.
        let address =
            if layers.first.iter().any(|(name, _)| name == "host") { layers.in_url("hostaddr") } else { layers.get("hostaddr") };
        Ok(Parameters {
            hosts,
            address,
            ports,
            user,
            database,
            password,
            passfile_ignored,
            mode,
            root_certificate,
            client_certificate: certificate.map(|certificate| (certificate.clone(), key.unwrap_or(certificate))),
            others: others.iter().filter_map(|name| Some((*name, Secret::new(layers.get(name)?)))).collect(),
        })
    }

    /// A parameter that is handed on as it is.
    pub fn other(&self, name: &str) -> Option<&str> {
        self.others.iter().find(|(other, _)| *other == name).map(|(_, value)| value.expose())
    }

    /// Whether there may be TLS: not through a socket in the file system.
    pub fn may_encrypt(&self) -> bool {
        self.mode != Mode::Disable && !self.hosts.iter().all(|host| host.starts_with('/'))
    }

    /// The server and database, to be named in messages.
    pub fn place(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        format!("postgres://{}:{}/{}", self.hosts.join(","), ports.join(","), self.database)
    }
}

/// What the URL, the service file and the environment say.
struct Layers<'a> {
    first: Vec<(String, Secret)>,
    service: Vec<(String, Secret)>,
    environment: Environment<'a>,
}

impl<'a> Layers<'a> {
    fn new(address: &Address, environment: Environment<'a>) -> Result<Self> {
        let own = [
            ("host", address.host.clone().map(Secret::new)),
            ("port", address.port.map(|port| Secret::new(port.to_string()))),
            ("user", address.user.clone().map(Secret::new)),
            ("password", address.password.clone()),
            ("dbname", address.database.clone().map(Secret::new)),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)));
        // Of a parameter that is given twice, the last counts.
        let first: Vec<(String, Secret)> = address.parameters.iter().rev().cloned().chain(own).collect();
        let mut layers = Layers { first, service: Vec::new(), environment };
        check_names(&layers.first)?;
        if let Some(name) = layers.get("service") {
            layers.service = service::look_up(&name, layers.get("servicefile").as_deref(), environment)?;
            check_names(&layers.service).map_err(|error| error.at(format!("service {name}")))?;
        }
        Ok(layers)
    }

    fn in_url(&self, name: &str) -> Option<String> {
        self.first.iter().find(|(other, _)| other == name).map(|(_, value)| value.expose().to_string())
    }

    /// What the first layer that knows the parameter says; what is empty says nothing.
    fn get(&self, name: &str) -> Option<String> {
        let (_, variable) = KNOWN.iter().find(|(other, _)| *other == name)?;
        let served = || self.service.iter().find(|(other, _)| other == name).map(|(_, value)| value.expose().to_string());
        self.in_url(name).or_else(served).or_else(|| (self.environment)(variable)).filter(|value| !value.is_empty())
    }

    fn mode(&self, root_certificate: Option<&Path>) -> Result<Mode> {
        let system = root_certificate.is_some_and(|file| file.as_os_str() == "system");
        match self.get("sslmode").as_deref() {
            None if system => Ok(Mode::VerifyFull),
            Some("verify-full") => Ok(Mode::VerifyFull),
            Some(other) if system => Err(unexpected("sslmode", other, "verify-full, as sslrootcert is system")),
            None | Some("prefer") => Ok(Mode::Prefer),
            Some("disable") => Ok(Mode::Disable),
            Some("allow") => Ok(Mode::Allow),
            Some("require") => Ok(Mode::Require),
            Some("verify-ca") => Ok(Mode::VerifyCa),
            Some(other) => Err(unexpected("sslmode", other, "disable, allow, prefer, require, verify-ca or verify-full")),
        }
    }
}

/// A parameter that has no meaning; only for those that are no secrets.
pub fn unexpected(name: &str, found: &str, expected: &str) -> Error {
    Error::new(format!("{name}: found '{found}', expected {expected}"))
}

/// Refuses what is not understood: a parameter that was passed over could be one that makes the connection safe.
fn check_names(parameters: &[(String, Secret)]) -> Result<()> {
    let known = || KNOWN.iter().map(|(name, _)| *name);
    match parameters.iter().find(|(name, _)| !known().any(|other| other == name) && !IGNORED.contains(&name.as_str())) {
        Some((name, _)) => Err(Error::new(format!("found a parameter '{name}' that is not supported")).suggest(name, known())),
        None => Ok(()),
    }
}

/// The socket that is there, else this machine.
fn default_host(port: u16) -> String {
    let folder = SOCKET_FOLDERS.iter().find(|folder| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists());
    folder.map_or("localhost", |folder| folder).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(url: &str, environment: &[(&str, &str)]) -> Result<Parameters> {
        let get = |name: &str| environment.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_string());
        Parameters::gather(&Address::parse(url).unwrap(), &get)
    }

    #[test]
    fn the_url_comes_before_the_environment() {
        let environment =
            [("PGHOST", "elsewhere"), ("PGHOSTADDR", "10.0.0.1"), ("PGPORT", "6000"), ("PGUSER", "me"), ("PGPASSWORD", "s3cret")];
        let all = gather("postgres://app:own@db1:5433/shop?sslmode=require", &environment).unwrap();
        assert_eq!((all.hosts[0].as_str(), all.ports[0], all.user.as_str(), all.database.as_str()), ("db1", 5433, "app", "shop"));
        assert_eq!(
            (all.password.as_ref().map(Secret::expose), all.mode, all.address.as_deref()),
            (Some("own"), Mode::Require, None)
        );
        let none = gather("postgres:///shop", &environment).unwrap();
        assert_eq!((none.hosts[0].as_str(), none.ports[0], none.user.as_str()), ("elsewhere", 6000, "me"));
        assert_eq!((none.password.as_ref().map(Secret::expose), none.address.as_deref()), (Some("s3cret"), Some("10.0.0.1")));
        assert!(!format!("{none:?}{all:?}").contains("s3cret"));
        assert_eq!(none.place(), "postgres://elsewhere:6000/shop");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let error = gather("postgres://u@h/d?sslmod=require", &[]).unwrap_err();
        assert_eq!(error.advice(), Some("did you mean 'sslmode'?"));
        for query in ["sslmode=verify_full", "sslrootcert=system&sslmode=require", "sslcrl=/x", "port=70000"] {
            assert!(gather(&format!("postgres://u@h/d?{query}"), &[]).is_err(), "{query}");
        }
        assert_eq!(gather("postgres://u@h/d?sslrootcert=system", &[]).unwrap().mode, Mode::VerifyFull);
    }
}
