use std::sync::atomic::AtomicBool;
use tieout::{audit, engines, error::Result, model, report::Sink, sides::Sides};
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
struct Null(u64);
impl Sink for Null {
    fn range(&mut self, _: &model::range::RangeRecord) -> Result<()> {
        Ok(())
    }
    fn findings(&mut self, f: model::finding::Findings) -> Result<()> {
        self.0 += f.len() as u64;
        Ok(())
    }
    fn restart(&mut self) -> Result<()> {
        eprintln!("restart");
        Ok(())
    }
}
impl audit::Observer for Null {
    fn stage(&self, _: &'static str) {}
    fn read(&self, _: u64, _: u64) {}
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    let o = engines::files::FileOptions::default();
    let sessions = Sides { source: engines::open(&a[1], &o).unwrap(), target: engines::open(&a[2], &o).unwrap() };
    let tables = sessions.as_ref().map(|s| s.describe().unwrap());
    let choices = audit::Choices { key: audit::KeyChoice::Columns(vec![a[3].clone()]), ..Default::default() };
    let pairing = audit::pair(&tables, &choices).unwrap();
    let mut limits = audit::Limits::default();
    if a.get(4).is_some_and(|x| x == "hash") {
        limits.domain = Some(model::range::Domain::KeyHash);
    }
    let plan = audit::plan(pairing, &tables, &sessions, &limits, model::digest::Digester::with_seed(5)).unwrap();
    let stop = AtomicBool::new(false);
    let obs = Null(0);
    let watch = audit::Watch::new(&stop, &obs);
    let mut sink = Null(0);
    let s = audit::audit_table(&plan, &sessions, &watch, &mut sink).unwrap();
    println!(
        "{:?} {:?} {:?} {:?} {:?} {:.2}s found {} {:?}",
        s.verdict, s.rows, s.differences, s.ranges, s.scans, s.seconds, sink.0, s.errors
    );
}
