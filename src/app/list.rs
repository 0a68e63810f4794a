//! Connects to whatever keeps the files of a list.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

use super::connect::{Connection, Contents, client, limit, media};
use super::problem::Problem;
use super::{voximplant, whatconverts};
use crate::config::{Auth, MountOptions};
use crate::http::{Client, HostPolicy};
use crate::provider::list::{Links, List, ListError};
use crate::provider::whatconverts::Refusals;
use crate::provider::{voximplant as vendor, whatconverts as other_vendor};
use crate::source::Identity;
use crate::store::Store;

/// Reads the list and opens the way to its links.
pub(super) fn connect(
    from: &Path,
    auth: &Auth,
    options: &MountOptions,
    store: Option<&Store>,
) -> Result<Connection, Problem> {
    let links = match auth {
        Auth::WhatConvertsToken(_) | Auth::WhatConvertsBasic(_) => Links::WhatConverts,
        Auth::None | Auth::Voximplant(_) => Links::Any,
    };
    let list = List::open(from, links).map_err(|error| {
        let is_empty = matches!(error, ListError::NoLink { .. });
        let message = format!("{}: {error}", from.display());
        let hint = "the link stands in a column called Recording, URL or Link, or alone on a line";
        Problem { message, hint: is_empty.then(|| hint.to_owned()) }
    })?;
    let mut warnings = Vec::new();
    if let Some(complaint) = list.complaint() {
        warnings.push(format!("{} has {complaint}", from.display()));
    }
    let Opener { client, policy, warning, .. } = opener(auth, options)?;
    warnings.extend(warning.map(str::to_owned));
    if !matches!(auth, Auth::None) {
        warnings.extend(strangers(&list.urls(), &policy));
    }
    limit(&client, options.daily_requests, &format!("list {}", from.display()).into());
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    // Its objects are named by their links, so that all lists are one account.
    let identity = Identity { name: "list".into(), secret: "list".into() };
    let kept = store.map(|store| store.account(&identity, ""));
    let source = media(client.clone(), kept.as_ref());
    Ok(Connection {
        media: match links {
            Links::WhatConverts => Arc::new(Refusals::new(source)),
            Links::Any => Arc::new(source),
        },
        client,
        contents: Contents::One(Arc::new(list)),
        source: format!("list:{name}"),
        warnings,
        kept,
        retention: &[],
    })
}

/// The way to links.
pub(super) struct Opener {
    pub(super) client: Client,
    /// Who gets credentials.
    pub(super) policy: HostPolicy,
    pub(super) warning: Option<&'static str>,
    /// What the budget of requests of the key's mounts is kept under.
    pub(super) budget: Option<SecretString>,
}

/// A client with the credentials that `auth` names.
pub(super) fn opener(auth: &Auth, options: &MountOptions) -> Result<Opener, Problem> {
    let (mut warning, mut budget) = (None, None);
    let (hosts, credentials): (&[&str], _) = match auth {
        Auth::None => (&[], None),
        Auth::Voximplant(key) => {
            let key = voximplant::key(key, None, options)?;
            warning = key.warning;
            budget = Some(voximplant::budget(&voximplant::base(options)?, &key.name));
            (&vendor::HOSTS, Some(key.credentials))
        }
        Auth::WhatConvertsToken(file) | Auth::WhatConvertsBasic(file) => {
            let key = whatconverts::key(file.as_deref())?;
            budget = Some(key.identity().name);
            let is_token = matches!(auth, Auth::WhatConvertsToken(_));
            let credentials = if is_token { key.for_links() } else { key.basic() };
            (&other_vendor::HOSTS, Some(credentials))
        }
    };
    let mut policy = HostPolicy::new(hosts);
    if let Some(url) = &options.api_url {
        policy = policy.trust_origin(url);
    }
    for host in &options.trusted_hosts {
        policy = policy.trust(host.clone());
    }
    let client = client(policy.clone(), credentials, options)?;
    Ok(Opener { client, policy, warning, budget })
}

/// Says that some links get no credentials.
fn strangers(urls: &[Url], policy: &HostPolicy) -> Option<String> {
    let mut strange = urls.iter().filter(|url| !policy.allows(url));
    let first = strange.next()?.host_str().unwrap_or_default().to_owned();
    let count = 1 + strange.count();
    Some(format!(
        "{count} of {} links do not lead to the vendor's hosts over https (the first to {first}): \
         no credentials are sent there",
        urls.len()
    ))
}
