//! Times every stage of the hot path, and decoders beside it.

use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use samspor_bench::Stage;

fn stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stages");
    for stage in Stage::all().into_iter().chain(Stage::timed_only()) {
        let mut work = stage.work().unwrap_or_else(|error| panic!("{}: {error:#}", stage.name));
        group.throughput(match work.bytes {
            Some(bytes) => Throughput::ElementsAndBytes { elements: work.items, bytes },
            None => Throughput::Elements(work.items),
        });
        group.bench_function(stage.name, |bencher| {
            bencher.iter_custom(|rounds| {
                let done = work.prepare(usize::try_from(rounds).unwrap_or(usize::MAX));
                done.unwrap_or_else(|error| panic!("{error:#}"));
                let begun = Instant::now();
                let done = (0..rounds).try_for_each(|_| work.run());
                let took = begun.elapsed();
                done.unwrap_or_else(|error| panic!("{error:#}"));
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
