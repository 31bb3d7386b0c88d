//! Rows that PostgreSQL hashes value by value.

use tieout::audit::{Choices, KeyChoice, Limits, MethodChoice};
use tieout::engines::{self, OpenOptions};
use tieout::model::chained::NAME;
use tieout::sides::Sides;

use crate::databases::{Database, Engine};
use crate::methods::orders;
use crate::model::run::{self, Way};
use crate::support::Dir;

/// Why PostgreSQL's record hash is not used: summed up, it sees none of these differences, whatever its seed. Hashing value by
/// value, by hash functions of the same family, must see them all.
#[test]
fn what_the_record_hash_of_postgres_folds_away_is_found() {
    let databases = orders([Engine::Postgres, Engine::Postgres], ["bigint", "bigint"], 2_000, &[]);
    let at = |micros: i64| format!("timestamp '2000-01-01' + {micros} * interval '1 microsecond'");
    let fill = format!(
        "create table folds (k bigint primary key, n bigint, t timestamp, z timestamptz, c time, s text, m numeric(10,2)); \
         insert into folds select v, 1, {}, {}, time '00:00:00.000001', v::text, 5 from orders",
        at(1),
        at(1)
    );
    databases.iter().for_each(|database| database.run(&fill));
    let folded = 1_i64 << 32;
    let edits = [
        // The same when the halves are folded into one: 0x0_00000001 and 0x1_00000000.
        (format!("update folds set n = {folded} where k = 5"), 1),
        (format!("update folds set t = {} where k = 6", at(folded)), 1),
        (format!("update folds set z = {} where k = 7", at(folded)), 1),
        (format!("update folds set c = time '00:00:00' + {folded} * interval '1 microsecond' where k = 8"), 1),
        // The sign of a number is not hashed.
        ("update folds set m = -5 where k = 11".to_string(), 1),
        // The same in every column, row for row: two rows swap their values.
        ("update folds set s = case k when 9 then '10' when 10 then '9' else s end where k in (9, 10)".to_string(), 2),
    ];
    let mut changed = 0;
    for (edit, rows) in &edits {
        databases[1].run(edit);
        changed += rows;
        for (at, seed) in [(0, 1), (1, 77)] {
            // Equal sums: the hash by itself is blind.
            let sum = |side: usize| {
                databases[side].run(&format!("drop table if exists s{at}; create table s{at} as select mod(sum(hash_record_extended(f, {seed})), 18446744073709551616) as h from folds f"));
                let dir = Dir::new();
                let locations = [databases[0].table(&format!("s{at}")), databases[side].table(&format!("s{at}"))];
                dir.diff_words(&[locations[0].as_str(), &locations[1], "--no-key"]).verdict().to_string()
            };
            sum(0);
            assert_eq!(sum(1), "tied_out", "{edit}: the fold is gone, and this test with it");
        }
        let locations = databases.each_ref().map(|database| database.table("folds"));
        let run = Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]);
        run.drift([0, 0, changed, 0]);
        assert_eq!(run.table()["method"]["target"], "push");
        assert_eq!(run.table()["method"]["digest"], NAME);
    }
}

/// Columns that the two sides declare differently are hashed in a form that both have, so that equal rows need not come over.
#[test]
fn columns_declared_differently_are_hashed_alike() {
    // The types of both sides, and what is in row v.
    let columns = [
        (["integer", "bigint"], "v"),
        (["bigint", "numeric"], "v"),
        (["numeric(12,2)", "numeric(14,4)"], "v / 4.0"),
        (["boolean", "integer"], "v % 2"),
        (["real", "double precision"], "v / 8.0"),
        (["varchar(40)", "text"], "'x' || v"),
        (["char(12)", "varchar(12)"], "'y' || v"),
        (["timestamp", "timestamptz"], "timestamp '2024-01-01' + v * interval '1 second'"),
        (["date", "timestamp"], "date '1969-12-31' + v % 3"),
        (["oid", "bigint"], "v"),
        (["mine", "mood"], "(array['sad', 'ok', 'happy'])[1 + v % 3]::mood"),
        (["cents", "numeric(14,4)"], "v / 4.0"),
    ];
    let databases = orders([Engine::Postgres, Engine::Postgres], ["bigint", "bigint"], 2_000, &[]);
    for (side, database) in databases.iter().enumerate() {
        database.run(
            "create type mood as enum ('sad', 'ok', 'happy'); create domain mine as mood; create domain cents as numeric(12,2)",
        );
        let types: Vec<String> = columns.iter().enumerate().map(|(i, (types, _))| format!("c{i} {}", types[side])).collect();
        let values: Vec<String> = columns.iter().map(|(types, value)| format!("({value})::{}", types[side])).collect();
        let nulls = vec!["null"; columns.len()];
        database.run(&format!("create table apart (k bigint primary key, {})", types.join(", ")));
        database.run(&format!("insert into apart select v, {} from orders", values.join(", ")));
        database.run(&format!("insert into apart values (-1, {})", nulls.join(", ")));
    }
    let locations = databases.each_ref().map(|database| database.table("apart"));
    for [source, target] in [[0, 1], [1, 0]] {
        let run = Dir::new().diff_words(&[locations[source].as_str(), &locations[target], "--method", "push"]);
        run.tied_out();
        assert_eq!(run.table()["method"]["digest"], NAME);
        assert_eq!(run.table()["rows_streamed"]["source"], 0, "{run:#?}");
    }
    for i in 0..columns.len() {
        databases[1].run(&format!("update apart set c{i} = null where k = 77"));
        let run = Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]);
        run.drift([0, 0, 1, 0]);
        assert_eq!(run.column(&format!("c{i}"))["changed"], 1);
    }
}

/// If a pilot sees that most cells differ, hashing would be for nothing.
#[test]
fn a_pilot_sees_that_much_differs() {
    let databases =
        orders([Engine::Postgres, Engine::Postgres], ["bigint", "bigint"], 200_000, &["update orders set v = -v where v % 10 = 0"]);
    databases.iter().for_each(|database| database.run("analyze orders"));
    let open = |at: usize| engines::open(&databases[at].location, &OpenOptions::default()).unwrap();
    let sessions = Sides { source: open(0), target: open(1) };
    let limits = Limits { pilot_bytes: 0, ..Limits::default() };
    let (summary, ..) = run::audit(&Choices::default(), &sessions, &Way { jobs: 2, limits, seed: 5 }).unwrap();
    assert_eq!(summary.differences.changed, 20_000);
    assert_eq!(summary.method.why, "much of what a pilot read differs");
}

/// Failure: numbers, dates and times that differ tied out, and so did labels with padded text. Cause: a cast to text may be the
/// user's own, as most of PostgreSQL's types have none, and it may make one text of two values. Fix: values are written by the functions that
/// their types have for it.
#[test]
fn casts_of_the_users_own_hide_no_difference() {
    let sides = [Database::new(Engine::Postgres), Database::new(Engine::Postgres)];
    let types = ["numeric", "integer", "bigint", "oid", "date", "time", "timestamp", "uuid", "mood"];
    for side in &sides {
        side.run("create type mood as enum ('sad', 'happy')");
        for ty in types {
            side.run(&format!(
                "create function same({ty}) returns text language sql immutable as 'select ''5''::text'; \
                 create cast ({ty} as text) with function same({ty}) as implicit"
            ));
        }
    }
    let cases = [
        (["numeric(12,2)", "numeric(12,2)"], ["1.2", "1.3"]),
        (["numeric", "numeric"], ["1.2", "1.3"]),
        (["integer", "numeric"], ["5", "6"]),
        (["bigint", "numeric(12,2)"], ["6", "5"]),
        (["oid", "numeric"], ["6", "5"]),
        (["boolean", "numeric"], ["true", "5"]),
        (["date", "date"], ["'2024-01-01'", "'2024-01-02'"]),
        (["time", "time"], ["'10:00'", "'11:00'"]),
        (["mood", "mood"], ["'sad'", "'happy'"]),
        (["mood", "char(5)"], ["'sad'", "'5'"]),
    ];
    for (types, values) in cases {
        for side in 0..2 {
            sides[side].run(&format!("drop table if exists t; create table t (k integer primary key, v {})", types[side]));
            sides[side].run(&format!("insert into t values (1, {})", values[side]));
        }
        let locations = sides.each_ref().map(|side| side.table("t"));
        Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]).drift([0, 0, 1, 0]);
    }
    // The same in the text that MariaDB can write too: the length of a text is a number, and its digest becomes bits.
    sides[0].run(
        "create function no_bits(text) returns bit language sql immutable as 'select B''0''::bit(60)'; \
         create cast (text as bit) with function no_bits(text)",
    );
    let other = Database::new(Engine::Mariadb);
    for (ty, mysql, value, changed) in [
        ("timestamp", "datetime(6)", "'2024-01-01 10:00:00'", "'2024-01-01 11:00:00'"),
        ("uuid", "uuid", "'550e8400-e29b-41d4-a716-446655440000'", "'550e8400-e29b-41d4-a716-446655440001'"),
        ("text", "text", "'a'", "'b'"),
    ] {
        sides[0].run(&format!(
            "drop table if exists t; create table t (k integer primary key, v {ty}); insert into t values (1, {value})"
        ));
        other.run("drop table if exists t");
        other.run(&format!("create table t (k integer primary key, v {mysql})"));
        other.run(&format!("insert into t values (1, {value})"));
        let locations = [sides[0].table("t"), other.table("t")];
        let diff = || Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]);
        let run = diff();
        run.tied_out();
        assert_eq!(run.table()["rows_streamed"]["source"], 0, "{run:#?}");
        other.run(&format!("update t set v = {changed}"));
        diff().drift([0, 0, 1, 0]);
    }
}

/// Failure: single bytes that are no ASCII differed between a server of version 15 and one of 16. Cause: `"char"` was cast to text, which
/// gave the byte itself before version 16 and octal digits since. Fix: these are asked for of every server.
#[test]
fn single_bytes_are_the_same_text_in_every_version() {
    let servers: Vec<Engine> = Engine::all().into_iter().filter(|engine| engine.is_postgres()).collect();
    let sides: Vec<Database> = servers.iter().chain([&Engine::Postgres]).map(|engine| Database::new(*engine)).collect();
    let (texts, bytes) = sides.split_last().unwrap();
    let octal = (0..256).map(|byte| match byte {
        0 => "(0, '')".to_string(),
        1..128 => format!("({byte}, chr({byte}))"),
        _ => format!("({byte}, '\\{byte:o}')"),
    });
    texts.run(&format!(
        "create table t (k integer primary key, v text); insert into t values {}",
        octal.collect::<Vec<_>>().join(", ")
    ));
    for side in bytes {
        side.run("create table t (k integer primary key, v \"char\")");
        side.run("insert into t select i, (case when i > 127 then i - 256 else i end)::\"char\" from generate_series(0, 255) i");
        for method in ["stream", "push"] {
            let run = Dir::new().diff_words(&[side.table("t").as_str(), &texts.table("t"), "--method", method]);
            run.tied_out();
            assert_eq!(run.count("rows_streamed/source"), if method == "push" { 0 } else { 256 }, "{run:#?}");
        }
    }
}

/// Failure: a table was incomplete for which `--method push` had been fine. Cause: what a server could not hash ended the audit if it came
/// up in the pilot, as it was taken for another kind of error. Fix: the table is streamed.
#[test]
fn what_a_server_cannot_hash_is_streamed_after_the_pilot() {
    let sides = [Database::new(Engine::Postgres), Database::new(Engine::Postgres)];
    for (side, ty) in sides.iter().zip(["date", "timestamp"]) {
        side.run(&format!("create table far (k bigint primary key, d {ty}); insert into far values (1, '2024-02-29')"));
    }
    // No timestamp is as far away.
    sides[0].run("insert into far values (2, '5874897-12-31')");
    let open = |at: usize| engines::open(&sides[at].location, &OpenOptions::default()).unwrap();
    let limits = Limits { pilot_bytes: 0, ..Limits::default() };
    let sessions = Sides { source: open(0), target: open(1) };
    let (summary, ..) = run::audit(&Choices::default(), &sessions, &Way { jobs: 2, limits, seed: 5 }).unwrap();
    assert_eq!(summary.errors, [""; 0]);
    assert_eq!((summary.rows.matched, summary.differences.missing_in_target), (1, 1));
    assert!(summary.method.why.contains("a server cannot hash it"), "{}", summary.method.why);
    let locations = sides.each_ref().map(|side| side.table("far"));
    Dir::new().diff_words(&[locations[0].as_str(), &locations[1], "--method", "push"]).drift([1, 0, 0, 0]);
}

/// As on machines whose bytes are in the other order.
#[test]
fn servers_whose_hashes_are_others_are_streamed() {
    let sides = [Database::new(Engine::Postgres), Database::new(Engine::Postgres)];
    for side in &sides {
        side.run("create table words (k text, v integer); insert into words select 'word ' || i, i from generate_series(1, 40) i");
        // Nobody knows how many rows a view has: many cells are made for them.
        side.run("create view word_list as select * from words");
        side.run(
            "create or replace function pg_catalog.hashtextextended(text, bigint) returns bigint \
             language sql immutable strict parallel safe as 'select hashint8extended(length($1)::int8, hashint4extended(ascii(reverse($1)), $2))'",
        );
    }
    sides[1].run("update words set v = -1 where v = 7");
    let open = |at: usize| engines::open(&sides[at].location, &OpenOptions::default()).unwrap();
    let sessions = Sides { source: open(0), target: open(1) };
    let choices = Choices { key: KeyChoice::Columns(vec!["k".to_string()]), ..Choices::default() };
    let limits = Limits { method: MethodChoice::Push, ..Limits::default() };
    let (summary, ..) = run::audit(&choices, &sessions, &Way { jobs: 2, limits, seed: 5 }).unwrap();
    assert_eq!((summary.source.as_str(), &summary.errors), ("public.word_list", &vec![]));
    assert_eq!((summary.rows.matched, summary.differences.changed), (39, 1));
    assert!(summary.method.why.contains("found 0 rows in ranges that differ"), "{}", summary.method.why);
}

/// Failure: an audit was incomplete where the rows of one side were hashed here, and read more often than needed. Cause: the server that cannot
/// hash its rows as the other one was asked for those in some cells of hashes all the same. Fix: it sends all of its rows, which are chosen here.
#[test]
fn a_server_that_does_not_hash_does_not_tell_the_cells_of_hashes() {
    let series = |mysql: bool| if mysql { "seq as i from seq_1_to_300" } else { "i from generate_series(1, 300) i" };
    for (engine, key, types, value) in [
        // Neither key has portable text.
        (Engine::Mariadb, "f", ["f double precision, s varchar(20), v integer", "f double, s varchar(20), v integer"], "i / 8.0e0"),
        (Engine::Mariadb, "s", ["f double precision, s varchar(20), v integer", "f double, s varchar(20), v integer"], "i / 8.0e0"),
        (Engine::Postgres, "s", ["f double precision, s uuid, v integer", "f double precision, s text, v integer"], "i / 8.0"),
    ] {
        let sides = [Database::new(Engine::Postgres), Database::new(engine)];
        for (side, types) in sides.iter().zip(types) {
            side.run(&format!("create table t ({types})"));
            let uuid = if types.contains("uuid") { "::uuid" } else { "" };
            let text = format!("concat('550e8400-e29b-41d4-a716-', 446655440000 + i){uuid}");
            let text = if engine == Engine::Mariadb { "concat('s', i)" } else { &text };
            side.run(&format!("insert into t select {value}, {text}, i from (select {}) s", series(side.engine.is_mysql())));
        }
        sides[1].run("update t set v = -1 where v = 77");
        let open = |at: usize| engines::open(&sides[at].location, &OpenOptions::default()).unwrap();
        let sessions = Sides { source: open(0), target: open(1) };
        let choices = Choices { key: KeyChoice::Columns(vec![key.to_string()]), ..Choices::default() };
        let limits = Limits { method: MethodChoice::Push, rows_per_cell: 1, ..Limits::default() };
        let (summary, ..) = run::audit(&choices, &sessions, &Way { jobs: 2, limits, seed: 5 }).unwrap();
        assert_eq!(summary.errors, [""; 0]);
        assert_eq!((summary.rows.matched, summary.differences.changed), (299, 1));
        let method = &summary.method;
        assert_eq!((method.source.as_str(), method.target.as_str(), method.why.as_str()), ("push", "stream", "as asked for"));
    }
}
