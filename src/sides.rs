//! The two sides of an audit. Code is written once and applied to both through [`Sides`].

use std::fmt;

/// One side of an audit: the data that is right by definition, or the copy that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The data that the copy is held against.
    Source,
    /// The copy.
    Target,
}

impl Side {
    /// Both sides, source first.
    pub const BOTH: [Side; 2] = [Side::Source, Side::Target];

    /// The other side.
    pub fn other(self) -> Side {
        match self {
            Side::Source => Side::Target,
            Side::Target => Side::Source,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Source => "source",
            Side::Target => "target",
        })
    }
}

/// A value for each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sides<T> {
    /// The source's value.
    pub source: T,
    /// The target's value.
    pub target: T,
}

impl<T> Sides<T> {
    /// Makes a value for each side with `make`.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        Sides { source: make(Side::Source), target: make(Side::Target) }
    }

    /// The value of `side`.
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// The value of `side`, to change it.
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }

    /// Borrows both values.
    pub fn as_ref(&self) -> Sides<&T> {
        Sides { source: &self.source, target: &self.target }
    }

    /// Applies `f` to both values.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Sides<U> {
        Sides { source: f(self.source), target: f(self.target) }
    }

    /// Applies `f` to both values, naming the side; the source's error wins.
    pub fn try_map<U, E>(self, mut f: impl FnMut(Side, T) -> Result<U, E>) -> Result<Sides<U>, E> {
        Ok(Sides { source: f(Side::Source, self.source)?, target: f(Side::Target, self.target)? })
    }

    /// Pairs these values with those of `with`, side by side.
    pub fn zip<U>(self, with: Sides<U>) -> Sides<(T, U)> {
        Sides { source: (self.source, with.source), target: (self.target, with.target) }
    }
}
