//! Errors: which side, which place, what was found, what was expected, and a hint on a line of its own.
//!
//! Context is added once, by the layer that knows it: a reader names the file and the line, the audit names the
//! side. This is the only file that knows how a message looks: lower case, no full stop, parts joined by `: `.

use std::error::Error as StdError;
use std::fmt;

use crate::sides::Side;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Exit code of an error before anything was audited: bad flags, an unreachable side, an unknown column.
pub const EXIT_USAGE: u8 = 2;
/// Exit code when something could not be compared or the report could not be written.
pub const EXIT_INCOMPLETE: u8 = 3;

/// An operating error. Differences between the sides are findings, never errors.
pub struct Error(Box<Inner>);

struct Inner {
    side: Option<Side>,
    /// Outermost place first: file, line, column.
    places: Vec<String>,
    message: String,
    hint: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    exit_code: u8,
}

impl Error {
    /// An error that says `message`, such as `found 'four', expected a whole number`.
    pub fn new(message: impl Into<String>) -> Self {
        let inner =
            Inner { side: None, places: Vec::new(), message: message.into(), hint: None, cause: None, exit_code: EXIT_USAGE };
        Error(Box::new(inner))
    }

    /// An error in doing `what` whose reason is `cause`.
    pub fn caused(what: impl Into<String>, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Error::new(what);
        error.0.cause = Some(cause.into());
        error
    }

    /// Names the side, unless it is named already.
    pub fn on(mut self, side: Side) -> Self {
        self.0.side.get_or_insert(side);
        self
    }

    /// Puts the error at `place`, outside all places it has so far.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.places.insert(0, place.into());
        self
    }

    /// Adds advice in the imperative, unless there is some already.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Marks an error that ends a run which had begun to audit: exit code 3 in place of 2.
    pub fn incomplete(mut self) -> Self {
        self.0.exit_code = EXIT_INCOMPLETE;
        self
    }

    /// The exit code that the program ends with if this error ends it.
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code
    }

    /// The advice, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Prints the error to stderr: `tieout: ...` and the hint on a line of its own, or one JSON object.
    pub fn print(&self, json: bool) {
        if json {
            eprintln!("{}", serde_json::json!({ "error": self.to_string(), "hint": self.advice(), "exit_code": self.exit_code() }));
            return;
        }
        eprintln!("tieout: {self}");
        if let Some(hint) = self.advice() {
            eprintln!("hint: {hint}");
        }
    }

    /// Suggests the one of `known` that is nearest to a mistyped `name`, if one is near.
    pub fn suggest<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let lower = name.to_lowercase();
        let near = |candidate: &&str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let nearest = known.into_iter().min_by_key(near);
        match nearest.filter(|candidate| near(candidate) <= 2.max(name.chars().count() / 3)) {
            Some(candidate) => self.hint(format!("did you mean '{candidate}'?")),
            None => self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(side) = inner.side {
            write!(f, "{side} ")?;
        }
        for place in &inner.places {
            write!(f, "{place}: ")?;
        }
        f.write_str(&inner.message)?;
        let mut cause = inner.cause.as_deref().map(|c| c as &dyn StdError);
        let mut last = inner.message.clone();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many crates print their own cause as well; the same words are not said twice.
            if !last.contains(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.0.hint.as_ref().map_or(Ok(()), |hint| write!(f, " (hint: {hint})"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_side_place_found_expected() {
        let error = Error::new("found 2 fields, expected 10").at("line 3").at("orders.csv").on(Side::Source);
        assert_eq!(error.to_string(), "source orders.csv: line 3: found 2 fields, expected 10");
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let suggest = |name| Error::new("no such column").suggest(name, ["amount", "status"]);
        assert_eq!(suggest("amuont").advice(), Some("did you mean 'amount'?"));
        assert_eq!(suggest("geom").advice(), None);
    }
}
