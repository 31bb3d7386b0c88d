//! Signals, and readers that have seen enough: a report is whole or absent.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Dir, create};

/// How long a run may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A CSV file that takes the program a while.
fn large() -> Dir {
    let dir = Dir::new();
    let mut file = create(&dir.path("large.csv"));
    writeln!(file, "k,a,b,c").unwrap();
    for k in 0..1_500_000 {
        writeln!(file, "{k},{},{},some text that is the same in every row", k * 7, k % 100).unwrap();
    }
    file.flush().unwrap();
    dir
}

/// Waits until `happened`; the runs that wait are those of the program, which tells of itself by its files alone.
fn wait_until(mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "nothing happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn exit_code(mut run: Child) -> i32 {
    let mut code = None;
    wait_until(|| {
        code = run.try_wait().unwrap();
        code.is_some()
    });
    code.unwrap().code().expect("ended by itself")
}

#[test]
fn a_signal_leaves_a_whole_report_that_says_incomplete() {
    let dir = large();
    let hidden = |dir: &Dir| dir.names("").iter().any(|name| name.starts_with(".report."));
    for signal in ["INT", "TERM", "HUP"] {
        let interrupted = (0..5).any(|_| {
            let mut command = dir.command();
            command.args(["diff", "large.csv", "large.csv", "--key", "k", "--jobs", "1", "--out", "report", "--force", "--quiet"]);
            let mut run = command.spawn().unwrap();
            // The audit begins once the report is.
            wait_until(|| hidden(&dir) || run.try_wait().unwrap().is_some());
            Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status().unwrap();
            let code = exit_code(run);
            assert!(!hidden(&dir), "no folder is left behind");
            assert_eq!(dir.names("report"), ["large.diff.parquet", "ranges.parquet", "summary.json"]);
            let summary = std::fs::read_to_string(dir.path("report/summary.json")).unwrap();
            match code {
                0 => assert!(summary.contains("\"tied_out\"")),
                3 => assert!(summary.contains("\"incomplete\"") && summary.contains("interrupted")),
                other => panic!("exit code {other} after SIG{signal}"),
            }
            code == 3
        });
        assert!(interrupted, "none of five runs was interrupted by SIG{signal}");
    }
}

/// A run that wakes for every piece that a server sends slows the server down where both share processors.
#[cfg(target_os = "linux")]
#[test]
fn a_run_is_batch_work_unless_the_user_chose_otherwise() {
    let policies = |mut command: Command| -> BTreeSet<String> {
        let dir = large();
        command.current_dir(dir.path("")).args(["diff", "large.csv", "large.csv", "--key", "k", "--out", "report", "--quiet"]);
        let mut run = command.spawn().unwrap();
        wait_until(|| dir.names("").iter().any(|name| name.starts_with(".report.")) || run.try_wait().unwrap().is_some());
        // The 41st field of proc_pid_stat(5), for each thread; the second may hold spaces, and ends with a bracket.
        let threads = std::fs::read_dir(format!("/proc/{}/task", run.id())).unwrap();
        let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
        let policies =
            stats.map(|stat| stat.rsplit(')').next().unwrap().split_whitespace().nth(41 - 3).unwrap().to_owned()).collect();
        assert_eq!(exit_code(run), 0);
        policies
    };
    let program = env!("CARGO_BIN_EXE_tieout");
    assert_eq!(policies(Command::new(program)), BTreeSet::from(["3".to_owned()]), "SCHED_BATCH");
    let mut idle = Command::new("chrt");
    idle.args(["--idle", "0", program]);
    assert_eq!(policies(idle), BTreeSet::from(["5".to_owned()]), "SCHED_IDLE");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = Dir::new();
    let rows = |word: &str| (0..2000).fold("k,v\n".to_string(), |text, k| text + &format!("{k},{word} {k}\n"));
    dir.write("source.csv", rows("old"));
    dir.write("target.csv", rows("new"));
    dir.diff("source.csv target.csv --key k").drift([0, 0, 2000, 0]);
    for (line, code) in [
        ("diff source.csv target.csv --key k --out again --force", 1),
        ("diff source.csv target.csv --key k --out again --force --format json", 1),
        ("show report --limit 2000", 0),
        ("plan source.csv target.csv --key k", 0),
        ("completions zsh", 0),
        ("man", 0),
    ] {
        let mut command = dir.command();
        let mut run = command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(run.stdout.take());
        let output = run.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(code), ""), "{line}");
    }
}
