//! The vendor that is not asked: both seams answer at once that it cannot be reached, so that what is
//! known and cached goes on.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use super::{Provider, RangeAnswer, RangeRequest, RangeSource};
use crate::types::{Cause, Entry, Failure, Window};

/// Stands in for a vendor.
pub struct Offline;

fn refusal() -> Failure {
    Failure::new(Cause::Unreachable, "the mount is offline (--offline)")
}

impl Provider for Offline {
    fn list(&self, _: Window) -> BoxFuture<'_, Result<Vec<Entry>, Failure>> {
        ready(Err(refusal())).boxed()
    }

    fn most_days(&self) -> u32 {
        1
    }
}

impl RangeSource for Offline {
    fn open(&self, _: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>> {
        ready(Err(refusal())).boxed()
    }
}
