//! A word to the log when recordings are refused although leads are listed.
//!
//! What WhatConverts answers for an account with HIPAA compliance is not known, so no answer is
//! looked for: any refusal of a recording gets the one explanation that the vendor documents.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::error;

use crate::source::{RangeAnswer, RangeRequest, RangeSource};
use crate::types::{Cause, Failure};

/// A source that explains the first refusal.
pub struct Refusals<S> {
    source: S,
    explained: Arc<AtomicBool>,
}

impl<S> Refusals<S> {
    /// Explains what `source` refuses.
    pub fn new(source: S) -> Self {
        Self { source, explained: Arc::default() }
    }
}

impl<S: RangeSource> RangeSource for Refusals<S> {
    fn open(&self, request: RangeRequest) -> BoxFuture<'static, Result<RangeAnswer, Failure>> {
        let (answer, explained) = (self.source.open(request), Arc::clone(&self.explained));
        async move {
            let answer = answer.await;
            if let Err(failure) = &answer
                && failure.cause == Cause::Denied
                && !explained.swap(true, Ordering::Relaxed)
            {
                error!(
                    "a recording was refused ({failure}); if the account has HIPAA compliance, \
                     that is why: WhatConverts lets no API key open recordings of HIPAA accounts"
                );
            }
            answer
        }
        .boxed()
    }
}
