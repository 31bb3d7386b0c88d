//! Connecting: with or without TLS as `sslmode` says, and within the timeout.

use std::io;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::client::Client;
use super::failure::failure;
use super::parameters::{Mode, Parameters, unexpected};
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
    /// How TLS is used, in the order in which it is tried.
    attempts: &'static [SslMode],
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
        let attempts: &[SslMode] = match parameters.mode {
            _ if !parameters.may_encrypt() => &[SslMode::Disable],
            Mode::Disable => &[SslMode::Disable],
            Mode::Allow => &[SslMode::Disable, SslMode::Require],
            Mode::Prefer => &[SslMode::Prefer, SslMode::Disable],
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[SslMode::Require],
        };
        Ok(Connector { config, tls: tls::connector(parameters)?, attempts, timeout, hint: parameters.passfile_ignored.clone() })
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached in time, or refuses; the message names no password.
    pub fn connect(&self) -> Result<Client> {
        let mut first = None;
        for mode in self.attempts {
            match self.attempt(*mode)? {
                Ok(client) => return Ok(client),
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

    fn attempt(&self, mode: SslMode) -> Result<Result<Client, tokio_postgres::Error>> {
        let mut config = self.config.clone();
        config.ssl_mode(mode);
        Client::connect(&config, self.tls.clone(), self.timeout).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                Error::new(format!("connect: found no answer, expected one within {} s", self.timeout.as_secs_f32()))
                    .hint("check host, port and firewall")
            }
            _ => Error::caused("connect", error),
        })
    }

    /// Tells the server to end the statement that a connection is busy with.
    pub fn cancel(&self, client: &Client) {
        client.cancel(self.tls.clone());
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
