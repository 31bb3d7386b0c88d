use parquet::arrow::arrow_reader::*;
use std::fs::File;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = std::time::Instant::now();
    let hs: Vec<_> = a[1..]
        .iter()
        .cloned()
        .map(|p| {
            std::thread::spawn(move || {
                let b = ParquetRecordBatchReaderBuilder::try_new(File::open(p).unwrap()).unwrap().with_batch_size(8192);
                b.build().unwrap().map(|b| b.unwrap().num_rows()).sum::<usize>()
            })
        })
        .collect();
    let n: usize = hs.into_iter().map(|h| h.join().unwrap()).sum();
    println!("{n} {:?}", t.elapsed());
}
