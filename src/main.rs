//! Parses, runs, prints the error, exits.

use std::process::ExitCode;

use clap::Parser;
use tieout::config::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tieout::config::conceal(&cli);
    let json = tieout::prints_json(&cli);
    match tieout::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.print(json);
            ExitCode::from(error.exit_code())
        }
    }
}
