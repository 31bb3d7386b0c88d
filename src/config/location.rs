//! Locations: where a side is, as the user wrote it and as it may be printed.

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};

/// Schemes of servers, and of the one database that is a file.
const SCHEMES: [&str; 5] = ["postgres", "postgresql", "mysql", "mariadb", "sqlite"];

/// Where a side is. Prints itself without secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    text: String,
    /// The location without its table.
    place: String,
    table: Option<String>,
}

impl Location {
    /// Checks what the user wrote: a path, or `scheme://user@host/database#table`.
    ///
    /// # Errors
    ///
    /// If it names a kind of place that this version does not read.
    pub fn parse(text: &str) -> Result<Self> {
        let whole = |table: Option<&str>, place: &str| Location {
            text: text.to_string(),
            place: place.to_string(),
            table: table.map(str::to_string),
        };
        if text.is_empty() {
            return Err(Error::new("found nothing, expected a path or a URL"));
        }
        let Some((scheme, rest)) = text.split_once(':').filter(|_| !Path::new(text).exists()) else { return Ok(whole(None, text)) };
        if !SCHEMES.contains(&scheme) {
            if !rest.starts_with("//") {
                return Ok(whole(None, text));
            }
            return Err(Error::new(format!(
                "found a location of scheme '{scheme}', expected a path or one of {}",
                SCHEMES.join(", ")
            ))
            .at(whole(None, text).to_string())
            .suggest(scheme, SCHEMES));
        }
        if scheme != "sqlite" && !rest.starts_with("//") {
            return Err(
                Error::new(format!("found '{scheme}:' without //")).hint(format!("write {scheme}://user@host/database#table"))
            );
        }
        let split = if scheme == "sqlite" { text.rsplit_once('#') } else { text.split_once('#') };
        match split.filter(|_| scheme != "sqlite" || !Path::new(rest).exists()) {
            // A password with a bare # would end up as the name of the table, and in messages.
            Some((place, table)) if table.contains('@') && !place.contains('@') => {
                Err(Error::new("found # before @").at(format!("{scheme}://...")).hint("write # in a user name or password as %23"))
            }
            Some((place, table)) if !table.is_empty() => Ok(whole(Some(table), place)),
            Some((place, _)) => Ok(whole(None, place)),
            None => Ok(whole(None, text)),
        }
    }

    /// The location as it is opened, without its table; never printed.
    pub fn expose(&self) -> &str {
        &self.place
    }

    /// The table that stands after `#`.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// Whether it is reached over the network or a socket.
    pub fn is_server(&self) -> bool {
        SCHEMES[..4].iter().any(|scheme| self.text.starts_with(&format!("{scheme}://")))
    }
}

impl fmt::Display for Location {
    /// Leaves out the password of a URL, and all of its query, which may hold one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.text.split_once("://") else { return f.write_str(&self.text) };
        // A password may hold any sign that nobody escaped: the host begins after the last at sign.
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (user.split(':').next(), place));
        let (place, fragment) = place.split_once('#').map_or((place, None), |(place, fragment)| (place, Some(fragment)));
        let place = place.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://")?;
        user.map_or(Ok(()), |user| write!(f, "{user}@"))?;
        f.write_str(place)?;
        fragment.map_or(Ok(()), |table| write!(f, "#{table}"))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_prints_without_secrets() {
        for (text, shown) in [
            ("postgres://app:s3cret@db1/shop#public.orders", "postgres://app@db1/shop#public.orders"),
            ("mysql://app:s3cret@s3cret/s3cret?s3cret#s3cret@db2:3306/shop?password=s3cret", "mysql://app@db2:3306/shop"),
            ("postgres://db1/shop?sslkey=s3cret#t", "postgres://db1/shop#t"),
            ("exports/orders.csv", "exports/orders.csv"),
        ] {
            let location = Location { text: text.to_string(), place: String::new(), table: None };
            assert_eq!(location.to_string(), shown);
            assert_eq!(format!("{location:?}"), shown);
        }
    }

    #[test]
    fn what_is_not_read_yet_is_refused() {
        for text in ["", "postgres:db1/shop", "s3://bucket/orders.parquet", "postgres://app:s#cret@db1/shop"] {
            let error = Location::parse(text).unwrap_err();
            assert!(!format!("{error:?}").contains("cret"), "{error:?}");
        }
    }

    #[test]
    fn a_table_stands_after_the_number_sign() {
        for (text, place, table) in [
            ("exports/orders.csv", "exports/orders.csv", None),
            ("exports/a#b.csv", "exports/a#b.csv", None),
            ("postgres://app@db1/shop", "postgres://app@db1/shop", None),
            ("postgres://app@db1/shop#public.orders", "postgres://app@db1/shop", Some("public.orders")),
            ("mysql://app@db1/shop#a#b@c", "mysql://app@db1/shop", Some("a#b@c")),
            ("sqlite:a#b.db#orders", "sqlite:a#b.db", Some("orders")),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!((location.expose(), location.table()), (place, table), "{text}");
        }
    }
}
