//! Locations: where a side is, as the user wrote it and as it may be printed.

use std::fmt;

use crate::error::{Error, Result};

/// Where a side is. Prints itself without secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    text: String,
}

impl Location {
    /// Checks what the user wrote.
    ///
    /// # Errors
    ///
    /// If it names a kind of place that this version does not read.
    pub fn parse(text: &str) -> Result<Self> {
        let location = Location { text: text.to_string() };
        if text.is_empty() {
            return Err(Error::new("found nothing, expected a path"));
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).filter(|_| !std::path::Path::new(text).exists());
        match scheme {
            Some(scheme) if text.contains("://") || scheme == "sqlite" => {
                Err(Error::new(format!("found a location of scheme '{scheme}', expected a file, a folder or a quoted glob"))
                    .at(location.to_string())
                    .hint("this version reads files: Parquet, CSV, NDJSON and Arrow IPC"))
            }
            _ => Ok(location),
        }
    }

    /// The location as it is opened; never printed.
    pub fn expose(&self) -> &str {
        &self.text
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
            let location = Location { text: text.to_string() };
            assert_eq!(location.to_string(), shown);
            assert_eq!(format!("{location:?}"), shown);
        }
    }

    #[test]
    fn what_is_not_read_yet_is_refused() {
        for text in ["", "postgres://db1/shop", "sqlite:shop.db", "s3://bucket/orders.parquet"] {
            assert!(Location::parse(text).is_err(), "{text}");
        }
        assert!(Location::parse("exports/orders.csv").is_ok());
    }
}
