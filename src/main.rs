//! The `reelfs` program: what was typed goes to `app`, and its exit code comes back.

use std::process::ExitCode;

use reelfs::cli::Invocation;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Invocation { command, verbose } = reelfs::cli::read();
    reelfs::app::run(command, verbose)
}
