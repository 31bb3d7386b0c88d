//! TLS with the meaning that MySQL gives to `ssl-mode`:
//! <https://dev.mysql.com/doc/refman/9.4/en/connection-options.html#option_general_ssl-mode>.

use std::path::{Path, PathBuf};

use mysql::{ClientIdentity, DriverError, SslOpts};

use super::options::OptionFile;
use crate::error::{Error, Result};

/// How far the server's certificate is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// No TLS.
    Disabled,
    /// TLS if the server has it, whoever it is: the default.
    Preferred,
    /// TLS, whoever the server is.
    Required,
    /// TLS, and the certificate comes from a known authority.
    VerifyCa,
    /// And it is made out to the host.
    VerifyIdentity,
}

const NAMES: [(&str, Mode); 5] = [
    ("DISABLED", Mode::Disabled),
    ("PREFERRED", Mode::Preferred),
    ("REQUIRED", Mode::Required),
    ("VERIFY_CA", Mode::VerifyCa),
    ("VERIFY_IDENTITY", Mode::VerifyIdentity),
];

impl Mode {
    /// The mode of this name, in any case.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let spelled = name.to_uppercase().replace('-', "_");
        let found = NAMES.iter().find(|(other, _)| *other == spelled);
        let names = NAMES.map(|(name, _)| name);
        found.map(|(_, mode)| *mode).ok_or_else(|| {
            Error::new(format!("found ssl-mode '{name}', expected one of {}", names.join(", "))).suggest(name, names)
        })
    }

    /// The mode that an option file asks for, in MySQL's words or in MariaDB's.
    ///
    /// # Errors
    ///
    /// If it asks for one that there is not.
    pub(super) fn of_options(file: &OptionFile, has_ca: bool) -> Result<Self> {
        let is_on =
            |name: &str| file.get(name).is_some_and(|value| !["0", "off", "false"].contains(&value.to_lowercase().as_str()));
        let is_off = |name: &str| file.get(name).is_some() && !is_on(name);
        Ok(match file.get("ssl-mode") {
            Some(mode) => Mode::parse(mode)?,
            None if is_on("skip-ssl") || is_on("disable-ssl") || is_off("ssl") => Mode::Disabled,
            None if is_on("ssl-verify-server-cert") => Mode::VerifyIdentity,
            None if has_ca => Mode::VerifyCa,
            None if is_on("ssl") => Mode::Required,
            None => Mode::Preferred,
        })
    }
}

/// How a connection is secured.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    mode: Mode,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Certificates and keys are files in PEM.
    ///
    /// # Errors
    ///
    /// If something is asked for that needs a file which is not named, or is not there.
    pub(super) fn new(mode: Mode, ca: Option<String>, cert: Option<String>, key: Option<String>) -> Result<Self> {
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
            (None, None) => None,
            _ => return Err(Error::new("found one of ssl-cert and ssl-key, expected both or neither")),
        };
        if mode == Mode::VerifyCa && ca.is_none() {
            return Err(Error::new("found ssl-mode VERIFY_CA without an authority")
                .hint("name the file with its certificate: ssl-ca=/path/ca.pem"));
        }
        let tls = Tls { mode, ca: ca.map(PathBuf::from), identity };
        if mode != Mode::Disabled {
            let (cert, key) = tls.identity.as_ref().map_or((None, None), |(cert, key)| (Some(cert), Some(key)));
            for path in [tls.ca.as_ref(), cert, key].into_iter().flatten() {
                readable(path)?;
            }
        }
        Ok(tls)
    }

    /// What the driver is told; `None`: no TLS.
    pub(super) fn options(&self) -> Option<SslOpts> {
        let identity = self.identity.as_ref().map(|(cert, key)| ClientIdentity::new(cert.clone(), key.clone()));
        let trusting = matches!(self.mode, Mode::Preferred | Mode::Required);
        (self.mode != Mode::Disabled).then(|| {
            SslOpts::default()
                .with_root_cert_path(self.ca.clone())
                .with_client_identity(identity)
                .with_danger_accept_invalid_certs(trusting)
                .with_danger_skip_domain_validation(self.mode != Mode::VerifyIdentity)
        })
    }

    /// Whether a server without TLS will do.
    pub(super) fn is_optional(&self) -> bool {
        self.mode == Mode::Preferred
    }

    /// Whether the server's certificate is checked.
    pub(super) fn is_verifying(&self) -> bool {
        matches!(self.mode, Mode::VerifyCa | Mode::VerifyIdentity)
    }

    /// The driver trusts public authorities besides the one it is given: with `VERIFY_CA` that is less than MySQL's
    /// own clients ask for.
    pub(super) fn note(&self) -> Option<String> {
        (self.mode == Mode::VerifyCa).then(|| {
            "ssl-mode VERIFY_CA: certificates of public authorities are trusted too; VERIFY_IDENTITY also checks the host"
                .to_string()
        })
    }
}

/// Whether the server has no TLS at all.
pub(super) fn is_not_offered(error: &mysql::Error) -> bool {
    matches!(error, mysql::Error::DriverError(DriverError::TlsNotSupported))
}

fn readable(path: &Path) -> Result<()> {
    std::fs::File::open(path).map(drop).map_err(|error| Error::caused("cannot read the file", error).at(path.display().to_string()))
}
