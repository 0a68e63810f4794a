//! Names and inodes: what the catalogue knows, as the directories and files that a user sees.
//!
//! Directories are computed from the calendar and need no listing; the files of a day come from
//! the day's listing, when somebody looks into it. Names are legal, unique and stable, and inode
//! numbers are the same after a remount, because both are made of the vendor's own ids.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::civil::Date;

use crate::catalog::{Catalog, Recent, can_change};
use crate::types::{Area, Cause, Content, Day, Failure, Object, ScopeNumber, UNDATED, Window};
use places::Places;

mod calendar;
mod folder;
mod generated;
mod inode;
mod name;
mod places;
mod playlist;
mod queries;
mod renewed;

pub use folder::{Folder, Generated};
pub use inode::Inode;
use inode::Tag;
pub use name::{file_name, numbered};
use queries::Queries;
pub use queries::{Found, Link, QueryNumber, in_one_directory};
pub use renewed::Renewed;

/// A directory or file. Where a key opens one account, the four areas lie below the root, and the
/// scope is [`ScopeNumber::WHOLE`]; otherwise below an account and a profile.
#[derive(Clone, Debug)]
pub enum Node {
    /// The mountpoint.
    Root,
    /// The directory of an account.
    Account(ScopeNumber),
    /// The directory of a profile.
    Scope(ScopeNumber),
    /// One of the four directories below it.
    Area(ScopeNumber, Area),
    /// A year.
    Year(ScopeNumber, Area, i16),
    /// A month.
    Month(ScopeNumber, Area, i16, i8),
    /// A day's directory.
    Day(ScopeNumber, Area, Date),
    /// A day's file in `index/`.
    Index(ScopeNumber, Date),
    /// The playlist of a day of `recordings/`.
    Playlist(ScopeNumber, Date),
    /// The directory in which whatever is named is looked for. The root does not list it.
    Finds,
    /// What was looked for, as a directory.
    Query(QueryNumber),
    /// A link in it.
    Link(Arc<Link>),
    /// An object.
    File(Arc<File>),
}

/// An object under its final name.
#[derive(Debug)]
pub struct File {
    /// Its inode number.
    pub inode: Inode,
    /// Its name, with extension.
    pub name: String,
    /// Whose it is.
    pub scope: ScopeNumber,
    /// The day whose directory it stands in.
    pub day: Date,
    /// Its place in that directory, in the order of names.
    pub position: usize,
    /// The object.
    pub object: Arc<Object>,
}

impl File {
    /// Whether it is still being written, as the vendor says; but no call goes on for days, and some
    /// never get an end.
    pub fn is_growing(&self) -> bool {
        matches!(&self.object.content, Content::Remote { link, .. } if link.is_growing())
            && can_change(self.day)
    }
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub struct Child {
    /// The name.
    pub name: String,
    /// What it names.
    pub node: Node,
}

/// The tree of a mount.
pub struct Tree {
    catalog: Arc<Catalog>,
    places: Places,
    known: RwLock<Known>,
    queries: Queries,
}

/// The days that were looked into.
#[derive(Default)]
struct Known {
    /// Those in memory.
    folders: HashMap<(ScopeNumber, Date), Arc<Folder>>,
    recent: Recent,
    /// All of them, by the tag that the numbers of their files have; also those that had to go from
    /// memory, since the kernel may still know their files.
    days: HashMap<Tag, Vec<SeenDay>>,
    /// Directories whose names changed since, and when, in seconds since the Unix epoch.
    changed: HashMap<Inode, i64>,
}

/// A day that was looked into once.
struct SeenDay {
    scope: ScopeNumber,
    date: Date,
    /// The numbers of its files, sorted: no other day with the same tag may give them.
    inodes: Box<[Inode]>,
}

impl Known {
    /// Makes the folder of a day. Where days come back without the vendor, those that were used
    /// least recently go.
    fn add(&mut self, scope: ScopeNumber, day: Arc<Day>, can_recall: bool) -> Arc<Folder> {
        let date = day.date;
        let folder = Arc::new(Folder::new(scope, day, self.taken(scope, date)));
        let seen = self.days.entry(Tag::of(date)).or_default();
        seen.retain(|day| (day.scope, day.date) != (scope, date));
        seen.push(SeenDay { scope, date, inodes: folder.inodes() });
        self.folders.insert((scope, date), Arc::clone(&folder));
        if can_recall {
            for gone in self.recent.see((scope, date), folder.weight()) {
                self.folders.remove(&gone);
            }
        }
        folder
    }

    /// Tells numbers that other days with the same tag have given.
    fn taken(&self, scope: ScopeNumber, date: Date) -> impl Fn(Inode) -> bool {
        let others = self.days.get(&Tag::of(date)).into_iter().flatten();
        let others: Vec<_> = others.filter(|day| (day.scope, day.date) != (scope, date)).collect();
        move |inode| others.iter().any(|day| day.inodes.binary_search(&inode).is_ok())
    }

    /// Whether a day was looked into.
    fn was_seen(&self, scope: ScopeNumber, date: Date) -> bool {
        let mut seen = self.days.get(&Tag::of(date)).into_iter().flatten();
        seen.any(|day| (day.scope, day.date) == (scope, date))
    }
}

impl Tree {
    /// The tree of what `catalog` knows.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        let places = Places::of(&catalog);
        Self { catalog, places, known: RwLock::default(), queries: Queries::default() }
    }

    /// What has this inode number. Files are found once their day was looked into.
    pub async fn node(&self, inode: Inode) -> Result<Option<Node>, Failure> {
        if let Some(node) = self.known_node(inode) {
            return Ok(Some(node));
        }
        for (scope, date) in self.days_of(inode) {
            if let Some(file) = self.folder(scope, date).await?.by_inode(inode) {
                return Ok(Some(Node::File(file)));
            }
        }
        Ok(None)
    }

    /// The same, as far as it is in memory.
    pub fn known_node(&self, inode: Inode) -> Option<Node> {
        if let Some(node) = inode.decode() {
            return self.exists(&node).then_some(node);
        }
        if let Some(query) = inode.query_of_link() {
            return self.queries.by_inode(query, inode).map(Node::Link);
        }
        let days = self.days_of(inode);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let folders = days.iter().filter_map(|day| known.folders.get(day));
        folders.filter_map(|folder| folder.by_inode(inode)).map(Node::File).next()
    }

    /// The days that a file of this number can stand in: one, or one of each scope.
    fn days_of(&self, inode: Inode) -> Vec<(ScopeNumber, Date)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let seen = inode.tag().and_then(|tag| known.days.get(&tag)).into_iter().flatten();
        let holds = |day: &&SeenDay| day.inodes.binary_search(&inode).is_ok();
        seen.filter(holds).map(|day| (day.scope, day.date)).collect()
    }

    /// The node of a name in a directory.
    pub async fn child(&self, parent: &Node, name: &str) -> Result<Node, Failure> {
        let missing = || Failure::new(Cause::NotFound, "no such file or directory");
        match parent {
            Node::Root if name == queries::NAME => return Ok(Node::Finds),
            Node::Finds => return self.queries.named(name).map(Node::Query),
            Node::Query(query) => {
                return self.queries.link(*query, name).map(Node::Link).ok_or_else(missing);
            }
            _ => {}
        }
        let known = self.listed(parent).find(|child| child.name == name);
        match (known, self.folder_of(parent)) {
            (Some(child), _) => Ok(child.node),
            (None, Some((scope, area, date))) => {
                let folder = self.folder(scope, date).await?;
                let file = folder.file(area, name).map(Node::File);
                let playlist =
                    || (name == playlist::NAME).then(|| playlist_of(parent, &folder)).flatten();
                file.or_else(playlist).ok_or_else(missing)
            }
            (None, None) => Err(missing()),
        }
    }

    /// All names in a directory, sorted within those of a kind.
    pub async fn children(&self, parent: &Node) -> Result<Vec<Child>, Failure> {
        let mut children: Vec<Child> = self.listed(parent).collect();
        if let Some((scope, area, date)) = self.folder_of(parent) {
            let folder = self.folder(scope, date).await?;
            let child =
                |f: &Arc<File>| Child { name: f.name.clone(), node: Node::File(Arc::clone(f)) };
            children.extend(folder.files(area).iter().map(child));
            if let Some(node) = playlist_of(parent, &folder) {
                children.push(Child { name: playlist::NAME.to_owned(), node });
            }
        }
        if let Node::Query(query) = parent {
            let links = self.queries.links(*query);
            let child = |link: &Arc<Link>| Child {
                name: link.name.clone(),
                node: Node::Link(Arc::clone(link)),
            };
            children.extend(links.iter().map(child));
        }
        Ok(children)
    }

    /// The day whose files stand in a directory: those without a date stand in their area's.
    fn folder_of(&self, parent: &Node) -> Option<(ScopeNumber, Area, Date)> {
        match *parent {
            Node::Day(scope, area, date) => Some((scope, area, date)),
            Node::Area(scope, area) if area != Area::Index && self.catalog.has_undated(scope) => {
                Some((scope, area, UNDATED))
            }
            _ => None,
        }
    }

    /// All files of the days that were looked into.
    pub fn seen(&self) -> Vec<Inode> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.days.values().flatten().flat_map(|day| day.inodes.iter().copied()).collect()
    }

    /// The directory that a node stands in; the root stands in itself.
    pub fn parent(&self, node: &Node) -> Option<Node> {
        Some(match *node {
            Node::Root | Node::Account(_) | Node::Area(ScopeNumber::WHOLE, _) | Node::Finds => {
                Node::Root
            }
            Node::Query(_) => Node::Finds,
            Node::Scope(scope) => Node::Account(self.places.account_of(scope)?),
            Node::Area(scope, _) => Node::Scope(scope),
            Node::Year(scope, area, _) => Node::Area(scope, area),
            Node::Month(scope, area, year, _) => Node::Year(scope, area, year),
            Node::Day(scope, area, date) => Node::Month(scope, area, date.year(), date.month()),
            Node::Index(scope, UNDATED) => Node::Area(scope, Area::Index),
            Node::Index(scope, date) => Node::Month(scope, Area::Index, date.year(), date.month()),
            Node::File(_) | Node::Playlist(..) | Node::Link(_) => return None,
        })
    }

    /// The path of a file in the mount.
    pub fn path(&self, file: &File) -> String {
        let above = self.places.path(file.scope);
        let directories = above.iter().map(String::as_str);
        let own = file.path();
        directories.chain([own.as_str()]).collect::<Vec<_>>().join("/")
    }

    /// The directory that a file stands in.
    pub fn directory(file: &File) -> Inode {
        Inode::of(&match file.day {
            UNDATED => Node::Area(file.scope, file.object.area),
            day => Node::Day(file.scope, file.object.area, day),
        })
    }

    /// The inode number of a node.
    pub fn inode(node: &Node) -> Inode {
        Inode::of(node)
    }

    /// Number of directories in a directory, for its link count.
    pub fn subdirectories(&self, node: &Node) -> u32 {
        let count = self.listed(node).filter(|c| !matches!(c.node, Node::Index(..))).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The first day that exists in any scope.
    pub fn first_day(&self) -> Date {
        let scopes = self.places.scopes();
        scopes.map(|scope| self.catalog.window(scope).first).min().unwrap_or(UNDATED)
    }

    /// The files of the directory that `file` stands in, in the order of names.
    pub fn siblings(&self, file: &File) -> Arc<[Arc<File>]> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .folders
            .get(&(file.scope, file.day))
            .map_or_else(Arc::default, |f| f.files(file.object.area))
    }

    /// The day's files, from its listing as it is now.
    async fn folder(&self, scope: ScopeNumber, date: Date) -> Result<Arc<Folder>, Failure> {
        let day = self.catalog.day(scope, date).await?;
        Ok(self.folder_of_day(scope, day))
    }

    fn folder_of_day(&self, scope: ScopeNumber, day: Arc<Day>) -> Arc<Folder> {
        let key = (scope, day.date);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(folder) = known.folders.get(&key).filter(|f| f.is_of(&day)) {
                return Arc::clone(folder);
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = known.folders.get(&key).filter(|f| f.is_of(&day)) {
            return Arc::clone(folder);
        }
        known.add(scope, day, self.catalog.can_recall(scope))
    }

    /// The children of a directory that are known without a listing.
    fn listed(&self, parent: &Node) -> impl Iterator<Item = Child> + use<> {
        let children = match *parent {
            Node::Root if self.places.are_scoped() => self.places.accounts(),
            Node::Root => calendar::areas(ScopeNumber::WHOLE),
            Node::Account(account) => self.places.profiles(account),
            Node::Scope(scope) => calendar::areas(scope),
            Node::Area(scope, area) => {
                let mut years = calendar::years(scope, area, self.catalog.window(scope));
                if area == Area::Index && self.catalog.has_undated(scope) {
                    let name = calendar::index_name(UNDATED);
                    years.push(Child { name, node: Node::Index(scope, UNDATED) });
                }
                years
            }
            Node::Year(scope, area, year) => {
                calendar::months(scope, area, year, self.catalog.window(scope))
            }
            Node::Month(scope, area, year, month) => {
                calendar::days(scope, area, (year, month), self.catalog.window(scope))
            }
            Node::Day(..)
            | Node::Index(..)
            | Node::Playlist(..)
            | Node::Finds
            | Node::Query(_)
            | Node::Link(_)
            | Node::File(_) => Vec::new(),
        };
        children.into_iter()
    }

    /// Whether a node decoded from a number is one of this tree's.
    fn exists(&self, node: &Node) -> bool {
        let within = |scope, holds: &dyn Fn(Window) -> bool| {
            self.places.has(scope) && holds(self.catalog.window(scope))
        };
        match *node {
            Node::Root | Node::Finds | Node::Link(_) | Node::File(_) => true,
            Node::Query(query) => self.queries.query(query).is_some(),
            Node::Account(account) => !self.places.profiles(account).is_empty(),
            Node::Scope(scope) => scope != ScopeNumber::WHOLE && self.places.has(scope),
            Node::Area(scope, _) => self.places.has(scope),
            Node::Year(scope, _, year) => within(scope, &|w| calendar::has_year(w, year)),
            Node::Month(scope, _, year, month) => {
                within(scope, &|w| calendar::has_month(w, (year, month)))
            }
            Node::Index(scope, UNDATED) => {
                self.places.has(scope) && self.catalog.has_undated(scope)
            }
            Node::Day(scope, _, date) | Node::Index(scope, date) | Node::Playlist(scope, date) => {
                within(scope, &|w| w.contains(date))
            }
        }
    }
}

/// The playlist in a directory, if that is a day's of `recordings/` and there is any.
fn playlist_of(parent: &Node, folder: &Folder) -> Option<Node> {
    match *parent {
        Node::Day(scope, Area::Recordings, date) => {
            folder.playlist().map(|_| Node::Playlist(scope, date))
        }
        _ => None,
    }
}
