//! The `reelfs` program: what was typed goes to `app`, and its exit code comes back.

use std::process::ExitCode;

use reelfs::cli::Invocation;

// Its settings stand in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Invocation { command, verbose } = reelfs::cli::read();
    reelfs::app::run(command, verbose)
}
