//! All tests of the program and of the library's interface: one binary, one module for each concern.

mod chained; // rows that PostgreSQL hashes value by value
mod cli; // exit codes, messages, what is written where
mod conformance; // one suite for every engine
mod databases; // databases of a test's own, on throwaway servers or in a file
mod faults; // files and engines that fail: never a verdict of equal
mod fetching; // which rows come over, of those that servers hashed
mod formats; // every file format against every other
mod interrupts; // signals and closed pipes
mod keys; // NULL keys, duplicates, order, gaps; tables and columns
mod live; // sides that others write to, standbys, sides that cannot be opened
mod methods; // rows streamed once, or hashed by their servers
mod model; // random tables and edits against a naive comparison; canonical bytes against a slow one
mod mysql; // MySQL and MariaDB by themselves
mod pairs; // every pair of engines by every category of types
mod places; // rows asked for by place: how many are read, and that they are the right ones
mod postgres; // PostgreSQL itself: types, catalog, ranges, connecting
mod reports; // the report, read by DuckDB and pyarrow
mod sqlite; // SQLite: what it holds, how it is read, who writes meanwhile
mod support; // a folder, the program, files in every format, Python
mod text_files; // CSV and NDJSON: quoting, NULL, encodings, types read from text
mod type_cases; // every trap of types and values, with its strict verdict
mod type_pairs; // the same for what databases can express, on servers with hostile defaults
mod walls; // the layout of the house
mod whole; // whole databases: many tables, names, privileges, secrets
