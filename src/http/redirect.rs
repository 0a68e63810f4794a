//! Where a redirect leads, and whether it is followed. Whether credentials go along is decided per
//! hop by the `HostPolicy`.

use reqwest::StatusCode;
use url::Url;

use super::error::Reason;
use super::policy::is_loopback;

/// How many redirects one request follows.
pub(super) const MOST_HOPS: u32 = 5;

/// The address to go to, or `None` when `status` is no redirect.
///
/// https never leads to plain http, unless on this machine. A user name in the address, which
/// would be sent as credentials, is dropped.
pub(super) fn next_hop(
    from: &Url,
    status: StatusCode,
    location: Option<&str>,
) -> Result<Option<Url>, Reason> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = location.ok_or(Reason::Redirect("it has no Location"))?;
    let unreadable = Reason::Redirect("its Location is no address");
    let mut to = from.join(location).map_err(|_| unreadable)?;
    let Some(host) = to.host() else {
        return Err(Reason::Redirect("it leads to no host"));
    };
    match to.scheme() {
        "https" => {}
        "http" if from.scheme() == "http" || is_loopback(&host) => {}
        "http" => return Err(Reason::Redirect("it leads from https to plain http")),
        _ => return Err(Reason::Redirect("it leads to neither http nor https")),
    }
    strip(&mut to);
    Ok(Some(to))
}

/// Drops what is not for the server, and the user name, which the HTTP library would send.
pub(super) fn strip(url: &mut Url) {
    url.set_fragment(None);
    // Both fail only for addresses that can hold no user name.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, location: &str) -> Result<String, String> {
        match next_hop(&Url::parse(from).unwrap(), StatusCode::FOUND, Some(location)) {
            Ok(url) => Ok(url.unwrap().to_string()),
            Err(reason) => Err(reason.to_string()),
        }
    }

    #[test]
    fn redirects_are_resolved_and_stripped() {
        assert_eq!(hop("https://a/x/y?z", "w#f"), Ok("https://a/x/w".into()));
        assert_eq!(hop("https://a/x", "//b/y"), Ok("https://b/y".into()));
        assert_eq!(hop("https://a/", "https://u:p@b/"), Ok("https://b/".into()));
        assert_eq!(hop("http://a/", "https://a/"), Ok("https://a/".into()));
    }

    #[test]
    fn https_does_not_lead_to_plain_http() {
        assert!(hop("https://a/", "http://a/").unwrap_err().contains("plain http"));
        assert_eq!(hop("https://a/", "http://127.0.0.1:1/"), Ok("http://127.0.0.1:1/".into()));
        assert_eq!(hop("http://a/", "http://b/"), Ok("http://b/".into()));
        assert!(hop("https://a/", "file:///etc/passwd").is_err());
        assert!(hop("https://a/", "data:,x").is_err());
    }

    #[test]
    fn other_statuses_are_no_redirects() {
        let from = Url::parse("https://a/").unwrap();
        for status in [200, 206, 300, 304, 404] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(matches!(next_hop(&from, status, Some("/x")), Ok(None)));
        }
        assert!(next_hop(&from, StatusCode::FOUND, None).is_err());
    }
}
