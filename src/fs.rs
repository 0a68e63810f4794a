//! The operations of a filesystem, in our own types: lookup, getattr, readdir, open, read, xattrs.
//!
//! It knows neither the kernel's wire format nor HTTP, so that most of it is driven by tests
//! without a mount. Every operation that may wait ends within the deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cache::{Cache, Kept, When};
use crate::catalog::{Catalog, State, rest_of_today};
use crate::metrics::Metrics;
use crate::reader::Readers;
use crate::tree::{File, Generated, Inode, Node, Tree};
use crate::types::{Cause, Content, Failure, chain};
use handles::Handles;

mod again;
mod ahead;
pub mod attributes;
mod audit;
mod deadline;
mod directories;
mod find;
mod handles;
mod keep;
mod notices;
mod open_file;
mod poll;
mod refresh;
mod xattrs;

use again::Again;
use ahead::Ahead;
pub use attributes::{Attributes, Kind};
use audit::Trail;
pub use audit::{Audit, Caller};
use deadline::Deadlines;
use directories::Listing;
pub use find::{Hit, LONGEST_TEXT, SearchedDay, Unheard};
pub use handles::HandleNumber;
use notices::Kernel;
pub use notices::{Notice, Notices};
use open_file::OpenFile;

/// How long the kernel may believe what cannot change by itself: one hour.
const SETTLED: Duration = Duration::from_secs(60 * 60);
/// How long the kernel may believe the size of what grows: what is made of a listing while calls end, a log of
/// a call in progress.
const GROWING: Duration = Duration::from_secs(1);

/// How long the end of a mount waits for the last lines of its audit.
const LAST_LINES: Duration = Duration::from_secs(2);

/// An answer about a node, and for how long the kernel may believe it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The attributes.
    pub attributes: Attributes,
    /// How long they hold. Zero: ask again at the next use.
    pub life: Duration,
}

/// An open file, and how the kernel may cache it.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub handle: HandleNumber,
    /// What the kernel may keep of it.
    pub pages: Pages,
    /// The file itself on disk, where it was asked for and is there.
    pub file: Option<std::fs::File>,
}

/// What the kernel may keep of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Those of earlier opens are still right.
    Keep,
    /// Those of earlier opens may be another version's.
    Drop,
    /// None: each handle reads its own snapshot to its own end.
    Bypass,
}

/// Who owns the files, who may read them, and how long an operation may take.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Owner of everything.
    pub uid: u32,
    /// Group of everything.
    pub gid: u32,
    /// Whether others than the owner may read (0555/0444 instead of 0500/0400).
    pub others_may_read: bool,
    /// Deadline of every operation.
    pub timeout: Duration,
}

/// A file that is open.
struct Open {
    file: OpenFile,
    /// Where who reads what is written down.
    trail: Option<Trail>,
}

/// The filesystem of one mount.
pub struct Fs {
    tree: Tree,
    catalog: Arc<Catalog>,
    cache: Cache,
    readers: Readers,
    ahead: Ahead,
    again: Again,
    deadlines: Deadlines,
    policy: Policy,
    audit: Option<Audit>,
    files: Handles<Open>,
    directories: Handles<Listing>,
    kernel: Kernel,
    metrics: Arc<Metrics>,
}

impl Fs {
    /// A filesystem over a catalogue and a cache, and what comes out of it for the kernel.
    pub fn new(
        catalog: Arc<Catalog>,
        cache: Cache,
        readers: Readers,
        policy: Policy,
    ) -> (Self, Notices) {
        let (kernel, notices) = Kernel::new(catalog.changes());
        let metrics = Arc::clone(cache.metrics());
        let tree = Tree::new(Arc::clone(&catalog));
        let (files, directories) = (Handles::default(), Handles::default());
        (
            Self {
                tree,
                catalog,
                cache,
                readers,
                ahead: Ahead::default(),
                again: Again::default(),
                deadlines: Deadlines::new(policy.timeout),
                policy,
                audit: None,
                files,
                directories,
                kernel,
                metrics,
            },
            notices,
        )
    }

    /// The same, writing down who reads what.
    #[must_use]
    pub fn audited(self, audit: Option<Audit>) -> Self {
        Self { audit, ..self }
    }

    /// The node of a name, with its attributes. Learns the size of a file that is not known yet.
    pub async fn lookup(self: &Arc<Self>, parent: Inode, name: &str) -> Result<Known, Failure> {
        let deadline = self.deadlines.begin();
        let child = async {
            let parent = self.node(parent).await?;
            self.look_for(&parent, Some(name)).await?;
            self.tree.child(&parent, name).await
        };
        let node = self.counted(deadline.bounds(child).await)?;
        let known = deadline.bounds(self.known(&node));
        self.counted(self.again.run(Tree::inode(&node), known).await)
    }

    /// The attributes of an inode. Learns the size of a file that is not known yet.
    pub async fn getattr(self: &Arc<Self>, inode: Inode) -> Result<Known, Failure> {
        let known = async { self.known(&self.node(inode).await?).await };
        self.again.run(inode, self.within(known)).await
    }

    /// Opens a file for reading. `hand_over` says that the kernel would read a file on disk itself.
    pub async fn open(
        self: &Arc<Self>,
        inode: Inode,
        caller: Caller,
        hand_over: bool,
    ) -> Result<Opened, Failure> {
        let opening = async {
            let node = self.node(inode).await?;
            let file = match &node {
                Node::Index(..) | Node::Playlist(..) => {
                    OpenFile::Whole(self.tree.generated_text(&node).await?)
                }
                Node::File(file) => {
                    self.looked_at(file);
                    self.open_object(file, When::Now).await?
                }
                _ => return Err(Failure::new(Cause::NotFound, "not a file")),
            };
            let whole = match &node {
                // What the kernel reads itself nobody could write down.
                Node::File(node) if hand_over && self.audit.is_none() => {
                    self.whole_file(node, file.size()).await
                }
                _ => None,
            };
            Ok((node, file, whole))
        };
        let (node, file, whole) = self.within(opening).await?;
        let pages = match file {
            // A page at the end of what grows would keep its zeros.
            OpenFile::Whole(_) | OpenFile::Growing(_) => Pages::Bypass,
            OpenFile::Object(_) if self.kernel.is_outdated(inode) => Pages::Drop,
            // What the kernel reads from its own pages nobody could write down.
            OpenFile::Object(_) if self.audit.is_some() => Pages::Drop,
            OpenFile::Object(_) => Pages::Keep,
        };
        let trail = self.audit.as_ref().and_then(|audit| match &node {
            Node::Index(_, date) => {
                let day = date.to_string();
                Some(audit.opened(caller, &format!("{day}.jsonl"), &day, None))
            }
            Node::Playlist(_, date) => {
                let day = date.to_string();
                Some(audit.opened(caller, &format!("{day}.m3u8"), &day, None))
            }
            Node::File(file) => {
                let day = file.day.to_string();
                Some(audit.opened(caller, &file.name, &day, Some(&file.object)))
            }
            _ => None,
        });
        Ok(Opened { handle: self.files.add(Open { file, trail }), pages, file: whole })
    }

    /// Up to `len` bytes at `offset`; fewer only at the end of the file.
    pub async fn read(
        self: &Arc<Self>,
        inode: Inode,
        handle: HandleNumber,
        offset: u64,
        len: u32,
    ) -> Result<Bytes, Failure> {
        let open = self.files.get(handle).ok_or_else(no_such_handle)?;
        let file = &open.file;
        let read = self.within(file.read(offset, u64::from(len)));
        let outcome = self.again.run(inode, read).await;
        if let Ok(bytes) = &outcome {
            self.metrics.served(bytes.len());
        }
        if let (Some(trail), Ok(bytes)) = (&open.trail, &outcome) {
            trail.read(bytes.len());
        }
        match &outcome {
            Ok(_) if offset.saturating_add(u64::from(len)) >= file.size() => {
                self.read_through(inode);
            }
            Err(failure) => {
                if let Some(Node::File(file)) = self.tree.known_node(inode) {
                    self.failed(&file, failure);
                }
            }
            Ok(_) => {}
        }
        outcome
    }

    /// Closes a file.
    pub fn release(&self, handle: HandleNumber) {
        self.files.remove(handle);
    }

    /// The mount ends: what is still open is closed, and what is to be written down is written.
    pub fn end(&self) {
        self.files.clear();
        let (reserved, held) = (self.readers.reserved(), self.cache.held());
        tracing::debug!(reserved, held, "the mount ends");
        if let Some(audit) = &self.audit {
            audit.flush(LAST_LINES);
        }
    }

    async fn node(&self, inode: Inode) -> Result<Node, Failure> {
        let gone = || Failure::new(Cause::Vanished, "the file is listed no longer");
        self.tree.node(inode).await?.ok_or_else(gone)
    }

    /// Attributes that are true, whatever it takes to learn them.
    async fn known(self: &Arc<Self>, node: &Node) -> Result<Known, Failure> {
        let size = match node {
            Node::Index(..) | Node::Playlist(..) => {
                let generated = self.tree.generated(node).await?;
                return Ok(self.with_generated(node, generated));
            }
            Node::Link(link) => link.target.len() as u64,
            Node::File(file) => {
                self.looked_at(file);
                let size = match self.size(file) {
                    Some(size) => size,
                    None => self.open_object(file, When::Now).await?.size(),
                };
                if !file.is_growing() {
                    self.cache.tell_final(&file.object.id, size);
                }
                size
            }
            _ => 0,
        };
        Ok(self.with_size(node, size))
    }

    /// Attributes at no cost, as they are known now. A file whose size is not known has size 0 and a
    /// life of zero, which the kernel shows to nobody.
    pub fn at_a_glance(&self, node: &Node) -> Known {
        let size = match node {
            Node::File(file) => self.size(file),
            Node::Index(..) | Node::Playlist(..) => match self.tree.known_generated(node) {
                Some(generated) => return self.with_generated(node, generated),
                None => None,
            },
            Node::Link(link) => Some(link.target.len() as u64),
            _ => Some(0),
        };
        let mut known = self.with_size(node, size.unwrap_or(0));
        if size.is_none() {
            known.life = Duration::ZERO;
        }
        known
    }

    fn with_generated(&self, node: &Node, generated: Generated) -> Known {
        let mut known = self.with_size(node, generated.size);
        known.attributes.modified = generated.modified.unwrap_or(known.attributes.modified);
        known
    }

    fn with_size(&self, node: &Node, size: u64) -> Known {
        let life = match node {
            // What is found today is not what is found tomorrow.
            Node::Index(..) | Node::Playlist(..) | Node::Query(_) | Node::Link(_) => GROWING,
            Node::File(file) if file.is_growing() => GROWING,
            Node::File(file) if matches!(file.object.content, Content::Inline(_)) => GROWING,
            Node::File(_) => SETTLED,
            // At midnight the calendar has one day more.
            _ => SETTLED.min(rest_of_today()),
        };
        Known { attributes: Attributes::of(&self.tree, node, size, &self.policy), life }
    }

    /// The bytes of an object, with its version learned.
    async fn open_object(&self, file: &File, when: When) -> Result<OpenFile, Failure> {
        let (link, claimed) = match &file.object.content {
            Content::Inline(bytes) => return Ok(OpenFile::Whole(bytes.clone())),
            Content::Remote { link, claimed_size } => (link, *claimed_size),
        };
        let (scope, day, id) = (file.scope, file.day, &file.object.id);
        if file.is_growing() {
            // Whoever follows it wants to know when it is final.
            self.catalog.looked_at(scope, day);
            let growing = self.cache.growing(id, link);
            growing.size().await?;
            return Ok(OpenFile::Growing(growing));
        }
        let known = self.catalog.version(scope, day, id);
        let blob = self.cache.blob(id, link, known.clone());
        let version = blob.version(when).await.inspect_err(|failure| self.failed(file, failure))?;
        if known.as_ref() != Some(&version) {
            // The kernel may hold a claim from before another one proved wrong, and cut reads at it.
            let reported = self.size(file).or(claimed);
            if self.catalog.learn(scope, day, &file.object, version.clone()) {
                for inode in self.tree.seen() {
                    drop(self.kernel.outdate(inode));
                }
            }
            if reported.is_some_and(|size| size != version.total) {
                self.kernel.outdate(file.inode).await;
            }
        }
        Ok(OpenFile::Object(self.readers.reader(blob, version.total)))
    }

    /// Keeps why an object could not be had; forgets the older self of one that changed, here and in
    /// the kernel.
    fn failed(&self, file: &File, failure: &Failure) {
        let (scope, day, id) = (file.scope, file.day, &file.object.id);
        match failure.cause {
            Cause::Changed => {
                self.catalog.unlearn(scope, day, id);
                drop(self.kernel.outdate(file.inode));
            }
            Cause::Gone => self.catalog.refused(scope, day, id, State::Gone),
            Cause::Denied => self.catalog.refused(scope, day, id, State::Denied),
            _ => {}
        }
    }

    /// The size of a file in bytes, as far as it is known in memory.
    fn size(&self, file: &File) -> Option<u64> {
        self.catalog.size(file.scope, file.day, &file.object)
    }

    /// Bytes of blocks held in memory now.
    pub fn memory(&self) -> u64 {
        self.cache.held()
    }

    async fn within<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.counted(self.deadlines.begin().bounds(operation).await)
    }

    /// An outcome, counted if it is a failure of the mount or of the vendor, and not a name that is none.
    fn counted<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &outcome
            && !matches!(failure.cause, Cause::NotFound | Cause::Invalid | Cause::Vanished)
        {
            self.metrics.failed(chain(failure));
        }
        outcome
    }

    /// Takes note of how long the machine has slept, all in all: who waited through it waits no
    /// longer than his deadline.
    pub fn slept(&self, total: Duration) {
        self.deadlines.slept(total);
    }
}

fn no_such_handle() -> Failure {
    Failure::new(Cause::Internal, "no such handle")
}
