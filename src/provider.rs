//! The vendors: one file a vendor (with a folder where it grows), each a
//! [`Provider`](crate::source::Provider) that makes entries of its listing.
//!
//! What every vendor needs lies beside them: lenient reading of JSON (`fields`) and keeping links
//! and keys out of what users see (`scrub`). A provider knows neither the cache nor FUSE.

mod fields;
pub mod list;
mod scrub;
pub mod voximplant;
pub mod whatconverts;

/// `text` for a message: without links, in one line, at most 1024 bytes.
pub(crate) use scrub::line as without_links;
