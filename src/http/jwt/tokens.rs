//! The token in use: renewed ahead of expiry by a background task, or at once when a server
//! refuses it.
//!
//! Invariants: one renewal at a time; who comes late gets what the others renewed; the background
//! task ends with the last owner.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::AbortHandle;
use tracing::warn;

use super::minter::{KeySource, Minter, Token};
use super::{KeyError, MAX_LIFE, SigningKey};

/// How often the background task looks at the clock and at the key's file. The clock has to be
/// looked at, as no timer runs while a machine sleeps.
const TICK: Duration = Duration::from_secs(3);

/// Keeps the background task from spinning when a token's life is hardly a second.
const SHORTEST_TICK: Duration = Duration::from_millis(50);

/// Where tokens come from. Clones share one token; the background task ends with the last of them.
#[derive(Clone)]
pub struct Tokens {
    shared: Arc<Shared>,
    _renewal: Arc<Renewal>,
}

struct Shared {
    current: RwLock<Token>,
    /// Held while minting: that makes renewals single flight.
    minter: Arc<Mutex<Minter>>,
}

/// Ends the background task when it is dropped.
struct Renewal(AbortHandle);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tokens {
    /// Mints the first token and starts the background task; must be called within a tokio runtime.
    ///
    /// `life` is how long a token shall be good for, at most [`MAX_LIFE`]. `source` is asked for
    /// the key again when its file changes.
    pub fn start(key: SigningKey, source: KeySource, life: Duration) -> Result<Self, KeyError> {
        let mut minter = Minter::new(key, source, life.min(MAX_LIFE));
        let first = minter.mint(Timestamp::now())?;
        let shared =
            Arc::new(Shared { current: RwLock::new(first), minter: Arc::new(Mutex::new(minter)) });
        let task = tokio::spawn(keep_fresh(Arc::clone(&shared)));
        Ok(Self { shared, _renewal: Arc::new(Renewal(task.abort_handle())) })
    }

    /// When the token in use was minted and when it runs out, by our clock.
    pub fn life(&self) -> (Timestamp, Timestamp) {
        let token = self.shared.current();
        (token.minted_at(), token.expires_at())
    }

    /// A token that is good by our clock. Waits only when the background task could not keep up,
    /// as after the machine slept.
    pub async fn current(&self) -> Token {
        let token = self.shared.current();
        if Timestamp::now() < token.expires_at() {
            return token;
        }
        self.renew(&token, None).await
    }

    /// A token other than `refused`, which a server did not take.
    ///
    /// When somebody else has already renewed, that token is given; otherwise the key's file is
    /// read again and a token minted at once. `server_ahead` is how far the server's clock was
    /// ahead of ours when it refused.
    pub async fn renew(&self, refused: &Token, server_ahead: Option<SignedDuration>) -> Token {
        let minter = Arc::clone(&self.shared.minter).lock_owned().await;
        let current = self.shared.current();
        if current.serial() != refused.serial() {
            return current;
        }
        self.shared
            .run(minter, move |minter| {
                if let Some(ahead) = server_ahead {
                    minter.correct_clock(ahead);
                }
                minter.reload();
                minter.mint(Timestamp::now()).map(Some)
            })
            .await;
        self.shared.current()
    }
}

impl Shared {
    fn current(&self) -> Token {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what takes a disk or a private key on a thread that may block, and publishes the token
    /// that comes of it.
    async fn run<F>(&self, mut minter: OwnedMutexGuard<Minter>, work: F)
    where
        F: FnOnce(&mut Minter) -> Result<Option<Token>, KeyError> + Send + 'static,
    {
        // The guard comes back with the token: it must not open before the token is published.
        let done = tokio::task::spawn_blocking(move || (work(&mut minter), minter)).await;
        match done {
            Ok((Ok(Some(token)), _minter)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
            }
            Ok((Ok(None), _minter)) => {}
            Ok((Err(error), _minter)) => warn!(%error, "cannot mint a token"),
            Err(error) => warn!(%error, "minting a token did not end"),
        }
    }
}

/// Renews ahead of expiry and takes up a changed key, until it is aborted.
async fn keep_fresh(shared: Arc<Shared>) {
    loop {
        let due_in = shared.current().renew_at().duration_since(Timestamp::now());
        let wait = Duration::try_from(due_in).unwrap_or_default();
        tokio::time::sleep(wait.clamp(SHORTEST_TICK, TICK)).await;
        let minter = Arc::clone(&shared.minter).lock_owned().await;
        let renew_at = shared.current().renew_at();
        shared
            .run(minter, move |minter| {
                let new_key = minter.reload_when_changed();
                let now = Timestamp::now();
                if new_key || now >= renew_at { minter.mint(now).map(Some) } else { Ok(None) }
            })
            .await;
    }
}
