//! `reelfs get`: downloads links, several at once, with progress on a terminal.
//!
//! A file appears under its name when it is whole. Until then it is `.NAME.part`, which is resumed
//! when the server proves that it still has the same version, and begun anew otherwise.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use super::connect::count;
use super::list::{Opener, opener};
use super::problem::Problem;
use super::{log, terminal};
use crate::config::{Auth, Get};
use crate::fuse::mountpoint;
use crate::http::HttpSource;
use crate::provider::list::name_of;
use crate::provider::whatconverts::download_link;
use crate::source::{RangeRequest, RangeSource, Urgency};
use crate::tree::{file_name, numbered};
use crate::types::{Cause, Failure, Link, shell_word};
use part::Part;

mod part;

/// What to do where a link asks for a key and none was given.
const KEYS: &str = "name the key that opens it: --credentials FILE for Voximplant, --key-file FILE \
                    for WhatConverts";
/// The longest word that is quoted although it names no file, in bytes: a token is longer.
const LONGEST_WORD: usize = 24;
/// Downloads at once.
const AT_ONCE: usize = 4;

/// Downloads all links; 1 where any failed.
pub(super) fn run(get: &Get, verbose: u8) -> Result<ExitCode, Problem> {
    log::to_stderr(verbose);
    super::runtime()?.block_on(async {
        let Opener { client, warning, budget, .. } = opener(&get.auth, &get.options)?;
        if let Some(budget) = budget {
            count(&client, &budget);
        }
        if let Some(warning) = warning {
            terminal::warn(warning);
        }
        let source = Arc::new(HttpSource::new(client));
        let bars = MultiProgress::new();
        let Plan { files, directory } = plan(get)?;
        let made = directory.as_deref().map(make).transpose()?.unwrap_or(false);
        let downloads = files.into_iter().map(|(link, to)| {
            let (source, bars) = (Arc::clone(&source), bars.clone());
            async move {
                let bar = bars.add(bar(&to));
                let outcome = fetch(&*source, &link, &to, &bar).await;
                bar.finish_and_clear();
                outcome.map_err(|problem| match (&get.auth, problem) {
                    (Auth::None, Failed::Server(failure)) if failure.cause == Cause::Denied => {
                        Problem::file(&to, failure).hint(KEYS)
                    }
                    (_, Failed::Server(failure)) => Problem::file(&to, failure),
                    (_, Failed::Disk(error)) => Problem::file(&to, error),
                })
            }
        });
        let mut code = ExitCode::SUCCESS;
        let mut outcomes = stream::iter(downloads).buffer_unordered(AT_ONCE);
        while let Some(outcome) = outcomes.next().await {
            if let Err(problem) = outcome {
                bars.suspend(|| terminal::error(&problem));
                code = ExitCode::FAILURE;
            }
        }
        if let Some(directory) = directory.filter(|_| made) {
            // It goes if nothing came.
            let _ = std::fs::remove_dir(directory);
        }
        Ok(code)
    })
}

/// What is downloaded, and where to.
struct Plan {
    /// Each link with the file that it goes to.
    files: Vec<(Link, PathBuf)>,
    /// The directory that was named for them, which need not be there.
    directory: Option<PathBuf>,
}

/// Where each link goes. Links that would meet in one file get numbers.
fn plan(get: &Get) -> Result<Plan, Problem> {
    let names_directory =
        |to: &PathBuf| to.is_dir() || to.as_os_str().as_encoded_bytes().ends_with(b"/");
    let is_directory = get.output.as_ref().is_none_or(names_directory);
    if let Some(to) = get.output.as_ref().filter(|_| get.links.len() > 1 && !is_directory) {
        let message = format!("-o {}: several links go to a directory", shell_word(to));
        return Err(Problem { message, hint: Some("-o DIR/ makes one".to_owned()) });
    }
    let directory = get.output.clone().unwrap_or_default();
    let mut taken = HashSet::new();
    let links = get.links.iter().zip(1..);
    let files = links
        .map(|(text, number)| {
            let link = match get.auth {
                Auth::WhatConvertsToken(_) | Auth::WhatConvertsBasic(_) => download_link(text),
                Auth::None | Auth::Voximplant(_) => Link::parse(text),
            };
            let link = link.ok_or_else(|| no_link(text, number))?;
            if !is_directory {
                return Ok((link, target(&directory)?));
            }
            let plain = file_name(&name_of(&link));
            let mut name = plain.clone();
            for n in 2.. {
                if taken.insert(name.clone()) {
                    break;
                }
                name = numbered(&plain, n);
            }
            Ok((link, target(&directory.join(name))?))
        })
        .collect::<Result<_, Problem>>()?;
    let directory = get.output.clone().filter(|_| is_directory);
    Ok(Plan { files, directory })
}

/// Why a word is no link, and what to type instead. What may be the better part of a link, or a token, is a
/// secret and is not quoted.
fn no_link(text: &str, number: usize) -> Problem {
    let path = Path::new(text);
    let may_be_link = text.contains("://") || text.contains(['?', '&', '=', '#', '@']);
    let mount = if may_be_link { None } else { mountpoint::ours_around(path) };
    let is_there = match &mount {
        // It is not looked at: a mount may hang. All words name something below the current directory.
        Some(at) => !std::env::current_dir().is_ok_and(|here| here.starts_with(at)),
        None => !may_be_link && path.exists(),
    };
    let is_word = text.len() <= LONGEST_WORD && !text.contains('/') && !may_be_link;
    let message = if is_there || is_word {
        format!("{} is no link", shell_word(path))
    } else {
        format!("link {number} is none")
    };
    let hint = match mount {
        Some(at) if is_there => {
            let at = at.display();
            format!("it is in the mount at {at}, as any file: cp {} .", shell_word(path))
        }
        None if is_there && path.is_file() => {
            format!("if it holds links: xargs reelfs get < {}", shell_word(path))
        }
        _ => "a link begins with https://".to_owned(),
    };
    Problem { message, hint: Some(hint) }
}

/// Makes a directory, for its owner alone as all that is downloaded, where there is none; not the directories
/// above it. Gives whether it did.
fn make(directory: &Path) -> Result<bool, Problem> {
    if directory.is_dir() {
        return Ok(false);
    }
    let made = DirBuilder::new().mode(0o700).create(directory);
    made.map(|()| true).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "it is no directory: name another with -o DIR/".to_owned(),
            ErrorKind::NotFound => format!("mkdir -p {}", shell_word(directory)),
            _ => "name another directory with -o DIR/".to_owned(),
        };
        Problem::file(directory, error).hint(hint)
    })
}

/// The file that is going to be replaced: never a device, nor a link to one.
fn target(to: &Path) -> Result<PathBuf, Problem> {
    let none = |message: String| Problem { message, hint: None }.hint("give the name of a file");
    if to == Path::new("-") {
        return Err(none("-o -: standard output cannot be resumed".to_owned()));
    }
    match std::fs::metadata(to) {
        Ok(metadata) if metadata.is_file() => {
            std::fs::canonicalize(to).map_err(|error| Problem::file(to, error))
        }
        Ok(_) => Err(none(format!("{}: is there, and is no file", to.display()))),
        Err(_) => Ok(to.to_owned()),
    }
}

/// A bar that shows on a terminal only.
fn bar(to: &Path) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg:30!} {bar:30} {bytes:>10}/{total_bytes:10} {binary_bytes_per_sec:>12} {eta:>5}",
    );
    let bar = ProgressBar::no_length();
    bar.set_message(to.file_name().unwrap_or_default().to_string_lossy().into_owned());
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

async fn fetch(
    source: &dyn RangeSource,
    link: &Link,
    to: &Path,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    let mut part = Part::open(to, link).await?;
    let mut outcome = transfer(source, link, &mut part, bar).await;
    if let Err(Failed::Server(failure)) = &outcome
        && failure.cause == Cause::Changed
        && part.is_resumed()
    {
        part.restart().await?;
        outcome = transfer(source, link, &mut part, bar).await;
    }
    match outcome {
        Ok(()) => Ok(part.finish(to).await?),
        Err(Failed::Disk(error)) => Err(Failed::Disk(error)),
        Err(Failed::Server(failure)) => {
            part.discard_if_empty().await;
            Err(Failed::Server(failure))
        }
    }
}

/// Why a transfer ended early.
enum Failed {
    Disk(std::io::Error),
    Server(Failure),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Server(failure)
    }
}

async fn transfer(
    source: &dyn RangeSource,
    link: &Link,
    part: &mut Part,
    bar: &ProgressBar,
) -> Result<(), Failed> {
    loop {
        if part.is_whole() {
            return Ok(());
        }
        let request = RangeRequest {
            link: link.clone(),
            offset: part.len(),
            len: RangeRequest::TO_THE_END,
            version: part.version(),
            urgency: Urgency::now(),
        };
        let mut answer = source.open(request).await?;
        if answer.offset != part.len() {
            // A server without ranges sends everything again.
            part.restart().await?;
        }
        let before = part.len();
        part.learn(answer.total, &answer.validator).await?;
        if let Some(total) = answer.total {
            bar.set_length(total);
        }
        bar.set_position(before);
        while let Some(bytes) = answer.body.next().await {
            let bytes = bytes?;
            part.file().write_all(&bytes).await?;
            part.grow(bytes.len() as u64);
            bar.inc(bytes.len() as u64);
        }
        part.file().flush().await?;
        if answer.total.is_none() {
            return Ok(());
        }
        if part.len() == before && !part.is_whole() {
            let stuck = Failure::new(Cause::BadAnswer, "the server sends no more of it");
            return Err(stuck.into());
        }
    }
}

/// Removes a file that may not be there.
async fn remove(path: &Path) {
    let _ = fs::remove_file(path).await;
}
