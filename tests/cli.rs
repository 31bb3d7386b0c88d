//! Exit codes, messages, and what is written where.

use std::fs;

use arrow::array::{Int64Array, StringArray};
use serde_json::Value;

use crate::support::{Dir, array, fixture, table};

/// `source.csv` and `target.csv`, which differ in one amount, and `copy.csv`, which is the source.
fn orders() -> Dir {
    let dir = Dir::new();
    dir.write("source.csv", "order_id,amount,status\n1,1.50,new\n2,2.50,paid\n3,3.50,paid\n");
    dir.write("copy.csv", "order_id,amount,status\n1,1.50,new\n2,2.50,paid\n3,3.50,paid\n");
    dir.write("target.csv", "order_id,amount,status\n1,1.50,new\n2,2.49,paid\n3,3.50,paid\n");
    dir
}

#[test]
fn the_first_command_of_the_readme_finds_the_drift() {
    let dir = Dir::new();
    let run = dir.diff(&format!("{} {} --key order_id", fixture("orders/source.parquet"), fixture("orders/target.parquet")));
    run.drift([3, 2, 13, 0]);
    let changed = ["amount", "status", "customer", "country", "ordered_at", "note", "discount", "due"];
    assert_eq!(changed.map(|name| run.column(name)["changed"].as_u64().unwrap()), [4, 3, 1, 2, 2, 1, 1, 0]);
    assert_eq!((run.count("rows/source"), run.count("rows/target"), run.count("rows/matched")), (400, 399, 384));
}

#[test]
fn the_fixtures_tie_out_across_formats() {
    let dir = Dir::new();
    for format in ["csv", "ndjson", "arrow"] {
        let (source, copy) = (fixture("orders/source.parquet"), fixture(&format!("orders/source.{format}")));
        dir.diff(&format!("{source} {copy} --key order_id --null \\N")).tied_out();
        dir.diff(&format!("{copy} {source} --key order_id --null \\N")).tied_out();
    }
}

#[test]
fn each_verdict_has_its_exit_code() {
    let dir = orders();
    dir.diff("source.csv copy.csv --key order_id").tied_out();
    dir.diff("source.csv target.csv --key order_id").drift([0, 0, 1, 0]);
    dir.diff("source.csv nothing.csv --key order_id").refused(&["target nothing.csv: no such file or folder"]);
    dir.write("wide.csv", "order_id,amount,status,extra\n1,1.50,new,x\n2,2.50,paid,x\n3,3.50,paid,x\n");
    dir.diff("source.csv wide.csv --key order_id").expect(3, "incomplete");
}

#[test]
fn an_exit_code_does_not_depend_on_how_the_result_is_printed() {
    let dir = orders();
    for (target, code) in [("copy.csv", 0), ("target.csv", 1), ("nothing.csv", 2)] {
        for how in ["", "--quiet", "--format json", "--format text"] {
            let run = dir.run(&format!("diff source.csv {target} --key order_id --out report --force {how}"));
            assert_eq!(run.code, code, "{how}: {run:#?}");
        }
    }
}

#[test]
fn a_mistyped_column_comes_with_a_suggestion_wherever_it_stands() {
    let dir = orders();
    for flags in ["--key ordr_id", "--key order_id --columns amuont", "--key order_id --ignore amuont"] {
        let run = dir.diff(&format!("source.csv target.csv {flags}"));
        run.refused(&["no column '", "\nhint: did you mean '"]);
    }
    dir.diff("source.csv target.csv --key geometry").refused(&["no column 'geometry'"]);
    dir.diff("sorce.csv target.csv --key order_id").refused(&["source sorce.csv", "did you mean 'source.csv'?"]);
}

#[test]
fn without_a_key_the_error_says_what_to_pass() {
    let dir = orders();
    dir.diff("source.csv target.csv").refused(&["no key", "hint: ", "--key", "--no-key"]);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let dir = orders();
    for flags in [
        "--key order_id --no-key",
        "--key order_id --columns amount --ignore status",
        "--key order_id,order_id",
        "--key order_id, --quiet",
        "--key order_id --jobs 0",
        "--key order_id --memory 1",
        "--key order_id --delimiter ab",
        "--key order_id --delimiter \"",
        "--key order_id --file-format parket",
        "--key order_id --no-header=left",
        "--key order_id --temp-dir nowhere",
        "--key order_id --unknown",
    ] {
        let run = dir.diff(&format!("source.csv target.csv {flags}"));
        run.refused(&[]);
        assert_ne!(run.stderr, "", "{flags}");
    }
    assert_eq!(dir.names(""), ["copy.csv", "source.csv", "target.csv"], "nothing is written when nothing is audited");
}

#[test]
fn locations_of_other_kinds_are_refused_without_their_secrets() {
    let dir = orders();
    let run = dir.diff("oracle://app:s3cret@db1/shop?password=s3cret#orders target.csv --key order_id");
    run.refused(&["source oracle://app@db1/shop#orders", "expected a path or one of postgres"]);
    assert!(!run.stderr.contains("s3cret"));
}

#[test]
fn columns_and_ignore_choose_what_is_compared() {
    let dir = orders();
    for flags in ["--ignore amount", "--columns status", "--columns status,order_id", "--ignore AMOUNT"] {
        let run = dir.diff(&format!("source.csv target.csv --key order_id {flags}"));
        run.tied_out();
        assert_eq!(run.table()["not_compared"][0]["column"], "amount");
        assert_eq!(run.table()["not_compared"][0]["ignored"], true);
    }
    dir.diff("source.csv target.csv --key order_id --columns amount").drift([0, 0, 1, 0]);
}

#[test]
fn a_column_of_one_side_keeps_the_verdict_open_until_the_user_decides() {
    let dir = orders();
    dir.write("wide.csv", "order_id,geom,amount,status\n1,x,1.50,new\n2,x,2.50,paid\n3,x,3.50,paid\n");
    for (line, side) in [("wide.csv source.csv", "source"), ("source.csv wide.csv", "target")] {
        let run = dir.diff(&format!("{line} --key order_id"));
        run.expect(3, "incomplete");
        let left_out = &run.table()["not_compared"][0];
        assert_eq!((left_out["side"].as_str(), left_out["column"].as_str()), (Some(side), Some("geom")));
        assert!(run.stdout.contains("--ignore"), "{}", run.stdout);
        dir.diff(&format!("{line} --key order_id --ignore geom")).tied_out();
        dir.diff(&format!("{line} --key order_id --columns amount,status")).tied_out();
    }
}

#[test]
fn a_report_is_only_replaced_by_force() {
    let dir = orders();
    dir.diff("source.csv target.csv --key order_id").expect(1, "drift");
    let before = fs::read(dir.path("report/summary.json")).unwrap();
    let names = dir.names("report");
    dir.run("diff source.csv copy.csv --key order_id --out report").refused(&["report: found a report", "--force"]);
    assert_eq!((fs::read(dir.path("report/summary.json")).unwrap(), dir.names("report")), (before, names));
    assert_eq!(dir.run("diff source.csv copy.csv --key order_id --out report --force").code, 0);
    assert!(fs::read_to_string(dir.path("report/summary.json")).unwrap().contains("tied_out"));
    assert_eq!(dir.names(""), ["copy.csv", "report", "source.csv", "target.csv"]);
}

#[test]
fn force_never_replaces_what_is_not_a_report() {
    let dir = orders();
    dir.write("precious/data.txt", "mine");
    for out in ["precious", "source.csv"] {
        dir.run(&format!("diff source.csv copy.csv --key order_id --out {out} --force")).refused(&["expected a place"]);
    }
    assert_eq!(dir.names("precious"), ["data.txt"]);
}

#[test]
fn the_old_report_survives_a_run_that_is_refused() {
    let dir = orders();
    dir.diff("source.csv target.csv --key order_id").expect(1, "drift");
    let before = fs::read(dir.path("report/summary.json")).unwrap();
    dir.diff("source.csv nothing.csv --key order_id").refused(&[]);
    dir.diff("source.csv copy.csv --key nothing").refused(&[]);
    assert_eq!(fs::read(dir.path("report/summary.json")).unwrap(), before);
}

#[test]
fn without_out_the_report_is_named_after_the_run() {
    let dir = orders();
    assert_eq!(dir.run("diff source.csv copy.csv --key order_id").code, 0);
    let runs = dir.names("tieout-report");
    let summary: Value =
        serde_json::from_slice(&fs::read(dir.path(&format!("tieout-report/{}/summary.json", runs[0]))).unwrap()).unwrap();
    assert_eq!(summary["run_id"], runs[0].as_str());
}

#[test]
fn quiet_prints_nothing_but_errors() {
    let dir = orders();
    let run = dir.diff("source.csv target.csv --key order_id --quiet");
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (1, "", ""));
    assert_ne!(dir.diff("source.csv nothing.csv --key order_id --quiet").stderr, "");
}

#[test]
fn results_go_to_stdout_and_nothing_else_does() {
    let dir = orders();
    let run = dir.diff("source.csv target.csv --key order_id");
    assert_eq!(run.stderr, "", "no progress where stderr is no terminal");
    for word in ["drift", "amount", "2.50", "2.49", "report"] {
        assert!(run.stdout.contains(word), "no {word:?} in {}", run.stdout);
    }
    assert!(!run.stdout.contains('\x1b'), "no colour where stdout is no terminal");
}

#[test]
fn json_output_is_the_summary() {
    let dir = orders();
    let run = dir.diff("source.csv target.csv --key order_id --format json");
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), run.summary);
    assert_eq!((run.summary["exit_code"].as_i64(), run.stderr.as_str()), (Some(1), ""));
}

#[test]
fn json_errors_are_one_object() {
    let dir = orders();
    for command in ["diff", "plan"] {
        let run = dir.run(&format!("{command} source.csv target.csv --key amuont --format json"));
        let error: Value = serde_json::from_str(run.refused(&[]).stderr.trim()).unwrap();
        assert!(error["error"].as_str().unwrap().contains("no column 'amuont'"));
        assert_eq!((error["hint"].as_str(), error["exit_code"].as_i64()), (Some("did you mean 'amount'?"), Some(2)));
    }
}

#[test]
fn plan_reads_no_rows_and_writes_nothing() {
    let dir = orders();
    // The third line could not be read: a plan does not look at it.
    dir.write("broken.csv", "order_id,amount,status\n1,1.50,new\n2\n");
    let run = dir.run("plan source.csv broken.csv --key order_id");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for word in ["amount", "status", "order_id", "source", "broken"] {
        assert!(run.stdout.contains(word), "no {word:?} in {}", run.stdout);
    }
    let run = dir.run("plan source.csv broken.csv --key order_id --ignore status --format json");
    let plan: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((plan[0]["complete"].as_bool(), plan[0]["key"][0].as_str()), (Some(true), Some("order_id")));
    assert_eq!(plan[0]["not_compared"][0]["column"], "status");
    assert_eq!(dir.names(""), ["broken.csv", "copy.csv", "source.csv", "target.csv"]);
}

#[test]
fn plan_says_when_no_verdict_but_incomplete_is_possible() {
    let dir = orders();
    dir.write("narrow.csv", "order_id,amount\n1,1.50\n");
    let plan: Value = serde_json::from_str(&dir.run("plan source.csv narrow.csv --key order_id --format json").stdout).unwrap();
    assert_eq!(plan[0]["complete"], false);
}

#[test]
fn show_pages_through_a_report() {
    let dir = Dir::new();
    let ids = || array(Int64Array::from_iter_values(1..=30));
    let values = |prefix: &str| array(StringArray::from_iter_values((1..=30).map(|i| format!("{prefix}-{i:02}"))));
    let same = || array(StringArray::from_iter_values((1..=30).map(|i| if i == 7 { "odd" } else { "even" })));
    let all = || array(StringArray::from_iter_values((1..=30).map(|_| "even")));
    dir.diff_tables(
        &table(&[("k", ids()), ("v", values("old")), ("w", all())]),
        &table(&[("k", ids()), ("v", values("new")), ("w", same())]),
    )
    .drift([0, 0, 30, 0]);
    let shown = |flags: &str| -> Vec<i32> {
        let run = dir.run(&format!("show report {flags}"));
        assert_eq!(run.code, 0, "{run:#?}");
        (1..=30).filter(|i| run.stdout.contains(&format!("old-{i:02}"))).collect()
    };
    assert_eq!(shown(""), (1..=20).collect::<Vec<_>>());
    assert_eq!(shown("--limit 3"), [1, 2, 3]);
    assert_eq!(shown("--limit 3 --offset 5"), [6, 7, 8]);
    assert_eq!(shown("--limit 0"), Vec::<i32>::new());
    assert_eq!(shown("--offset 29"), [30]);
    assert_eq!(shown("--key 12"), [12]);
    assert_eq!(shown("--difference missing_in_target"), Vec::<i32>::new());
    assert_eq!(shown("--difference changed --limit 2"), [1, 2]);
    let odd = dir.run("show report --column w").stdout;
    assert!(odd.contains("odd") && odd.contains('7'), "{odd}");
    dir.run("show report --column vv").refused(&["found no compared column 'vv'", "did you mean"]);
    dir.run("show report --table other").refused(&["found no table 'other'"]);
    dir.run("show report --difference new").refused(&["found difference 'new'"]);
    dir.run("show nowhere").refused(&["nowhere"]);
}

#[test]
fn completions_exist_for_every_shell() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = dir.run(&format!("completions {shell}"));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains("no-key"), "{shell}");
    }
    dir.run("completions tcsh").refused(&["tcsh"]);
}

#[test]
fn the_man_page_is_roff() {
    let run = Dir::new().run("man");
    assert!(run.code == 0 && run.stdout.contains(".TH tieout") && run.stdout.contains("SYNOPSIS"), "{run:#?}");
}

#[test]
fn help_teaches() {
    let dir = Dir::new();
    let help = dir.run("--help");
    assert_eq!(help.code, 0);
    for words in ["Exit codes:", "tied out", "drift", "usage", "incomplete", "Examples:", "diff", "plan", "show", "completions"] {
        assert!(help.stdout.contains(words), "no {words:?} in {}", help.stdout);
    }
    let help = dir.run("diff --help").stdout;
    for words in ["Examples:", "--no-key", "--null", "Parquet", "NDJSON", "glob"] {
        assert!(help.contains(words), "no {words:?} in {help}");
    }
    assert_eq!(dir.run("--version").stdout.trim(), concat!("tieout ", env!("CARGO_PKG_VERSION")));
    dir.run("").refused(&["Usage"]);
}
