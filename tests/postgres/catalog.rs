use tieout::model::schema::Type;

use super::{database, described, open, parts, public, rows, scan};
use crate::support::Dir;

#[test]
fn keys_are_the_primary_one_and_then_those_that_are_unique_without_null() {
    let database = database();
    database.run(
        "create table public.t (a int not null, b int not null, c int, d text not null, gone int, e int generated always as (a + 1) stored,
             primary key (b, a), unique (d), unique (c));
         alter table public.t drop column gone;
         create unique index on public.t (a) where a > 0; create unique index on public.t (lower(d));
         create unique index on public.t (a, d) include (c)",
    );
    let session = open(&database);
    let table = described(session.as_ref(), "t");
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let key = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(table.keys, [key(&["b", "a"]), key(&["d"]), key(&["a", "d"])]);
    assert_eq!(table.columns[3].native, "text");
}

#[test]
fn what_has_rows_is_listed_and_what_belongs_to_the_system_is_not() {
    let database = database();
    database.run(
        "create table public.heap (k int); create view public.seen as select 1 as k; create materialized view public.kept as select 1 as k;
         create schema \"other one\"; create table \"other one\".t (k int); create temp table brief (k int); create sequence public.s;
         create extension pg_stat_statements schema public",
    );
    let session = open(&database);
    let names: Vec<String> = session.tables().unwrap().into_iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["other one.t", "public.heap", "public.kept", "public.seen"]);
    for name in ["seen", "kept"] {
        assert_eq!(rows(session.as_ref(), &scan(&described(session.as_ref(), name), &["k"])).len(), 1);
    }
}

#[test]
fn foreign_tables_are_read_where_they_are() {
    let (database, far) = (database(), database());
    far.run("create table public.t (k int primary key, v text, n numeric); insert into public.t select i, 'v' || i, i / 7.0 from generate_series(1, 3000) i; create table public.copy as select * from public.t");
    let (_, address) = far.location.rsplit_once('@').unwrap();
    let (host, port) = address.split('/').next().unwrap().split_once(':').unwrap();
    let name = &far.name;
    database.run(&format!(
        "create extension postgres_fdw schema public;
         create server far foreign data wrapper postgres_fdw options (host '{host}', port '{port}', dbname '{name}');
         create user mapping for public server far options (user 'postgres', password 'tieout');
         import foreign schema public from server far into public"
    ));
    let session = open(&database);
    assert_eq!(rows(session.as_ref(), &scan(&described(session.as_ref(), "t"), &["k"])).len(), 3000);
    let dir = Dir::new();
    let (near, own) = (database.table("public.t"), far.table("public.copy"));
    dir.diff_words(&[&near, &own, "--key", "k"]).tied_out();
    far.run("update public.copy set n = n + 0.000000000000000001 where k = 1234");
    dir.diff_words(&[&near, &own, "--key", "k"]).drift([0, 0, 1, 0]);
    // A foreign server that is down is an error of that table, not an empty table.
    database.run("alter server far options (set port '1')");
    dir.diff_words(&[&near, &own, "--key", "k"]).expect(3, "incomplete");
}

#[test]
fn rows_of_heirs_are_read_with_the_heirs() {
    let database = database();
    database.run("create table public.parent (k int); create table public.heir (v text) inherits (public.parent)");
    database.run("insert into public.parent values (1); insert into public.heir values (2, 'x'), (3, 'y')");
    let session = open(&database);
    for (name, count) in [("parent", 1), ("heir", 2)] {
        assert_eq!(rows(session.as_ref(), &scan(&described(session.as_ref(), name), &["k"])).len(), count);
    }
    assert!(session.notes().iter().any(|note| note.starts_with("public.parent: rows of tables that inherit")));
}

/// A user of the server who may do nothing yet, and the location of the database as that user.
fn user(database: &crate::databases::Database) -> (String, String) {
    let name = format!("u_{}", database.name);
    database.run(&format!("create role {name} login password 's3cret'"));
    let location = database.location.replace("postgres:tieout@", &format!("{name}:s3cret@"));
    (name, location)
}

#[test]
fn what_the_user_may_not_read_is_forbidden_and_the_rest_is_read() {
    let database = database();
    let (user, location) = user(&database);
    database.run(&format!(
        "create table public.open (k int primary key); create table public.part (k int primary key, hidden text);
         create table public.closed (k int primary key); create schema locked; create table locked.t (k int);
         create table public.rowwise (k int primary key); alter table public.rowwise enable row level security;
         create table public.p (k int) partition by list (k); create table public.p1 partition of public.p for values in (1);
         insert into public.p values (1); insert into public.open values (1); insert into public.rowwise values (1);
         grant usage on schema public to {user}; grant select on public.open, public.rowwise, public.p, locked.t to {user};
         grant select (k) on public.part to {user}"
    ));
    let session = tieout::engines::open(&location, &Default::default()).unwrap();
    let types = |name: &str| described(session.as_ref(), name).columns.into_iter().map(|column| column.ty).collect::<Vec<_>>();
    let int = Type::Integer { bits: 32, signed: true };
    assert_eq!(types("open"), std::slice::from_ref(&int));
    assert_eq!(types("part"), [int, Type::Forbidden]);
    assert_eq!(types("closed"), [Type::Forbidden]);
    let locked = session.tables().unwrap().into_iter().find(|table| table.name.to_string() == "locked.t").unwrap();
    assert_eq!(locked.columns[0].ty, Type::Forbidden);
    // The partition may not be read by its own name, but through its table.
    for name in ["open", "p"] {
        assert_eq!(rows(session.as_ref(), &scan(&described(session.as_ref(), name), &["k"])).len(), 1, "{name}");
    }
    // Row-level security would hide rows: that is an error, not fewer rows.
    let error = parts(session.as_ref(), &scan(&described(session.as_ref(), "rowwise"), &["k"])).unwrap_err();
    assert!(error.to_string().contains("row-level security") && error.advice().is_some(), "{error:?}");
    drop(session);
    database.run(&format!("drop owned by {user}; drop role {user}"));
}

#[test]
fn a_password_is_in_no_output() {
    let database = database();
    let (user, location) = user(&database);
    database.run(&format!(
        "create table public.t (k int primary key); grant usage on schema public to {user}; grant select on public.t to {user}"
    ));
    let dir = Dir::new();
    let table = format!("{location}#public.t");
    dir.diff_words(&[&table, &table]).tied_out();
    let mut seen = vec![dir.run_words(&["diff", &table, &table, "--out", "again", "--format", "json"]).stdout];
    seen.push(std::fs::read_to_string(dir.path("report/summary.json")).unwrap());
    for wrong in
        [table.replace("public.t", "public.none"), location.replace("s3cret", "wr0ng"), format!("{location}?sslmode=nonsense")]
    {
        let run = dir.run_words(&["diff", &wrong, &table]);
        assert_eq!(run.code, 2, "{run:#?}");
        seen.extend([run.stdout, run.stderr]);
    }
    for text in &seen {
        assert!(!text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
    }
    assert!(seen[2..].iter().any(|text| text.contains("password authentication failed")), "{seen:#?}");
    database.run(&format!("drop owned by {user}; drop role {user}"));
}

#[test]
fn a_thousand_tables_are_described_in_a_few_queries() {
    let database = database();
    database.run("do $$ begin for i in 1..1000 loop execute format('create table public.t%s (k int primary key, v text)', i); end loop; end $$");
    let started = std::time::Instant::now();
    let session = open(&database);
    assert_eq!(session.tables().unwrap().len(), 1000);
    assert!(session.tables().unwrap().iter().any(|table| table.name == public("t1000")));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
