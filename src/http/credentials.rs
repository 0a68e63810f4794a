//! How a request is made to carry the credentials.
//!
//! Whether it may carry them is decided elsewhere (`policy`): here is only *how*, one variant a
//! kind. A new kind touches this file and nothing of the client. Nothing here can be printed.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::jwt::{Token, Tokens};

/// What proves to the vendor who asks.
#[derive(Clone)]
pub enum Credentials {
    /// A service account's own tokens, as `Authorization: Bearer`.
    ServiceAccount(Tokens),
    /// A name and a password, as `Authorization: Basic`.
    Basic(Basic),
    /// Fields of a POST form, and query parameters of everything else.
    Parameters(Parameters),
    /// One kind for addresses whose path begins with `prefix`, another for the rest: a vendor whose
    /// API and whose links take different ones.
    ByPath {
        /// As [`Url::path`] has it, with its slashes.
        prefix: Arc<str>,
        /// For what lies below it.
        below: Box<Credentials>,
        /// For what does not.
        elsewhere: Box<Credentials>,
    },
}

/// An `Authorization: Basic`, ready to be sent.
#[derive(Clone)]
pub struct Basic(Arc<SecretString>);

impl Basic {
    /// Of a name, which must hold no colon, and a password (RFC 7617).
    pub fn new(user: &SecretString, password: &SecretString) -> Self {
        let pair =
            SecretString::from(format!("{}:{}", user.expose_secret(), password.expose_secret()));
        let code = BASE64_STANDARD.encode(pair.expose_secret());
        Self(Arc::new(format!("Basic {code}").into()))
    }
}

/// A secret under a name, and what has to stand beside it.
#[derive(Clone)]
pub struct Parameters(Arc<Pairs>);

struct Pairs {
    /// Who asks, in words that are no secret.
    who: Vec<(&'static str, String)>,
    name: &'static str,
    secret: SecretString,
}

impl Parameters {
    /// `secret` under `name`, after the pairs of `who`.
    pub fn new(
        who: impl IntoIterator<Item = (&'static str, String)>,
        name: &'static str,
        secret: SecretString,
    ) -> Self {
        Self(Arc::new(Pairs { who: who.into_iter().collect(), name, secret }))
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let who = self.0.who.iter().map(|(name, value)| (*name, value.as_str()));
        who.chain([(self.0.name, self.0.secret.expose_secret())])
    }

    /// Drops whatever holds the secret from a query, and with `by_name` also what stands where our
    /// own pairs will stand. The rest stays as it was written, to the letter.
    fn forget(&self, url: &mut Url, by_name: bool) {
        let Some(query) = url.query() else { return };
        let is_ours = |pair: &&str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            self.0.secret.expose_secret() == percent_decode_str(&value).decode_utf8_lossy()
                || by_name && self.pairs().any(|(own, _)| own == name)
        };
        if !query.split('&').any(|pair| is_ours(&pair)) {
            return;
        }
        let rest: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
        let rest = (!rest.is_empty()).then(|| rest.join("&"));
        url.set_query(rest.as_deref());
    }
}

/// A request before it is sent, as far as credentials may change it.
pub(super) struct Draft {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// The fields of a POST form; `None` for a GET.
    pub(super) form: Option<Vec<(String, String)>>,
}

/// Which credentials a request carried, so that a refusal renews those and no newer ones.
#[derive(Clone)]
pub(super) enum Stamp {
    /// This token.
    Token(Token),
    /// Some that never change.
    Fixed,
}

impl Credentials {
    /// When the token in use was minted and when it runs out, if this is one.
    pub(super) fn token(&self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::ServiceAccount(tokens) => Some(tokens.life()),
            _ => None,
        }
    }

    /// The kind for an address.
    fn kind(&self, url: &Url) -> &Self {
        match self {
            Self::ByPath { prefix, below, elsewhere } => {
                let kind = if url.path().starts_with(&**prefix) { below } else { elsewhere };
                kind.kind(url)
            }
            kind => kind,
        }
    }

    /// Puts the credentials on `draft`.
    pub(super) async fn apply(&self, draft: &mut Draft) -> Stamp {
        match self.kind(&draft.url) {
            Self::ServiceAccount(tokens) => {
                let token = tokens.current().await;
                let text = format!("Bearer {}", token.secret().expose_secret());
                authorize(draft, &text);
                return Stamp::Token(token);
            }
            Self::Basic(basic) => authorize(draft, basic.0.expose_secret()),
            Self::Parameters(parameters) => match &mut draft.form {
                Some(form) => {
                    let own = parameters.pairs();
                    form.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
                }
                None => {
                    draft.url.query_pairs_mut().extend_pairs(parameters.pairs());
                }
            },
            // `kind` never gives it.
            Self::ByPath { .. } => {}
        }
        Stamp::Fixed
    }

    /// Takes our parameters out of an address: of a link that came with them, or of a redirect that
    /// handed them on. `allowed` tells whether the host gets them anew: then nothing of their names
    /// is left either.
    pub(super) fn forget(&self, url: &mut Url, allowed: bool) {
        match self {
            Self::Parameters(parameters) => parameters.forget(url, allowed),
            Self::ByPath { below, elsewhere, .. } => {
                below.forget(url, allowed);
                elsewhere.forget(url, allowed);
            }
            Self::ServiceAccount(_) | Self::Basic(_) => {}
        }
    }

    /// Replaces what a server refused. False when there is nothing newer to try.
    ///
    /// `server_ahead` is how far the server's clock was ahead of ours when it refused.
    pub(super) async fn renew(&self, stamp: &Stamp, server_ahead: Option<SignedDuration>) -> bool {
        match (self, stamp) {
            (Self::ServiceAccount(tokens), Stamp::Token(token)) => {
                tokens.renew(token, server_ahead).await;
                true
            }
            _ => false,
        }
    }
}

fn authorize(draft: &mut Draft, text: &str) {
    if let Ok(mut value) = HeaderValue::from_str(text) {
        value.set_sensitive(true);
        draft.headers.insert(AUTHORIZATION, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Credentials {
        Credentials::Parameters(Parameters::new([("id", "7".to_owned())], "token", "1-a b".into()))
    }

    fn draft(url: &str, form: Option<Vec<(String, String)>>) -> Draft {
        Draft { url: Url::parse(url).unwrap(), headers: HeaderMap::new(), form }
    }

    async fn applied(credentials: &Credentials, url: &str) -> (String, Option<String>) {
        let mut draft = draft(url, None);
        credentials.apply(&mut draft).await;
        let header = draft.headers.get(AUTHORIZATION);
        (draft.url.to_string(), header.map(|value| value.to_str().unwrap().to_owned()))
    }

    #[tokio::test]
    async fn parameters_go_into_the_form_or_else_the_query() {
        let (url, header) = applied(&token(), "https://a/x?y=1").await;
        assert_eq!((url.as_str(), header), ("https://a/x?y=1&id=7&token=1-a+b", None));
        let mut post = draft("https://a/x", Some(Vec::new()));
        token().apply(&mut post).await;
        assert_eq!(post.url.as_str(), "https://a/x");
        assert_eq!(
            post.form.unwrap(),
            [("id", "7"), ("token", "1-a b")].map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
    }

    #[tokio::test]
    async fn the_path_decides_between_two_kinds() {
        let basic = Basic::new(&"user".to_owned().into(), &"pass".to_owned().into());
        let both = Credentials::ByPath {
            prefix: "/api/".into(),
            below: Box::new(Credentials::Basic(basic)),
            elsewhere: Box::new(token()),
        };
        let (url, header) = applied(&both, "https://a/api/v1/leads").await;
        assert_eq!(url, "https://a/api/v1/leads");
        assert_eq!(header.as_deref(), Some("Basic dXNlcjpwYXNz"));
        let (url, header) = applied(&both, "https://a/recording/1/play").await;
        assert!(url.ends_with("play?id=7&token=1-a+b") && header.is_none());
    }

    #[test]
    fn our_parameters_are_taken_out_of_an_address_and_nothing_else_is_touched() {
        for (url, allowed, clean) in [
            ("https://a/?token=1-a+b", false, "https://a/"),
            ("https://a/?x=%7e&token=other&y&id=7", false, "https://a/?x=%7e&token=other&y&id=7"),
            ("https://a/?x=%7e&token=other&y&id=8", true, "https://a/?x=%7e&y"),
            ("https://a/?t=1-a%20b&x=1", false, "https://a/?x=1"),
            ("https://a/?x=%7e&&y=+", true, "https://a/?x=%7e&&y=+"),
        ] {
            let mut parsed = Url::parse(url).unwrap();
            token().forget(&mut parsed, allowed);
            assert_eq!(parsed.as_str(), clean);
        }
    }
}
