//! What the server or the connection says went wrong, as an error of this program.
//!
//! The driver's messages are in its chain of causes. The server's own message never holds a password.

use std::error::Error as StdError;

use tokio_postgres::Row;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::FromSql;

use crate::error::{Error, Result};

/// An error in doing `what`; its cause is what the server said, or how the connection broke.
pub fn failure(what: &str, error: &(dyn StdError + 'static)) -> Error {
    let chain: Vec<&(dyn StdError + 'static)> =
        std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source()).collect();
    if let Some(answer) = chain.iter().find_map(|error| error.downcast_ref::<DbError>()) {
        return with_hint(Error::new(format!("{what}: {}", said(answer))), answer.code());
    }
    // The innermost cause says what happened; those around it repeat that something did.
    let causes: Vec<String> = chain.iter().map(|error| error.to_string()).collect();
    let cause = causes.last().map_or("unknown cause", String::as_str);
    let error = Error::new(format!("{what}: {cause}"));
    if cause.contains("password missing") {
        return error.hint("set PGPASSWORD, or write a line into ~/.pgpass");
    }
    if cause.contains("Connection refused") || cause.contains("No such file") {
        return error.hint("check host and port, and that the server is running");
    }
    if cause.contains("server does not support TLS") {
        return error.hint("the server has no TLS: pass sslmode=disable if that is meant");
    }
    error
}

/// A field of an answer; the server may speak the protocol and have other catalogs.
///
/// # Errors
///
/// If the field is NULL or of another type than expected.
pub fn field<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|error| failure("understand the server's answer", &error))
}

fn said(answer: &DbError) -> String {
    let detail = answer.detail().map_or_else(String::new, |detail| format!(" ({})", detail.trim_end_matches('.')));
    format!("{}{detail}", answer.message())
}

fn with_hint(error: Error, code: &SqlState) -> Error {
    let hint = match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check user, password and sslmode; the password comes from the URL, PGPASSWORD or ~/.pgpass"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant SELECT to the user; where row-level security hides rows, the user needs BYPASSRLS to see all of them"
        }
        SqlState::QUERY_CANCELED => "allow statements more time, or none at all, with the statement timeout",
        SqlState::LOCK_NOT_AVAILABLE => "somebody holds an exclusive lock on the table: try again when it is released",
        SqlState::T_R_SERIALIZATION_FAILURE => "on a standby, set hot_standby_feedback = on or raise max_standby_streaming_delay",
        SqlState::TOO_MANY_CONNECTIONS => "use fewer connections: --jobs",
        _ => return error,
    };
    error.hint(hint)
}
