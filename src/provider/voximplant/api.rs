//! The envelope of the Management API: where a method stands, and what an answer says before
//! anybody looks at its result.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

use crate::http::{self, ApiAnswer, Verdict};
use crate::provider::fields::Fields;
use crate::provider::scrub;
use crate::types::{Cause, Failure};

/// Why the API gave no result. The codes are those of the vendor's page of errors.
#[derive(Debug, Error)]
pub enum ApiError {
    /// 100, or a token that is refused after it was renewed (447, 454 to 456).
    #[error("the account or key was refused (code {0})")]
    Refused(u64),
    /// 104.
    #[error(
        "the key may not list calls (code 104): it needs one of the roles owner, developer, \
         admin, supervisor or support"
    )]
    RoleMissing,
    /// 340 until the deadline.
    #[error("too many requests (code 340)")]
    Throttled,
    /// 123 or 569: the dates asked for are too far apart.
    #[error("the range of dates was refused, however short it was made (codes 123, 569)")]
    RangeTooLong,
    /// More calls within a minute than the API can list.
    #[error("more than 11,000 calls began within one minute; the vendor lists no more")]
    TooMany,
    /// Any other code.
    #[error("the API answered with code {code}: {message}")]
    Other {
        /// The vendor's code.
        code: u64,
        /// The vendor's words, made safe to print.
        message: String,
    },
    /// Something that no API writes, like a gateway's page.
    #[error("the API answered with something else than its JSON ({0})")]
    Garbage(String),
    /// No answer, or one whose status says no.
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let cause = match &error {
            ApiError::Refused(_) | ApiError::RoleMissing => Cause::Denied,
            ApiError::Throttled => Cause::Throttled,
            ApiError::RangeTooLong
            | ApiError::TooMany
            | ApiError::Other { .. }
            | ApiError::Garbage(_) => Cause::BadAnswer,
            ApiError::Http(error) => error.reason.cause(),
        };
        Self::new(cause, error)
    }
}

/// The address of an API method below `base`, which may or may not name `/platform_api` itself.
pub(super) fn method(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/platform_api").unwrap_or(path);
    url.set_path(&format!("{path}/platform_api/{name}/"));
    url
}

/// Enough of an answer to know what to do with it; the result is only skipped over.
#[derive(Deserialize)]
struct Envelope {
    error: Option<Map<String, Value>>,
    #[serde(rename = "result")]
    _result: Option<IgnoredAny>,
}

/// What to do with an answer.
pub(super) fn judge(answer: &ApiAnswer) -> Verdict {
    let envelope = serde_json::from_slice::<Envelope>(&answer.body);
    match envelope {
        Ok(Envelope { error: Some(error), .. }) => match Fields(&error).whole("code") {
            // A key that was replaced since it was read gives 100, and reading it again may help.
            Some(100 | 447 | 454..=456) => Verdict::Renew,
            Some(340) => Verdict::SlowDown,
            _ => Verdict::Take,
        },
        Ok(_) => Verdict::Take,
        Err(_) if (400..500).contains(&answer.status) => Verdict::Take,
        Err(_) => Verdict::Garbage,
    }
}

/// What an answer holds, when it is one that has a result.
pub(super) fn result<'a, T: Deserialize<'a>>(answer: &'a ApiAnswer) -> Result<T, ApiError> {
    let envelope = serde_json::from_slice::<Envelope>(&answer.body);
    if let Ok(Envelope { error: Some(error), .. }) = &envelope {
        return Err(refusal(Fields(error)));
    }
    if let Some(error) = answer.refusal() {
        return Err(error.into());
    }
    serde_json::from_slice(&answer.body).map_err(|_| {
        let kind = answer.content_type.as_deref().unwrap_or("no content type");
        ApiError::Garbage(scrub::line(kind))
    })
}

fn refusal(error: Fields<'_>) -> ApiError {
    match error.whole("code").unwrap_or_default() {
        code @ (100 | 447 | 454..=456) => ApiError::Refused(code),
        104 => ApiError::RoleMissing,
        123 | 569 => ApiError::RangeTooLong,
        340 => ApiError::Throttled,
        code => {
            let message = error.text("msg").unwrap_or_default();
            ApiError::Other { code, message: scrub::line(&message) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_may_or_may_not_name_the_api() {
        for (base, url) in [
            ("https://a", "https://a/platform_api/M/"),
            ("https://a/", "https://a/platform_api/M/"),
            ("https://a/platform_api", "https://a/platform_api/M/"),
            ("https://a/platform_api/?x", "https://a/platform_api/M/"),
            ("http://[::1]:8/x/", "http://[::1]:8/x/platform_api/M/"),
        ] {
            assert_eq!(method(&Url::parse(base).unwrap(), "M").as_str(), url);
        }
    }

    #[test]
    fn codes_have_their_meaning() {
        let cause = |code: u64| {
            let map = serde_json::json!({"code": code, "msg": "see https://a\u{1b}"});
            Failure::from(refusal(Fields(map.as_object().unwrap())))
        };
        assert_eq!(cause(100).cause, Cause::Denied);
        assert_eq!(cause(456).cause, Cause::Denied);
        assert_eq!(cause(340).cause, Cause::Throttled);
        let role = cause(104);
        assert_eq!(role.cause, Cause::Denied);
        assert!(role.to_string().contains("owner, developer, admin, supervisor or support"));
        let other = cause(999);
        assert_eq!(other.cause, Cause::BadAnswer);
        assert_eq!(other.to_string(), r"the API answered with code 999: see [link]\u{1b}");
    }
}
