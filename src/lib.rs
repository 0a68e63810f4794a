//! reelfs mounts the call recordings and logs that a call platform keeps as read-only files.
//!
//! The binary is thin; everything is here, in rooms that may only name the rooms below them.
//! `docs/DESIGN.md` has the picture.

pub mod app;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod fs;
pub mod fuse;
pub mod http;
pub mod input;
pub mod metrics;
pub mod provider;
pub mod reader;
pub mod sandbox;
pub mod source;
pub mod store;
pub mod tree;
pub mod types;
