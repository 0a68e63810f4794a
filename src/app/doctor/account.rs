//! What a mount needs of an account: a key that is its owner's alone and opens it, clocks that
//! agree, and what the hosts of its files can do.

use jiff::{SignedDuration, ToSpan as _};

use super::super::connect::{Connection, Contents, connect};
use super::{Finding, Verdict};
use crate::catalog::today;
use crate::config::{Account, Mount, secret};
use crate::source::{Provider, RangeRequest, Urgency};
use crate::types::{Area, Content, Entry, Failure, Link, UNDATED, Window, chain};

/// Clocks that differ by less agree: a `Date` has whole seconds, and has travelled.
const TOLERATED: SignedDuration = SignedDuration::from_secs(5);
/// Days that are looked through for a file of each kind.
const DAYS: i64 = 7;

/// All of it.
pub(super) async fn findings(mount: &Mount) -> Vec<Finding> {
    let mut findings = keys(&mount.account);
    findings.extend(super::cache::findings(&mount.options.cache));
    let connection = match connect(&mount.account, &mount.options, None).await {
        Ok(connection) => connection,
        Err(problem) => {
            findings.push(Finding::problem(Verdict::Bad, "account", problem));
            return findings;
        }
    };
    findings
        .push(Finding::good(format!("account: {} answers and takes the key", connection.source)));
    findings.extend(connection.warnings.iter().map(Finding::note));
    let counts = connection.client.metrics().counts();
    // A list asks nobody before it is read.
    if counts.api_requests > 0 {
        findings.push(clocks(counts.server_ahead));
    }
    findings.extend(listing(&connection).await);
    findings
}

/// Whether the files of keys are for their owner alone. One that is not there is told where it is read.
fn keys(account: &Account) -> Vec<Finding> {
    let mut account = account.clone();
    account
        .secrets_mut()
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| match secret::exposed(path) {
            Some(exposed) => Finding::note(format!("key: {}", exposed.message)).fix(exposed.fix),
            None => Finding::good(format!("key: {} is for its owner alone", path.display())),
        })
        .collect()
}

fn clocks(server_ahead: SignedDuration) -> Finding {
    if server_ahead.abs() <= TOLERATED {
        return Finding::good("clock: agrees with the vendor's");
    }
    let seconds = server_ahead.abs().as_secs();
    let which = if server_ahead.is_positive() { "behind" } else { "ahead of" };
    Finding::note(format!("clock: {seconds} s {which} the vendor's; tokens follow the vendor's"))
        .fix("timedatectl set-ntp true")
}

/// Whether calls can be listed, and what the hosts of their files can do.
async fn listing(connection: &Connection) -> Vec<Finding> {
    let provider = match &connection.contents {
        Contents::One(provider) => provider,
        Contents::Scopes(scopes) => match scopes.first() {
            Some(scope) => &scope.provider,
            None => return vec![Finding::note("account: has no profiles")],
        },
    };
    let (entries, told) = match calls(&**provider).await {
        Ok(calls) => calls,
        Err(failure) => return vec![Finding::bad(format!("listing: {}", chain(&failure)))],
    };
    let mut findings = vec![Finding::good(format!("listing: {told}"))];
    for (area, name) in [(Area::Recordings, "recordings"), (Area::Logs, "logs")] {
        let Some(link) = latest(&entries, area) else { continue };
        let host = link.url().host_str().unwrap_or_default().to_owned();
        findings.push(match ask(connection, link).await {
            Ok(finding) => Finding { what: format!("{name}: {host} {}", finding.what), ..finding },
            Err(failure) => Finding::bad(format!("{name}: {host}: {}", chain(&failure))),
        });
    }
    findings
}

fn calls_of(count: usize) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}

/// The calls that are looked through, and in words how many there are and of when: of the last days, or all
/// of a list, which is at hand and may be of any days, or of none.
async fn calls(provider: &dyn Provider) -> Result<(Vec<Entry>, String), Failure> {
    let Some(span) = provider.span() else {
        let last = today();
        let first = last.saturating_sub((DAYS - 1).days());
        let entries = provider.list(Window { first, last }).await?;
        let told = format!("{} in {DAYS} days", calls_of(entries.len()));
        return Ok((entries, told));
    };
    let mut entries = provider.list(Window::day(UNDATED)).await?;
    let undated = entries.len();
    entries.extend(provider.list(span).await?);
    let Window { first, last } = span;
    let told = match (entries.len() - undated, undated) {
        (0, undated) => format!("{} without a date", calls_of(undated)),
        (count, 0) => format!("{} from {first} to {last}", calls_of(count)),
        (count, undated) => {
            format!("{} from {first} to {last}, and {undated} without a date", calls_of(count))
        }
    };
    Ok((entries, told))
}

fn latest(entries: &[Entry], area: Area) -> Option<Link> {
    let objects = entries.iter().rev().flat_map(|entry| &entry.objects);
    objects.filter(|object| object.area == area).find_map(|object| match &object.content {
        Content::Remote { link, .. } => Some(link.clone()),
        Content::Inline(_) => None,
    })
}

/// What the host of a file makes of a request for its second byte.
async fn ask(connection: &Connection, link: Link) -> Result<Finding, Failure> {
    let head = match connection.client.head(&link).await {
        Ok(Some(_)) => "HEAD with sizes",
        Ok(None) => "HEAD without sizes",
        Err(_) => "no HEAD, which a mount does not need",
    };
    let request = RangeRequest { link, offset: 1, len: 1, version: None, urgency: Urgency::now() };
    let answer = connection.media.open(request).await?;
    let size = if answer.total.is_some() { "tells sizes" } else { "tells no sizes" };
    let validator = match (&answer.validator.etag, &answer.validator.last_modified) {
        (Some(_), _) => "versions (ETag)",
        (None, Some(_)) => "versions (Last-Modified)",
        (None, None) => "no versions",
    };
    Ok(if answer.offset == 1 {
        Finding::good(format!("serves ranges, {size}, {validator}, {head}"))
    } else {
        Finding::note(format!("serves whole files alone, {size}, {validator}, {head}"))
    })
}
