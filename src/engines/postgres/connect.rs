//! Connecting: with or without TLS as `sslmode` says, and within the timeout.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::client::Client;
use super::failure::failure;
use super::parameters::{Mode, Parameters, unexpected};
use super::tap::{Rows, Tapped};
use super::tls;
use crate::error::{Error, Result};

/// The name under which sessions are listed in `pg_stat_activity`.
const APPLICATION: &str = "tieout";
/// A server that went away is noticed after about a minute: idle seconds, then tries.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;

/// Makes connections to one server, one after the other or at the same time.
pub struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    /// Whether there is TLS, in the order in which it is tried.
    attempts: &'static [bool],
    /// The attempt that succeeded before.
    first: AtomicUsize,
    timeout: Duration,
    hint: Option<String>,
}

impl Connector {
    /// A connector that gives the server `timeout` to answer.
    ///
    /// # Errors
    ///
    /// If a parameter has no meaning or a certificate cannot be used.
    pub fn new(parameters: &Parameters, timeout: Duration) -> Result<Self> {
        let mut config = Config::new();
        config.user(&parameters.user).dbname(&parameters.database);
        config.application_name(parameters.other("application_name").unwrap_or(APPLICATION));
        parameters.hosts.iter().for_each(|host| {
            config.host(host);
        });
        parameters.ports.iter().for_each(|port| {
            config.port(*port);
        });
        if let Some(password) = &parameters.password {
            config.password(password.expose());
        }
        if let Some(address) = &parameters.address {
            config.hostaddr(address.parse().map_err(|_| unexpected("hostaddr", address, "an IP address"))?);
        }
        if let Some(options) = parameters.other("options") {
            config.options(options);
        }
        choose(parameters, &mut config)?;
        config.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL).keepalives_retries(KEEPALIVE_TRIES);
        let timeout = match parameters.other("connect_timeout") {
            None => timeout,
            Some(text) => match text.parse() {
                Ok(0) => timeout,
                Ok(seconds) => Duration::from_secs(seconds),
                Err(_) => return Err(unexpected("connect_timeout", text, "seconds")),
            },
        };
        let attempts: &[bool] = match parameters.mode {
            _ if !parameters.may_encrypt() => &[false],
            Mode::Disable => &[false],
            Mode::Allow => &[false, true],
            Mode::Prefer => &[true, false],
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[true],
        };
        let (tls, hint) = (tls::connector(parameters)?, parameters.passfile_ignored.clone());
        Ok(Connector { config, tls, attempts, first: AtomicUsize::new(0), timeout, hint })
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached in time, or refuses; the message names no password.
    pub fn connect(&self) -> Result<Client> {
        let (mut first, begin) = (None, self.first.load(Relaxed));
        for (place, encrypted) in self.attempts.iter().enumerate().skip(begin) {
            match self.attempt(*encrypted)? {
                Ok(client) => {
                    self.first.store(place, Relaxed);
                    return Ok(client);
                }
                Err(error) => {
                    let again = is_about_tls(&error);
                    first.get_or_insert(error);
                    if !again {
                        break;
                    }
                }
            }
        }
        let error = first.map_or_else(|| Error::new("connect: no attempt was made"), |error| failure("connect", &error));
        Err(match &self.hint {
            Some(hint) => Error::new(error.to_string()).hint(hint.clone()),
            None => error,
        })
    }

    fn attempt(&self, encrypted: bool) -> Result<Result<Client, tokio_postgres::Error>> {
        let mut config = self.config.clone();
        // To the driver a connection with a tap and no TLS is one whose TLS needs no negotiation. But it sets up none where
        // it knows no host to verify.
        let hosts = config.get_hosts();
        let tapped = !encrypted && !hosts.is_empty() && hosts.iter().all(|host| matches!(host, Host::Tcp(_)));
        config.ssl_mode(if encrypted || tapped { SslMode::Require } else { SslMode::Disable });
        if tapped {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        let tls = Tapped { tls: encrypted.then(|| self.tls.clone()), rows: Rows::default() };
        Client::connect(&config, tls, self.timeout).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                Error::new(format!("connect: found no answer, expected one within {} s", self.timeout.as_secs_f32()))
                    .hint("check host, port and firewall")
            }
            _ => Error::caused("connect", error),
        })
    }
}

/// Sets what is one of a few words.
fn choose(parameters: &Parameters, config: &mut Config) -> Result<()> {
    let word = |name: &'static str| parameters.other(name).map(|found| (name, found));
    match word("target_session_attrs") {
        None | Some((_, "any" | "prefer-standby")) => {}
        Some((_, "read-write" | "primary")) => {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Some((_, "read-only" | "standby")) => {
            config.target_session_attrs(TargetSessionAttrs::ReadOnly);
        }
        Some((name, other)) => {
            return Err(unexpected(name, other, "any, read-write, read-only, primary, standby or prefer-standby"));
        }
    }
    match word("channel_binding") {
        None | Some((_, "prefer")) => {}
        Some((_, "require")) => {
            config.channel_binding(ChannelBinding::Require);
        }
        Some((_, "disable")) => {
            config.channel_binding(ChannelBinding::Disable);
        }
        Some((name, other)) => return Err(unexpected(name, other, "disable, prefer or require")),
    }
    match word("sslnegotiation") {
        None | Some((_, "postgres")) => {}
        Some((_, "direct")) => {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        Some((name, other)) => return Err(unexpected(name, other, "postgres or direct")),
    }
    Ok(())
}

/// Whether the other way, with or without TLS, may be let in where this one was not.
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) || error.to_string().contains("TLS")
}
