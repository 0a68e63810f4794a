//! The form of WhatConverts' API: where a method stands, what an answer or an error looks like, and
//! how lists are paged.

use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

use crate::http::{self, ApiAnswer, Verdict};
use crate::provider::fields::Fields;
use crate::provider::scrub;
use crate::types::{Cause, Failure};

/// The fields of an answer.
pub(super) type Answer = Map<String, Value>;

/// Why the API gave no result.
#[derive(Debug, Error)]
pub enum ApiError {
    /// 401 or 403.
    #[error("WhatConverts refused the key (status {status}){message}")]
    Refused {
        /// The status.
        status: u16,
        /// The vendor's words after `: `, made safe to print, or nothing.
        message: String,
    },
    /// Any other error object.
    #[error("WhatConverts answered with status {status}{message}")]
    Other {
        /// The status.
        status: u16,
        /// As above.
        message: String,
    },
    /// Something that no API writes, like a login page.
    #[error("WhatConverts answered with something else than its JSON ({0})")]
    Garbage(String),
    /// No answer, or one whose status says no.
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let cause = match &error {
            ApiError::Refused { .. } => Cause::Denied,
            ApiError::Other { .. } | ApiError::Garbage(_) => Cause::BadAnswer,
            ApiError::Http(error) => error.reason.cause(),
        };
        Self::new(cause, error)
    }
}

/// What lies below `base`: `/api/v1/`, which the base may or may not name itself.
pub(super) fn root(base: &Url) -> String {
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/api/v1").unwrap_or(path);
    format!("{path}/api/v1/")
}

/// The address of a method.
pub(super) fn method(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{name}", root(base)));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// What to do with an answer whose status did not decide it: nothing is cured by asking again.
pub(super) fn judge(_: &ApiAnswer) -> Verdict {
    Verdict::Take
}

/// The fields of an answer that is one.
pub(super) fn result(answer: &ApiAnswer) -> Result<Answer, ApiError> {
    let json = serde_json::from_slice::<Answer>(&answer.body);
    let told = json.as_ref().ok().and_then(|json| Fields(json).text("error_message"));
    let message = told.as_deref().map(|text| format!(": {}", scrub::line(text)));
    let message = message.unwrap_or_default();
    match (answer.status, json) {
        (200..=299, Ok(json)) if told.is_none() => Ok(json),
        (200..=299, Err(_)) => {
            let kind = answer.content_type.as_deref().unwrap_or("no content type");
            Err(ApiError::Garbage(scrub::line(kind)))
        }
        (status @ (401 | 403), _) => Err(ApiError::Refused { status, message }),
        (status, _) => match answer.refusal() {
            Some(error) if told.is_none() || status == 429 => Err(error.into()),
            _ => Err(ApiError::Other { status, message }),
        },
    }
}

/// The objects of a page of `what`, and whether it is the last one.
pub(super) fn page<'a>(
    answer: &'a Answer,
    what: &str,
    number: u64,
) -> Result<(Vec<Fields<'a>>, bool), ApiError> {
    let fields = Fields(answer);
    if !answer.get(what).is_some_and(Value::is_array) {
        return Err(ApiError::Garbage(format!("no list of {what}")));
    }
    let objects: Vec<_> = fields.objects(what).collect();
    let pages = fields.whole("total_pages").unwrap_or(1);
    let is_last = objects.is_empty() || number >= pages;
    Ok((objects, is_last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_may_or_may_not_name_the_api() {
        for base in ["https://a", "https://a/", "https://a/api/v1", "https://a/api/v1/?x#y"] {
            let url = method(&Url::parse(base).unwrap(), "leads");
            assert_eq!(url.as_str(), "https://a/api/v1/leads");
        }
    }

    #[test]
    fn pages_end_where_the_answer_says() {
        let answer = |json: Value| json.as_object().unwrap().clone();
        let two = answer(serde_json::json!({"total_pages": 2, "leads": [{}]}));
        assert!(!page(&two, "leads", 1).unwrap().1);
        assert!(page(&two, "leads", 2).unwrap().1);
        let none = answer(serde_json::json!({"total_pages": 9, "leads": []}));
        assert!(page(&none, "leads", 1).unwrap().1);
        assert!(page(&answer(serde_json::json!({"leads": {}})), "leads", 1).is_err());
    }
}
