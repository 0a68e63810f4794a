//! Micro-benchmarks of what every read runs through: finding a block in memory, and deciding what to
//! fetch ahead, within a file and across files. No network, no kernel: `scripts/bench` has those.

#![expect(missing_docs, reason = "criterion's macros make public functions")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reelfs::cache::{BLOCK_SIZE, Blob, Cache};
use reelfs::reader::{Directories, Readers};
use reelfs::source::{RangeAnswer, RangeRequest, RangeSource};
use reelfs::types::{Failure, Link, ObjectId, Validator};

/// Bytes of the object: a hundred blocks, all of which stay in memory.
const SIZE: u64 = 100 * BLOCK_SIZE;
/// The memory and the connections that a mount has when nothing else is said.
const MEMORY: u64 = 256 * 1024 * 1024;
const CONNECTIONS: u16 = 16;

/// Serves zeros at once.
struct Zeros;

impl RangeSource for Zeros {
    fn open(&self, request: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>> {
        let end = (request.offset + request.len).min(SIZE);
        let length = usize::try_from(end - request.offset).expect("a range fits in memory");
        let bytes = Bytes::from(vec![0; length]);
        let answer = RangeAnswer {
            offset: request.offset,
            end: Some(end),
            total: Some(SIZE),
            validator: Validator::default(),
            content_type: None,
            body: Box::pin(futures_util::stream::iter([Ok(bytes)])),
        };
        Box::pin(async { Ok(answer) })
    }
}

/// A blob of which all is in memory, and its cache.
fn in_memory() -> (Cache, Arc<Blob>) {
    let cache = Cache::new(Arc::new(Zeros), MEMORY, None);
    let link = Link::parse("https://example.com/recording.mp3").expect("a link");
    let blob = cache.blob(&ObjectId::new("recording/1/1"), &link, None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(blob.read(0, SIZE)).expect("the double serves everything");
    (cache, blob)
}

fn block_lookup(criterion: &mut Criterion) {
    let (_cache, blob) = in_memory();
    let mut group = criterion.benchmark_group("block in memory");
    for (name, offset, length) in [
        ("4 KiB", 50 * BLOCK_SIZE, 4096),
        ("a block", 50 * BLOCK_SIZE, BLOCK_SIZE),
        ("across two", 4096, BLOCK_SIZE),
    ] {
        group.throughput(Throughput::Bytes(length));
        group.bench_function(name, |bencher| {
            bencher.iter(|| blob.read(black_box(offset), length).now_or_never());
        });
    }
}

/// The decision within a file, with the look for the blocks that it wants: what a read through an open
/// handle costs when nothing has to be fetched.
fn sequential_reads(criterion: &mut Criterion) {
    let (_cache, blob) = in_memory();
    let readers = Readers::new(MEMORY, CONNECTIONS);
    let mut group = criterion.benchmark_group("open handle");
    group.throughput(Throughput::Bytes(SIZE));
    group.bench_function("a hundred blocks in order", |bencher| {
        bencher.iter_batched(
            || readers.reader(Arc::clone(&blob), SIZE),
            |reader| {
                for block in 0..SIZE / BLOCK_SIZE {
                    black_box(reader.read(block * BLOCK_SIZE, BLOCK_SIZE).now_or_never());
                }
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

/// The decision across the files of a directory.
fn directory_walk(criterion: &mut Criterion) {
    const FILES: usize = 1_000;
    let mut group = criterion.benchmark_group("directory");
    group.throughput(Throughput::Elements(FILES as u64));
    group.bench_function("a thousand files in order", |bencher| {
        bencher.iter_batched(
            Directories::default,
            |directories| {
                for position in 0..FILES {
                    black_box(directories.see(1, position, FILES));
                }
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(hot_paths, block_lookup, sequential_reads, directory_walk);
criterion_main!(hot_paths);
