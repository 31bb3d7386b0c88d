//! How the system's scheduler is to treat a run.

/// Lets the system treat this thread, and all that it starts, as batch work: it gets the same share of the processors, but is not woken
/// in the middle of what others do there (`SCHED_BATCH`, sched(7)).
///
/// Rows come from a server in pieces of 8 KiB. Where server and auditor share processors, an auditor that wakes for each of them costs the
/// server a context switch every time; as batch work it waits for its turn and then takes all that has come: a ninth less time, and two fifths less CPU of its
/// own (benches/README.md). Whoever chose a policy (`chrt`) keeps it. Does nothing on other systems than Linux.
#[allow(unsafe_code)]
pub(crate) fn as_batch_work() {
    #[cfg(target_os = "linux")]
    // SAFETY: both calls concern the calling thread alone, and the parameters outlive the call that reads them.
    unsafe {
        if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &libc::sched_param { sched_priority: 0 });
        }
    }
}
