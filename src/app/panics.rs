//! What becomes of a panic: a line in the log with its cause and place, beside the request that fails.

use std::any::Any;
use std::panic::{self, PanicHookInfo};

use crate::provider::without_links;

/// From here on panics are logged. What prints them to standard error, which a mount in the background
/// does not have, is replaced.
pub(super) fn to_log() {
    panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("?");
        tracing::error!(thread, "a fault of reelfs, please report it: {}", told(panic));
    }));
}

fn told(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "?".to_owned(), ToString::to_string);
    format!("panicked at {place}: {}", message(panic.payload()))
}

/// The words of a panic. They may quote what was at hand: links are taken out of them.
fn message(payload: &(dyn Any + Send)) -> String {
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    without_links(words.unwrap_or("without a word"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_without_links_and_in_one_line() {
        let payload: Box<dyn Any + Send> =
            Box::new("no char boundary in `https://a/secret.mp3?token=x`\n\u{1b}[2J".to_owned());
        let told = message(&*payload);
        assert!(told.starts_with("no char boundary in `[link]`"), "{told}");
        assert!(!told.contains('\n') && !told.contains('\u{1b}'), "{told}");
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&7), "without a word");
    }
}
