//! The audit: do two tables tie out?
//!
//! [`audit_table`] is the line that this crate is about, one call for each stage: catalog, plan, fingerprint,
//! narrow, compare. The order of stages exists nowhere else. A stage sees engines through their trait and the
//! report through its sink; what cannot be read becomes a failed range, never an early end without a verdict.

mod aside;
mod catalog;
mod compare;
mod comparison;
mod hashed;
mod held;
mod ledger;
mod matching;
mod method;
mod narrow;
mod ordered;
mod pilot;
mod plan;
mod pushed;
mod queue;
mod repeats;
mod run;
mod spool;
mod summary;
mod windows;

pub use catalog::{Choices, KeyChoice, pair};
pub use matching::{Matched, Offer, Selection, TablePair, match_tables};
pub use method::MethodChoice;
pub use plan::{Limits, MEMORY_BYTES_DEFAULT, Plan, plan};
pub use summary::{alone, outline, unaudited, unplanned};
pub use windows::{Observer, Watch};

use std::time::Instant;

use crate::engines::Session;
use crate::error::Result;
use crate::model::range::Domain;
use crate::model::verdict::TableSummary;
use crate::report::Sink;
use crate::sides::Sides;

use hashed::Hashed;
use ledger::Ledger;
use method::Method;
use ordered::Ordered;
use pushed::Pushed;
use windows::{Halt, Windows};

/// Audits one table as planned and sends what it finds to `sink`.
///
/// What goes wrong with the data ends as a failed range and an `incomplete` verdict; see the summary's `errors`.
///
/// # Errors
///
/// Only if the report cannot be written.
///
/// # Panics
///
/// If the books do not balance, which would make every verdict void.
pub fn audit_table(
    plan: &Plan,
    sessions: &Sides<Box<dyn Session>>,
    watch: &Watch<'_>,
    sink: &mut dyn Sink,
) -> Result<TableSummary> {
    let started = Instant::now();
    let bytes_before = sessions.as_ref().map(|session| session.bytes_read());
    let mut ledger = Ledger::new(&plan.pairing, sink);
    let (mut method, mut end) = match method::settle(plan, sessions, watch) {
        Ok(method) => {
            let end = audit_by(&method, plan, sessions, watch, &mut ledger);
            (method, end)
        }
        Err(halt) => (Method::stream(plan.domain, ""), Err(halt)),
    };
    while let Some(next) = method.instead(plan, &end) {
        method = next;
        end = audit_by(&method, plan, sessions, watch, &mut ledger);
    }
    let bytes_read = sessions.as_ref().zip(bytes_before).map(|(session, before)| session.bytes_read() - before);
    summary::close(plan, &method, end, ledger, watch, bytes_read, started)
}

/// Takes a table through its stages, window by window, until its domain is covered.
fn audit_by(
    method: &Method,
    plan: &Plan,
    sessions: &Sides<Box<dyn Session>>,
    watch: &Watch<'_>,
    ledger: &mut Ledger<'_>,
) -> Result<(), Halt> {
    ledger.restart(method.domain).map_err(Halt::Report)?;
    watch.observer.stage("fingerprint");
    // Rows may be read ahead within the scope, while others are compared.
    rayon::in_place_scope(|scope| {
        let mut windows: Box<dyn Windows + '_> = match (&method.grid, method.domain) {
            (Some(grid), _) => Box::new(Pushed::new(plan, sessions, watch, method.ways, grid)),
            (None, Domain::KeyOrder) => Box::new(Ordered::new(plan, sessions, watch, scope)?),
            (None, Domain::KeyHash) => Box::new(Hashed::new(plan, sessions, watch, method)),
        };
        while let Some(evidence) = windows.fingerprint()? {
            let suspects = narrow::narrow(&evidence);
            windows.compare(&suspects, ledger)?;
        }
        Ok(())
    })
}
