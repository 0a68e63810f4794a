//! The HTTP client: ranges, retries, deadlines, redirects, credentials.
//!
//! The only room that names `reqwest`. It knows no vendor's JSON. Nothing that it logs or returns
//! as an error holds a path, a query or a secret.

mod answer;
mod api;
mod body;
mod client;
mod credentials;
mod decode;
mod error;
mod gate;
mod head;
mod header;
pub mod jwt;
mod limiter;
mod pace;
mod policy;
mod quota;
mod range;
mod redirect;
mod retry;

pub use api::{ApiAnswer, Verdict};
pub use client::{Client, Settings};
pub use credentials::{Basic, Credentials, Parameters};
#[doc(hidden)]
pub use decode::decode;
pub use error::{Ask, Error, Reason, SetupError};
pub use policy::{HostPolicy, TrustedHost, TrustedHostError};
pub use quota::{Left, Quota};
pub use range::HttpSource;
