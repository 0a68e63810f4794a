//! The files that are made of a day's listing: its index, and its playlist.

use std::sync::PoisonError;

use bytes::Bytes;

use super::{Generated, Node, Tree};
use crate::types::{Cause, Failure};

impl Tree {
    /// The text of a file that is made of a listing: a day's in `index/`, or its playlist.
    pub async fn generated_text(&self, node: &Node) -> Result<Bytes, Failure> {
        match *node {
            Node::Index(scope, date) => Ok(self.folder(scope, date).await?.index_text()),
            Node::Playlist(scope, date) => {
                self.folder(scope, date).await?.playlist_text().ok_or_else(not_made)
            }
            _ => Err(not_made()),
        }
    }

    /// What `stat` shows of that file.
    pub async fn generated(&self, node: &Node) -> Result<Generated, Failure> {
        match *node {
            Node::Index(scope, date) => Ok(self.folder(scope, date).await?.index()),
            Node::Playlist(scope, date) => {
                self.folder(scope, date).await?.playlist().ok_or_else(not_made)
            }
            _ => Err(not_made()),
        }
    }

    /// The same, if somebody has looked at it before.
    pub fn known_generated(&self, node: &Node) -> Option<Generated> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match node {
            Node::Index(scope, date) => known.folders.get(&(*scope, *date))?.known_index(),
            Node::Playlist(scope, date) => known.folders.get(&(*scope, *date))?.playlist(),
            _ => None,
        }
    }
}

fn not_made() -> Failure {
    Failure::new(Cause::NotFound, "nothing is made of a listing here")
}
