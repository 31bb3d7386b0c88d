//! The bare limit: arrow-rs decodes Parquet files, a thread for each, and throws the rows away.
//!
//! `cargo bench --bench decode -- source.parquet target.parquet`

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo passes flags of its own to benchmarks.
    let paths: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let started = Instant::now();
    let readers = paths.into_iter().map(|path| std::thread::spawn(move || decode(&path).map_err(|error| error.to_string())));
    let mut rows = 0;
    for reader in readers.collect::<Vec<_>>() {
        rows += reader.join().map_err(|_| "a reader panicked")??;
    }
    println!("{rows} rows in {:.2} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn decode(path: &str) -> Result<usize, Box<dyn Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(8192).build()?;
    let mut rows = 0;
    for batch in reader {
        rows += batch?.num_rows();
    }
    Ok(rows)
}
