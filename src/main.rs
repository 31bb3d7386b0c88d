//! Parses, runs, prints the error, exits.

use std::process::ExitCode;

use clap::Parser;
use tieout::config::cli::Cli;

/// Decoding allocates a buffer for each column of each batch on every thread: see `benches/README.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = tieout::prints_json(&cli);
    match tieout::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print(json);
            ExitCode::from(error.exit_code())
        }
    }
}
