//! Does one stage of the hot path so many times, for a tool that counts what it takes: `stage NAME PREPARED RUN`. What is
//! prepared and not run is there so that it can be subtracted. Without arguments it lists the stages with the items of a
//! round.

use anyhow::{Context as _, Result};
use samspor_bench::Stage;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, prepared, run] = arguments.as_slice() else {
        for stage in Stage::all() {
            println!("{} {}", stage.name, stage.work()?.items);
        }
        return Ok(());
    };
    let mut work = Stage::named(name)?.work()?;
    work.prepare(prepared.parse().context("how many rounds to prepare")?)?;
    (0..run.parse::<usize>().context("how many rounds to run")?).try_for_each(|_| work.run())
}
