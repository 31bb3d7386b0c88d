//! Keeps passwords out of the list of processes, where everybody could read the command line.
//!
//! A program cannot take back its arguments, but it can begin anew without them: the same process runs the same
//! program, the locations without their secrets as arguments and whole in its environment, which others cannot read.

use std::env;
use std::ffi::OsString;

use super::cli::{Cli, Command};
use super::location::Location;
use crate::sides::{Side, Sides};

/// The environment variable that holds a side's whole location.
fn variable(side: Side) -> &'static str {
    match side {
        Side::Source => "TIEOUT_SOURCE_LOCATION",
        Side::Target => "TIEOUT_TARGET_LOCATION",
    }
}

/// Begins anew without secrets among the arguments, if there are any. Returns if there are none, or if that cannot
/// be done: then the run goes on as it is.
pub fn conceal(cli: &Cli) {
    let locations = match &cli.command {
        Command::Diff(args) => Sides { source: &args.audit.source, target: &args.audit.target },
        Command::Plan(args) => Sides { source: &args.audit.source, target: &args.audit.target },
        _ => return,
    };
    let shown = locations.map(|text| Location::parse(text).map(|location| location.to_string()).unwrap_or_else(|_| text.clone()));
    if shown.as_ref() == locations {
        return;
    }
    let without = |argument: OsString| match argument.to_str() {
        Some(text) if text == locations.source => shown.source.clone().into(),
        Some(text) if text == locations.target => shown.target.clone().into(),
        _ => argument,
    };
    let Ok(program) = env::current_exe() else { return };
    let mut command = std::process::Command::new(program);
    command.args(env::args_os().skip(1).map(without));
    command.envs(Side::BOTH.map(|side| (variable(side), locations.get(side).as_str())));
    #[cfg(unix)]
    drop(std::os::unix::process::CommandExt::exec(&mut command));
}

/// The location that an argument stands for: itself, or the whole one that [`conceal`] left in the environment.
pub fn revealed(side: Side, argument: String) -> String {
    let is_it = |whole: &String| Location::parse(whole).is_ok_and(|location| location.to_string() == argument);
    env::var(variable(side)).ok().filter(is_it).unwrap_or(argument)
}
