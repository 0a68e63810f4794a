//! What the environment says, and where it puts a user's files (XDG Base Directory Specification).

use std::path::PathBuf;

/// A variable that is set to something. `HOME` comes from the user database where it is not set:
/// mount(8) is called without one at boot.
pub fn variable(name: &str) -> Option<String> {
    let set = std::env::var(name).ok().filter(|value| !value.is_empty());
    let home =
        || (name == "HOME").then(home)?.and_then(|home| home.into_os_string().into_string().ok());
    set.or_else(home)
}

/// What reelfs could fetch again, below `$XDG_CACHE_HOME`; none for a user without a home.
pub fn cache() -> Option<PathBuf> {
    standard("XDG_CACHE_HOME", ".cache")
}

/// What reelfs must not forget, below `$XDG_STATE_HOME`; none for a user without a home.
pub fn state() -> Option<PathBuf> {
    standard("XDG_STATE_HOME", ".local/state")
}

fn standard(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let at_home = || Some(home()?.join(below_home));
    Some(named.or_else(at_home)?.join("reelfs"))
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}
