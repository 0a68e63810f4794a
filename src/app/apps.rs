//! `reelfs apps`: which applications are secure, and the switch.

use std::io::{BufRead as _, IsTerminal as _};

use url::Url;

use super::connect::{client, count, refused, untrusted};
use super::problem::Problem;
use super::{log, terminal, voximplant};
use crate::config::{Apps, MountOptions};
use crate::http::HostPolicy;
use crate::provider::voximplant::{ApiError, Application, HOSTS, Voximplant};

/// Lists the applications, or switches one.
pub(super) fn run(apps: &Apps, verbose: u8) -> Result<(), Problem> {
    log::to_stderr(verbose);
    super::runtime()?.block_on(async {
        let (vendor, base, key) = connect(apps)?;
        let words = voximplant::words(&apps.key, None);
        let failed = |error| match error {
            // Its own words are about the history of calls.
            ApiError::RoleMissing => {
                let message =
                    format!("{key}: the key may not see or change applications (code 104)");
                Problem { message, hint: None }
            }
            other => refused(&words, &key, &base, other.into()),
        };
        let applications = vendor.applications().await.map_err(failed)?;
        let Some((secure, name)) = &apps.set else {
            for application in &applications {
                terminal::say(&line(application));
            }
            return Ok(());
        };
        let application = find(&applications, name)?;
        if application.secure == Some(*secure) {
            terminal::say(&format!("already so: {}", line(application)));
            return Ok(());
        }
        if !apps.yes && !agreed(application, *secure)? {
            return Err(Problem { message: "nothing was changed".to_owned(), hint: None });
        }
        vendor.set_secure(&application.id, *secure).await.map_err(failed)?;
        let changed = Application { secure: Some(*secure), ..application.clone() };
        terminal::say(&line(&changed));
        Ok(())
    })
}

/// The vendor, the address of its API, and what an error calls the key. Must be called within a tokio
/// runtime.
fn connect(apps: &Apps) -> Result<(Voximplant, Url, String), Problem> {
    let options: &MountOptions = &apps.options;
    let base = voximplant::base(options)?;
    let key = voximplant::key(&apps.key, None, options)?;
    if let Some(warning) = key.warning {
        terminal::warn(warning);
    }
    let policy = HostPolicy::new(&HOSTS).trust_origin(&base);
    if !policy.allows(&base) {
        return Err(untrusted(&base));
    }
    let client = client(policy, Some(key.credentials), options)?;
    count(&client, &voximplant::budget(&base, &key.name));
    Ok((Voximplant::new(client, &base), base, key.name))
}

/// The application of an id or a name, whole or up to its first dot.
fn find<'a>(applications: &'a [Application], wanted: &str) -> Result<&'a Application, Problem> {
    let is_it = |application: &&Application| {
        application.id == wanted || application.name == wanted || label(application) == wanted
    };
    let found: Vec<_> = applications.iter().filter(is_it).collect();
    match found[..] {
        [application] => Ok(application),
        [] => Err(Problem { message: format!("no application is called {wanted}"), hint: None }
            .hint("`reelfs apps` lists them")),
        _ => Err(Problem {
            message: format!("several applications are called {wanted}"),
            hint: None,
        }
        .hint("give the number")),
    }
}

fn label(application: &Application) -> &str {
    application.name.split('.').next().unwrap_or_default()
}

fn line(application: &Application) -> String {
    let secure = match application.secure {
        Some(true) => "secure",
        Some(false) => "open",
        None => "unknown",
    };
    format!("{:<12} {:<8} {}", application.id, secure, application.name.escape_debug())
}

/// Asks, where somebody can answer.
fn agreed(application: &Application, secure: bool) -> Result<bool, Problem> {
    if !std::io::stdin().is_terminal() {
        let message = "this changes who can open recordings and logs, and needs a yes".to_owned();
        return Err(Problem { message, hint: Some("add --yes".to_owned()) });
    }
    let name = application.name.escape_debug();
    terminal::say(&if secure {
        format!("New recordings and logs of {name} will ask for authorization. Go on? [y/N]")
    } else {
        format!(
            "Anyone who has a link to a new recording or log of {name} will be able to open it. Go on? [y/N]"
        )
    });
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Problem::new("no answer", error))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Names the applications whose links open for anyone.
pub(super) fn open_to_anyone(applications: &[Application]) -> Option<String> {
    let open = applications.iter().filter(|application| application.secure == Some(false));
    let names: Vec<_> =
        open.map(|application| label(application).escape_debug().to_string()).collect();
    if names.is_empty() {
        return None;
    }
    Some(format!(
        "anyone who has a link can open recordings and logs of: {} (`reelfs apps --secure on APP` \
         closes one)",
        names.join(", ")
    ))
}
