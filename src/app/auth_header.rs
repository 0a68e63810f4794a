//! `reelfs auth-header`: the header that opens secure links, for `curl -H "$(reelfs auth-header …)"`
//! as on the vendor's page. The one place that shows a token, to whoever asked for it.

use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use super::problem::Problem;
use super::terminal;
use crate::config::DEFAULT_TOKEN_LIFE;
use crate::provider::voximplant::ServiceAccountFile;

/// Prints the header with a token that is good for an hour.
pub(super) fn run(credentials: PathBuf) -> Result<(), Problem> {
    super::runtime()?.block_on(async {
        let file = ServiceAccountFile::new(credentials, None);
        let (tokens, _) = file.open(DEFAULT_TOKEN_LIFE).map_err(|error| Problem::of(&error))?;
        let token = tokens.current().await;
        terminal::say(&format!("Authorization: Bearer {}", token.secret().expose_secret()));
        Ok(())
    })
}
