//! What a host makes of HEAD, for whoever looks at what it can do. A mount asks for none: the first
//! block costs the same round trip, tells the size, too, and is kept.

use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use tokio::time::Instant;

use super::client::{Call, Client};
use super::error::{Ask, Error, Reason};
use super::header::text;
use crate::source::Urgency;
use crate::types::{Failure, Link};

impl Client {
    /// Asks for the head of an object, once. Gives its size in bytes, where the host tells it.
    pub async fn head(&self, link: &Link) -> Result<Option<u64>, Failure> {
        let mut ask = Ask::new("HEAD", link.url(), None);
        let (headers, urgency) = (HeaderMap::new(), Urgency::now());
        let until = Instant::now() + self.timeout();
        let reply = self.send(link.url(), &headers, Call::Head, &urgency, &mut ask, until).await?;
        let status = reply.response.status();
        if !status.is_success() {
            return Err(Error::new(&ask, Reason::Status(status.as_u16())).into());
        }
        Ok(text(reply.response.headers(), CONTENT_LENGTH).and_then(|length| length.parse().ok()))
    }
}
