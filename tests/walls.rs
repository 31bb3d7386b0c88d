//! The layout of the house: what may know of what, and how large a file may be.

use std::fs;
use std::path::Path;

use crate::support::{Dir, root};

/// A file of this package, by its path from the root.
#[derive(Clone)]
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The part of the path that names its layer: `audit`, `config`, `lib`.
    fn layer(&self) -> &str {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').next().unwrap()
    }

    /// The lines of the program: no comments, and no unit tests, which stand at the foot.
    fn code(&self) -> impl Iterator<Item = &str> {
        let program = self.text.split("#[cfg(test)]\nmod tests").next().unwrap();
        program.lines().filter(|line| !line.trim_start().starts_with("//"))
    }
}

/// All Rust files of a folder.
fn sources(folder: &str) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_string();
                found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    assert!(!found.is_empty());
    found
}

/// The layers that each layer may import, itself included: to the left along the line, and never across.
fn allowed(layer: &str) -> &'static [&'static str] {
    match layer {
        "scheduling" => &[],
        "sides" => &["sides"],
        "error" => &["sides", "error"],
        "model" => &["sides", "error", "model"],
        "engines" => &["sides", "error", "model", "engines"],
        "report" => &["sides", "error", "model", "report"],
        "audit" => &["sides", "error", "model", "engines", "report", "audit"],
        "config" => &["sides", "error", "model", "engines", "report", "audit", "config"],
        "auditor" => &["sides", "error", "model", "engines", "report", "audit", "config"],
        "lib" | "main" => &["sides", "error", "model", "engines", "report", "audit", "config", "auditor"],
        other => panic!("src/{other} has no place in the layers: give it one here"),
    }
}

#[test]
fn imports_point_left() {
    for source in sources("src") {
        let known = allowed(source.layer());
        for line in source.code() {
            for import in line.split("crate::").skip(1) {
                let name: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // Macros and items at the root, and groups, are not used: each import names its layer.
                assert!(known.contains(&name.as_str()), "{}: {} may not import {name:?}", source.path, source.layer());
            }
        }
    }
}

#[test]
fn the_audit_sees_engines_through_their_trait_and_reports_through_their_sink() {
    for source in sources("src/audit") {
        for word in ["engines::files", "engines::arrow", "engines::memory", "report::Report", "report::terminal", "report::table"] {
            assert!(!source.code().any(|line| line.contains(word)), "{}: {word}", source.path);
        }
    }
}

#[test]
fn each_crate_stays_where_it_belongs() {
    let places: [(&[&str], &[&str]); 6] = [
        (&["clap::", "clap_complete::", "clap_mangen::"], &["src/config/cli.rs", "src/lib.rs", "src/main.rs"]),
        (&["arrow::", "parquet::"], &["src/engines/", "src/report/"]),
        (&["comfy_table::", "indicatif::"], &["src/report/"]),
        (&["rayon::"], &["src/engines/", "src/report/", "src/audit/", "src/auditor.rs", "src/lib.rs"]),
        (&["xxhash_rust::"], &["src/model/digest.rs"]),
        (&["ctrlc::", "getrandom::"], &["src/lib.rs"]),
    ];
    for source in sources("src") {
        for (crates, folders) in places {
            if folders.iter().any(|folder| source.path.starts_with(folder)) {
                continue;
            }
            for line in source.code() {
                let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                let word = words.find(|word| crates.iter().any(|name| word.starts_with(name)));
                assert_eq!(word, None, "{}: {line}", source.path);
            }
        }
    }
}

#[test]
fn sql_stays_in_the_engines() {
    let words = ["SELECT ", "select ", "INSERT ", "ORDER BY", "GROUP BY", "WHERE "];
    // But for the query that a reader is told to try on the report.
    let may = |path: &str| path.starts_with("src/engines/") || path == "src/report/words.rs";
    for source in sources("src").iter().filter(|source| !may(&source.path)) {
        for line in source.code() {
            assert!(!words.iter().any(|word| line.contains(&format!("\"{word}"))), "{}: {line}", source.path);
        }
    }
}

#[test]
fn files_are_small_and_named_after_what_they_do() {
    for source in sources("src").iter().chain(&sources("tests")) {
        let lines = source.text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", source.path);
        for word in ["util", "utils", "common", "helper", "helpers", "misc"] {
            assert!(!source.path.split(['/', '.', '_']).any(|part| part == word), "{}", source.path);
        }
    }
}

#[test]
fn every_file_of_a_folder_is_a_module_of_it() {
    let all = [sources("src"), sources("tests")].concat();
    for source in &all {
        let (folder, file) = source.path.rsplit_once('/').unwrap();
        let name = file.trim_end_matches(".rs");
        if ["mod", "lib", "main", "tests"].contains(&name) {
            continue;
        }
        let parents = [format!("{folder}/mod.rs"), "src/lib.rs".to_string(), "tests/tests.rs".to_string()];
        let parent = all.iter().find(|other| parents.contains(&other.path) && other.path.starts_with(folder)).unwrap();
        assert!(parent.text.lines().any(|line| line.contains(&format!("mod {name};"))), "{} is compiled nowhere", source.path);
    }
}

#[test]
fn the_program_has_no_panics_in_store() {
    for source in sources("src") {
        for line in source.code() {
            for word in [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "dbg!("] {
                assert!(!line.contains(word), "{}: {line}", source.path);
            }
        }
    }
}

#[test]
fn no_test_is_ignored() {
    for source in sources("src").iter().chain(&sources("tests")) {
        assert!(!source.code().any(|line| line.trim_start().starts_with("#[ignore")), "{}", source.path);
    }
}

#[test]
fn the_changelog_names_this_version_and_the_readme_every_flag() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(read("CHANGELOG.md").contains(env!("CARGO_PKG_VERSION")));
    let readme = read("README.md");
    let help = Dir::new().run("diff --help").stdout;
    let flags =
        help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.starts_with("--") && word.len() > 2);
    for flag in flags {
        let told = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == flag);
        assert!(told, "README.md does not mention {flag}");
    }
    assert!(
        readme.contains("cargo run --release -- diff fixtures/orders/source.parquet fixtures/orders/target.parquet --key order_id")
    );
}
