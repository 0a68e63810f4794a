//! The kernel's side: the only `impl fuser::Filesystem`. It translates, hands over and replies; it
//! decides nothing.
//!
//! Each operation is a future. It is polled once on the dispatch thread, so that what is in memory
//! is answered without a detour, and goes to the runtime if it has to wait. A panic fails its own
//! operation only: the reply that it drops becomes `EIO`.

use std::ffi::OsStr;
use std::fs::File;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use fuser::{
    FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use tokio::runtime::Handle;

use crate::fs::{Attributes, Caller, Fs, HandleNumber, Kind, Pages};
use crate::tree::{Child, Inode};
use killed::unless_killed;
use passthrough::Passthrough;

pub mod errno;
mod killed;
pub mod mount;
pub mod mountpoint;
mod notices;
mod passthrough;
mod watchdog;

pub use mount::{Mount, MountError, MountSettings};
use watchdog::Desk;

/// Longest name, as `statfs` tells it: see the tree's rules for names.
const LONGEST_NAME: u32 = 255;
/// Requests that the kernel may have under way in the background: its default of 12 keeps
/// read-ahead waiting.
const MAX_BACKGROUND: u16 = 64;

/// Answers the kernel out of an [`Fs`].
pub(crate) struct Bridge {
    fs: Arc<Fs>,
    desk: Desk,
    runtime: Handle,
    passthrough: Arc<Passthrough>,
    /// Told when the kernel has begun to talk.
    greeted: Option<Sender<()>>,
}

impl Bridge {
    fn new(fs: Arc<Fs>, desk: Desk, runtime: Handle, greeted: Sender<()>) -> Self {
        Self { fs, desk, runtime, passthrough: Arc::default(), greeted: Some(greeted) }
    }

    /// Runs an operation: here if it need not wait, else on the runtime, as long as its caller lives.
    fn serve(
        &self,
        name: &'static str,
        req: &Request,
        operation: impl Future<Output = ()> + Send + 'static,
    ) {
        let _at_work = self.desk.begin(name);
        let mut operation: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(operation);
        let _runtime = self.runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| operation.as_mut().poll(&mut context))) {
            Ok(Poll::Ready(())) => {}
            // Polled anew there, with a waker that wakes.
            Ok(Poll::Pending) => drop(self.runtime.spawn(unless_killed(req.pid(), operation))),
            // What it was about was logged by whoever handles panics.
            Err(_) => tracing::error!(operation = name, "an operation panicked"),
        }
    }
}

impl Filesystem for Bridge {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [
            // Lookups and listings of one directory side by side.
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_ASYNC_READ,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            // Pages are dropped when we say so, not when a time stamp looks different.
            InitFlags::FUSE_EXPLICIT_INVAL_DATA,
            InitFlags::FUSE_MAX_PAGES,
        ];
        for flag in wanted {
            if config.add_capabilities(flag).is_err() {
                tracing::debug!(?flag, "this kernel does not offer a FUSE capability");
            }
        }
        // Of no use without the depth: a file of a stacked file system is one below this one.
        if config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
            && config.set_max_stack_depth(1).is_ok()
        {
            self.passthrough.turn_on();
        } else {
            tracing::debug!("this kernel does not offer FUSE_PASSTHROUGH");
        }
        // It refuses with the nearest value that it would take.
        if let Err(nearest) = config.set_max_background(MAX_BACKGROUND) {
            let _ = config.set_max_background(nearest);
        }
        if let Some(greeted) = self.greeted.take() {
            let _ = greeted.send(());
        }
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (fs, name) = (Arc::clone(&self.fs), name.to_owned());
        self.serve("lookup", req, async move {
            // A name that is not UTF-8 is none of ours.
            let name = name.to_string_lossy();
            match fs.lookup(Inode(parent.0), &name).await {
                Ok(known) => {
                    let attributes = file_attr(&known.attributes);
                    reply.entry(&known.life, &attributes, Generation(0));
                }
                Err(failure) => reply.error(errno::of("lookup", &failure)),
            }
        });
    }

    fn getattr(&self, req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let fs = Arc::clone(&self.fs);
        self.serve("getattr", req, async move {
            match fs.getattr(Inode(ino.0)).await {
                Ok(known) => reply.attr(&known.life, &file_attr(&known.attributes)),
                Err(failure) => reply.error(errno::of("getattr", &failure)),
            }
        });
    }

    fn readlink(&self, req: &Request, ino: INodeNo, reply: ReplyData) {
        let fs = Arc::clone(&self.fs);
        self.serve("readlink", req, async move {
            match fs.readlink(Inode(ino.0)).await {
                Ok(target) => reply.data(target.as_bytes()),
                Err(failure) => reply.error(errno::of("readlink", &failure)),
            }
        });
    }

    fn open(&self, req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let fs = Arc::clone(&self.fs);
        let caller = Caller { uid: req.uid(), pid: req.pid() };
        let (passthrough, inode) = (Arc::clone(&self.passthrough), Inode(ino.0));
        self.serve("open", req, async move {
            match fs.open(inode, caller, passthrough.wants(inode)).await {
                Ok(opened) => {
                    let handle = FileHandle(opened.handle.0);
                    let hand_over = |file: &File| reply.open_backing(file);
                    if let Some(backing) = passthrough.opened(inode, opened.file, hand_over) {
                        return reply.opened_passthrough(handle, FopenFlags::empty(), &backing);
                    }
                    let flags = match opened.pages {
                        Pages::Keep => FopenFlags::FOPEN_KEEP_CACHE,
                        Pages::Drop => FopenFlags::empty(),
                        Pages::Bypass => FopenFlags::FOPEN_DIRECT_IO,
                    };
                    reply.opened(handle, flags);
                }
                Err(failure) => reply.error(errno::of("open", &failure)),
            }
        });
    }

    fn read(
        &self,
        req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let fs = Arc::clone(&self.fs);
        self.serve("read", req, async move {
            match fs.read(Inode(ino.0), HandleNumber(fh.0), offset, size).await {
                Ok(bytes) => reply.data(&bytes),
                Err(failure) => reply.error(errno::of("read", &failure)),
            }
        });
    }

    fn release(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.passthrough.closed(Inode(ino.0));
        self.fs.release(HandleNumber(fh.0));
        reply.ok();
    }

    fn opendir(&self, req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let fs = Arc::clone(&self.fs);
        self.serve("opendir", req, async move {
            match fs.opendir(Inode(ino.0)).await {
                Ok(handle) => reply.opened(FileHandle(handle.0), FopenFlags::empty()),
                Err(failure) => reply.error(errno::of("opendir", &failure)),
            }
        });
    }

    fn readdir(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let fs = Arc::clone(&self.fs);
        self.serve("readdir", req, async move {
            match fs.directory(HandleNumber(fh.0), offset).await {
                Ok(entries) => {
                    for (next, child) in entries_from(&entries, offset) {
                        let known = fs.at_a_glance(&child.node).attributes;
                        let (inode, kind) = (INodeNo(known.inode.0), file_type(known.kind));
                        if reply.add(inode, next, kind, &child.name) {
                            break;
                        }
                    }
                    reply.ok();
                }
                Err(failure) => reply.error(errno::of("readdir", &failure)),
            }
        });
    }

    fn readdirplus(
        &self,
        req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let fs = Arc::clone(&self.fs);
        self.serve("readdirplus", req, async move {
            match fs.directory(HandleNumber(fh.0), offset).await {
                Ok(entries) => {
                    for (next, child) in entries_from(&entries, offset) {
                        // As it is known now and not when the directory was opened: the kernel takes
                        // a size to heart, also of a file that is being read.
                        let known = fs.at_a_glance(&child.node);
                        let (life, attributes) = (known.life, file_attr(&known.attributes));
                        let (inode, name) = (attributes.ino, &child.name);
                        if reply.add(inode, next, name, &life, &attributes, Generation(0)) {
                            break;
                        }
                    }
                    reply.ok();
                }
                Err(failure) => reply.error(errno::of("readdirplus", &failure)),
            }
        });
    }

    fn releasedir(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.fs.releasedir(HandleNumber(fh.0));
        reply.ok();
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        // An account has no capacity to tell, and `df` must never wait for a network.
        reply.statfs(0, 0, 0, 0, 0, 4096, LONGEST_NAME, 4096);
    }

    fn getxattr(&self, req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = name.to_string_lossy();
        if !name.starts_with("user.") {
            return reply.error(errno::NO_SUCH_NAMESPACE);
        }
        let (fs, name) = (Arc::clone(&self.fs), name.into_owned());
        self.serve("getxattr", req, async move {
            match fs.getxattr(Inode(ino.0), &name).await {
                Ok(Some(value)) => reply_xattr(value.as_bytes(), size, reply),
                Ok(None) => reply.error(errno::NO_ATTRIBUTE),
                Err(failure) => reply.error(errno::of("getxattr", &failure)),
            }
        });
    }

    fn listxattr(&self, req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let fs = Arc::clone(&self.fs);
        self.serve("listxattr", req, async move {
            match fs.listxattr(Inode(ino.0)).await {
                Ok(names) => {
                    let ended = |name: &String| name.bytes().chain([0]).collect::<Vec<_>>();
                    let list: Vec<u8> = names.iter().flat_map(ended).collect();
                    reply_xattr(&list, size, reply);
                }
                Err(failure) => reply.error(errno::of("listxattr", &failure)),
            }
        });
    }
}

/// Answers with a value, or with its length where the caller asks for that (`size` 0).
fn reply_xattr(value: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(value.len()) {
        Ok(len) if size == 0 => reply.size(len),
        Ok(len) if len <= size => reply.data(value),
        _ => reply.error(errno::RANGE),
    }
}

/// The entries from an offset on, each with the offset of the next.
fn entries_from(entries: &[Child], offset: u64) -> impl Iterator<Item = (u64, &Child)> {
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    (1..).zip(entries).skip(skip)
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Link => FileType::Symlink,
    }
}

/// What programs take for the best size of a read. For a directory it is how much of it glibc reads before a
/// program sees the first name (`opendir(3)`, 32 KiB at the least): sizes that the first look at a file proves
/// are told with the names after that.
fn block_size(kind: Kind) -> u32 {
    match kind {
        Kind::Directory => 4096,
        Kind::File | Kind::Link => 128 * 1024,
    }
}

fn file_attr(attributes: &Attributes) -> FileAttr {
    let modified = match u64::try_from(attributes.modified) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => SystemTime::UNIX_EPOCH,
    };
    FileAttr {
        ino: INodeNo(attributes.inode.0),
        size: attributes.size,
        blocks: attributes.size.div_ceil(512),
        atime: modified,
        mtime: modified,
        ctime: modified,
        crtime: modified,
        kind: file_type(attributes.kind),
        perm: attributes.mode,
        nlink: attributes.links,
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: 0,
        blksize: block_size(attributes.kind),
        flags: 0,
    }
}
