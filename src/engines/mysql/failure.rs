//! What the driver says when something fails, in the words of this program. The driver never repeats a password.

use mysql::Error as DriverError;

use crate::error::Error;

/// The error code of a statement that took longer than MySQL was told to let it.
const TIMED_OUT_MYSQL: u16 = 3024;
/// The same of MariaDB.
const TIMED_OUT_MARIADB: u16 = 1969;

/// An error in doing `what`.
pub(super) fn failure(what: &str, error: DriverError) -> Error {
    let code = code(&error);
    let message = match error {
        DriverError::MySqlError(error) => format!("{} (error {})", error.message, error.code),
        DriverError::IoError(error) => error.to_string(),
        DriverError::DriverError(error) => error.to_string(),
        DriverError::CodecError(error) => error.to_string(),
        DriverError::TlsError(error) => format!("TLS: {error}"),
        DriverError::UrlError(_) | DriverError::FromValueError(_) | DriverError::FromRowError(_) => {
            "found an answer of another type".to_string()
        }
    };
    let error = Error::new(format!("{what}: {message}"));
    match code.and_then(hint) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The server's number of an error.
pub(super) fn code(error: &DriverError) -> Option<u16> {
    match error {
        DriverError::MySqlError(error) => Some(error.code),
        _ => None,
    }
}

/// What can be done about an error of the server:
/// <https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html>.
fn hint(code: u16) -> Option<&'static str> {
    Some(match code {
        1044 | 1142 | 1143 => "grant the user SELECT on what is audited",
        1045 | 1698 => "check the user and the password: in the URL, in ~/.my.cnf, or in MYSQL_PWD",
        1040 | 1203 | 1226 => "audit with fewer connections (--jobs), or raise the server's limit",
        1049 => "write the name of a database that exists after the host: mysql://user@host/database",
        1412 => "the table was altered while it was audited: audit again",
        3159 => "the server wants TLS: write ?ssl-mode=REQUIRED",
        TIMED_OUT_MYSQL | TIMED_OUT_MARIADB => "allow statements more time",
        _ => return None,
    })
}
