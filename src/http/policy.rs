//! Which hosts may get the credentials.
//!
//! A pure decision on the address alone; it resolves no names. Whatever is doubtful (user names in
//! the address, a trailing dot, another scheme) gets nothing: a refused read can be mended with
//! `--trust-host`, a leaked key can not.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// The hosts that may get the credentials.
///
/// Two kinds: the vendor's own domains, over https only; and hosts that the user named, over https,
/// or over plain http where the host is this machine.
#[derive(Clone, Debug, Default)]
pub struct HostPolicy {
    domains: Vec<String>,
    trusted: Vec<TrustedHost>,
}

impl HostPolicy {
    /// A policy for a vendor's domains, in lower case: `example.com` is that host alone,
    /// `.example.com` every host below it.
    pub fn new(domains: &[&str]) -> Self {
        Self { domains: domains.iter().map(|&d| d.to_owned()).collect(), trusted: Vec::new() }
    }

    /// The same, with one more host.
    #[must_use]
    pub fn trust(mut self, host: TrustedHost) -> Self {
        self.trusted.push(host);
        self
    }

    /// The same, with the host and port of `url`: the one that the user gave for the vendor's API.
    #[must_use]
    pub fn trust_origin(self, url: &Url) -> Self {
        match url.host() {
            Some(host) => {
                self.trust(TrustedHost { host: host.to_owned(), port: url.port_or_known_default() })
            }
            None => self,
        }
    }

    /// Whether the credentials may go along with a request for `url`.
    pub fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        if !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        match url.scheme() {
            "https" => self.is_vendors(&host) || self.is_trusted(url),
            "http" => is_loopback(&host) && self.is_trusted(url),
            _ => false,
        }
    }

    fn is_vendors(&self, host: &Host<&str>) -> bool {
        let Host::Domain(name) = host else {
            return false;
        };
        self.domains.iter().any(|domain| match domain.strip_prefix('.') {
            Some(_) => name.len() > domain.len() && name.ends_with(domain.as_str()),
            None => name == domain,
        })
    }

    fn is_trusted(&self, url: &Url) -> bool {
        self.trusted.iter().any(|trusted| {
            url.host().is_some_and(|host| host.to_owned() == trusted.host)
                && trusted.port.is_none_or(|port| url.port_or_known_default() == Some(port))
        })
    }
}

/// Whether `host` is this machine: 127.0.0.0/8, `::1`, or the name `localhost`, which RFC 6761
/// reserves for them.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// A host that the user trusts with the credentials, as `--trust-host HOST[:PORT]` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHost {
    host: Host<String>,
    /// `None`: every port of the host.
    port: Option<u16>,
}

/// A trusted host that is not `HOST` or `HOST:PORT`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected HOST or HOST:PORT, for example storage.example.com or 127.0.0.1:8080")]
pub struct TrustedHostError;

impl FromStr for TrustedHost {
    type Err = TrustedHostError;

    /// Reads `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`. Names are brought into the form that
    /// addresses have: lower case, international names as `xn--`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = digits.then(|| port.parse().ok()).flatten();
                (name, Some(port.ok_or(TrustedHostError)?))
            }
            _ => (text, None),
        };
        let host = Host::parse(name).map_err(|_| TrustedHostError)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for TrustedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vendor() -> HostPolicy {
        HostPolicy::new(&["voximplant.com", ".voximplant.com"])
    }

    fn allows(policy: &HostPolicy, url: &str) -> bool {
        policy.allows(&Url::parse(url).unwrap())
    }

    #[test]
    fn the_vendors_hosts_get_credentials_over_https() {
        for url in [
            "https://voximplant.com/x",
            "https://api.voximplant.com/platform_api/",
            "https://STORAGE-gw-01.Voximplant.COM/x.mp3?record_id=1",
            "https://a.b.voximplant.com:8443/",
        ] {
            assert!(allows(&vendor(), url), "{url}");
        }
    }

    #[test]
    fn look_alikes_get_nothing() {
        for url in [
            "http://api.voximplant.com/",
            "https://voximplant.com.evil.com/",
            "https://evilvoximplant.com/",
            "https://voximplant.com@evil.com/",
            "https://api.voximplant.com:x@evil.com/",
            "https://user@api.voximplant.com/",
            "https://:secret@api.voximplant.com/",
            "https://evil.com/voximplant.com",
            "https://evil.com#.voximplant.com",
            "https://evil.com\\.voximplant.com/",
            "https://api.voximplant.com./",
            "https://.voximplant.com/",
            "https://api.voxımplant.com/",
            "https://127.0.0.1/",
            "ftp://api.voximplant.com/",
            "data:text/plain,voximplant.com",
        ] {
            assert!(!allows(&vendor(), url), "{url}");
        }
    }

    #[test]
    fn a_trusted_host_gets_credentials_on_its_port_only() {
        let policy = vendor().trust("Media.Example:8443".parse().unwrap());
        assert!(allows(&policy, "https://media.example:8443/"));
        assert!(!allows(&policy, "https://media.example/"));
        assert!(!allows(&policy, "https://media.example:8444/"));
        assert!(!allows(&policy, "http://media.example:8443/"));
        let policy = vendor().trust("bücher.example".parse().unwrap());
        assert!(allows(&policy, "https://xn--bcher-kva.example:1/"));
        assert!(allows(&policy, "https://BÜCHER.example/"));
    }

    #[test]
    fn plain_http_is_for_a_trusted_loopback() {
        let v4 = vendor().trust("127.0.0.1:8080".parse().unwrap());
        assert!(allows(&v4, "http://127.0.0.1:8080/x"));
        assert!(allows(&v4, "https://127.0.0.1:8080/x"));
        assert!(!allows(&v4, "http://127.0.0.1:8081/x"));
        assert!(!allows(&v4, "http://127.0.0.1/x"));
        assert!(!allows(&v4, "http://localhost:8080/x"));
        let v6 = vendor().trust_origin(&Url::parse("http://[::1]:9/platform_api").unwrap());
        assert!(allows(&v6, "http://[0:0:0:0:0:0:0:1]:9/"));
        assert!(!allows(&v6, "http://[::2]:9/"));
        let name = vendor().trust("LOCALHOST".parse().unwrap());
        assert!(allows(&name, "http://localhost:1234/"));
        assert!(!allows(&name, "http://localhost.evil.com:1234/"));
        let lan = vendor().trust("192.168.1.2:80".parse().unwrap());
        assert!(!allows(&lan, "http://192.168.1.2/"));
    }

    #[test]
    fn trusted_hosts_are_read_strictly() {
        for text in
            ["", ":80", "a b", "host:", "host:70000", "host:+1", "http://host", "host/x", "::1"]
        {
            assert_eq!(text.parse::<TrustedHost>(), Err(TrustedHostError), "{text}");
        }
        for text in ["host", "host:80", "[::1]", "[::1]:80", "10.0.0.1:1"] {
            assert_eq!(text.parse::<TrustedHost>().unwrap().to_string(), text);
        }
    }
}
