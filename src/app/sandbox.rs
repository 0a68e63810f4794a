//! `reelfs sandbox`: the stand-in server alone.

use jiff::Timestamp;

use super::problem::Problem;
use super::{log, terminal};
use crate::config::{self, StandIn};
use crate::sandbox::{Account, Options, Sandbox};

/// Runs until a signal ends it.
pub(super) fn run(settings: config::Sandbox, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    super::runtime()?.block_on(async {
        let mut signals = super::mount::Signals::new()?;
        let sandbox = start(settings).await?;
        terminal::say(&format!("listening on {}", sandbox.base_url()));
        signals.next().await;
        Ok(())
    })
}

/// Starts the server.
pub(super) async fn start(settings: config::Sandbox) -> Result<Sandbox, Problem> {
    let options = Options {
        listen: settings.listen,
        tls: settings.tls,
        seed: settings.seed,
        days: settings.days,
        calls_per_day: settings.calls_per_day,
        latency: settings.latency,
        rate: settings.rate,
        pages: settings.pages,
        write_credentials: settings.write_credentials,
        token_life: settings.token_life,
        ..Options::default()
    };
    let started = match settings.stand_in {
        StandIn::Generated => Sandbox::start(options).await,
        StandIn::Bench | StandIn::Million => {
            let crowd = settings.stand_in == StandIn::Million;
            let options = Options { crowd, ..options };
            Sandbox::start_with(options, Account::bench(Timestamp::now())).await
        }
    };
    started.map_err(|error| Problem::of(&error))
}
