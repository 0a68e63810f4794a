//! The integration tests: one binary, a module a behaviour, test names that are sentences.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::print_stderr, reason = "what is skipped says so")]

mod applications;
mod audit;
mod budget;
mod command_line;
mod corpus;
mod faults;
mod find;
mod get;
mod ground;
mod growing;
mod http_source;
mod kept;
mod listing;
mod lists;
mod live;
mod read_ahead;
mod reading;
mod rooms;
mod sandbox;
mod scripted;
mod secrets;
mod semantics;
mod stress;
mod tokens;
mod vendor_client;
mod voximplant_listing;
mod waiting;
mod whatconverts;
mod whole_account;
