//! Faults by rule: which requests go wrong, and how.
//!
//! A rule counts the requests that it matches and fires on those that it is meant for; the first
//! rule that fires decides. Rules come from tests, or as JSON over `/sandbox/faults`.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::account::Kind;
use super::log::LoggedRequest;

/// What a request asks for, as far as rules and the request log care.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A method of the Management API.
    Api(String),
    /// A file of this kind.
    File(Kind),
    /// A page of files.
    Page,
    /// Nothing that the sandbox has.
    Unknown,
}

/// Which requests go wrong, and how. As JSON, all fields but `action` may be left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Requests for this only; `None` for all.
    #[serde(default)]
    pub target: Option<Target>,
    /// Requests only whose path holds this text.
    #[serde(default)]
    pub path: Option<String>,
    /// Requests only one of whose parameters holds this text.
    #[serde(default)]
    pub parameter: Option<String>,
    /// How many matching requests are let through first.
    #[serde(default)]
    pub skip: u32,
    /// After those, one in so many matching requests: 1 for each.
    #[serde(default = "one")]
    pub one_in: u32,
    /// How many times the rule fires; `None` for ever.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub action: Action,
}

fn one() -> u32 {
    1
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// This answer instead, whoever asks.
    Status {
        /// The status.
        code: u16,
        /// The body, as `text/plain`.
        #[serde(default)]
        body: String,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// A login page with status 200.
    Html,
    /// The vendor's error object with status 200.
    ErrorObject {
        /// The vendor's code.
        code: u16,
    },
    /// A redirect (302) to this address.
    Redirect {
        /// The whole address.
        to: String,
    },
    /// So many milliseconds pass before the answer.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
    /// The body stops after so many bytes, and the connection stays open.
    Stall {
        /// Bytes.
        after: u64,
    },
    /// The connection is reset after so many bytes of the body.
    Reset {
        /// Bytes.
        after: u64,
    },
    /// The connection is closed in order after so many bytes of the body.
    Short {
        /// Bytes.
        after: u64,
    },
    /// The body comes at this rate.
    Drip {
        /// Bytes a second.
        rate: u64,
    },
    /// The `Range` is not honoured: 200 with the whole body.
    WholeBody,
    /// `Content-Range` names a range that begins so many bytes later than the body.
    WrongRange {
        /// Bytes.
        by: u64,
    },
    /// `Content-Range` names a total that is so many bytes too large.
    WrongTotal {
        /// Bytes.
        by: u64,
    },
    /// `Content-Encoding: gzip` is claimed; the bytes are what they always are.
    ClaimGzip,
    /// Another content of the same length, with another `ETag`.
    Changed,
    /// The bytes of another content of the same length, under its own `ETag`, in the very range that
    /// was asked for: as a cache in between answers that has mixed up two objects.
    Mixed,
    /// A part is so many bytes longer than its `Content-Range` says.
    Longer {
        /// Bytes.
        by: u64,
    },
}

impl Rule {
    /// A rule that fires on every request.
    pub fn new(action: Action) -> Self {
        Self { target: None, path: None, parameter: None, skip: 0, one_in: 1, times: None, action }
    }

    /// On requests for files of this kind only.
    #[must_use]
    pub fn on_file(mut self, kind: Kind) -> Self {
        self.target = Some(Target::File(kind));
        self
    }

    /// On this method of the Management API only.
    #[must_use]
    pub fn on_api(mut self, method: &str) -> Self {
        self.target = Some(Target::Api(method.to_owned()));
        self
    }

    /// On requests only whose path holds `text`.
    #[must_use]
    pub fn on_path(mut self, text: &str) -> Self {
        self.path = Some(text.to_owned());
        self
    }

    /// On requests only one of whose parameters, but for the credentials, holds `text`.
    #[must_use]
    pub fn on_parameter(mut self, text: &str) -> Self {
        self.parameter = Some(text.to_owned());
        self
    }

    /// Not on the first `count` matching requests.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// At most `count` times.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// On one matching request in `count`.
    #[must_use]
    pub fn one_in(mut self, count: u32) -> Self {
        self.one_in = count;
        self
    }

    fn matches(&self, request: &LoggedRequest) -> bool {
        let any_holds = |text: &String| {
            request.parameters.iter().any(|(_, value)| value.contains(text.as_str()))
        };
        self.target.as_ref().is_none_or(|wanted| *wanted == request.target)
            && self.path.as_ref().is_none_or(|text| request.path.contains(text.as_str()))
            && self.parameter.as_ref().is_none_or(any_holds)
    }

    /// Whether a rule that has matched `matched` requests before this one fires on this one.
    fn fires(&self, matched: u32) -> bool {
        let Some(turn) = matched.checked_sub(self.skip) else {
            return false;
        };
        let every = self.one_in.max(1);
        turn.is_multiple_of(every) && self.times.is_none_or(|times| turn / every < times)
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    /// Each with the number of requests that it has matched.
    rules: Mutex<Vec<(Rule, u32)>>,
}

impl Faults {
    /// Adds a rule, after those that are there.
    pub fn add(&self, rule: Rule) {
        self.lock().push((rule, 0));
    }

    /// Drops all rules.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Drops the rules that are for this path, or this parameter, alone.
    pub fn clear_for(&self, text: &str) {
        self.lock().retain(|(rule, _)| {
            [&rule.path, &rule.parameter].into_iter().all(|only| only.as_deref() != Some(text))
        });
    }

    /// What is to happen to a request. Every rule that matches counts it, also those that come after
    /// the one that fires.
    pub(super) fn next(&self, request: &LoggedRequest) -> Option<Action> {
        let mut action = None;
        for (rule, matched) in self.lock().iter_mut().filter(|(rule, _)| rule.matches(request)) {
            if action.is_none() && rule.fires(*matched) {
                action = Some(rule.action.clone());
            }
            *matched = matched.saturating_add(1);
        }
        action
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Rule, u32)>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::Credential;
    use super::*;

    fn request() -> LoggedRequest {
        LoggedRequest {
            time: jiff::Timestamp::UNIX_EPOCH,
            method: "GET".to_owned(),
            path: "/a/b".to_owned(),
            target: Target::Unknown,
            session: None,
            record: None,
            parameters: vec![("from".to_owned(), "2026-11-21 00:00:00".to_owned())],
            range: None,
            if_range: None,
            credential: Credential::None,
            user_agent: None,
            connection: 1,
            status: 0,
            sent: 0,
        }
    }

    fn firings(rule: Rule, requests: usize) -> Vec<usize> {
        let faults = Faults::default();
        faults.add(rule);
        (0..requests).filter(|_| faults.next(&request()).is_some()).collect::<Vec<_>>()
    }

    #[test]
    fn a_rule_skips_then_fires_one_in_n_for_a_number_of_times() {
        let rule = Rule::new(Action::Html).after(2).one_in(3).times(2);
        assert_eq!(firings(rule, 20), [2, 5]);
        assert_eq!(firings(Rule::new(Action::Html).times(1), 3), [0]);
    }

    #[test]
    fn a_rule_is_dropped_by_what_it_is_for() {
        let faults = Faults::default();
        faults.add(Rule::new(Action::Html).on_path("/b"));
        faults.add(Rule::new(Action::Html).on_parameter("2026-11-21"));
        faults.clear_for("/b");
        assert!(faults.next(&request()).is_some());
        faults.clear_for("2026-11-21");
        assert!(faults.next(&request()).is_none());
    }

    #[test]
    fn a_rule_matches_by_target_path_and_parameter() {
        assert_eq!(firings(Rule::new(Action::Html).on_path("/b"), 1), [0]);
        assert_eq!(firings(Rule::new(Action::Html).on_parameter("11-21"), 1), [0]);
        assert!(firings(Rule::new(Action::Html).on_parameter("11-22"), 1).is_empty());
        assert!(firings(Rule::new(Action::Html).on_path("/c"), 1).is_empty());
        assert!(firings(Rule::new(Action::Html).on_file(Kind::Log), 1).is_empty());
    }

    #[test]
    fn a_rule_reads_from_short_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"target": {"file": "recording"}, "times": 2, "action": {"reset": {"after": 9}}}"#,
        )
        .unwrap();
        assert_eq!(rule.target, Some(Target::File(Kind::Recording)));
        assert_eq!((rule.one_in, rule.times), (1, Some(2)));
        assert_eq!(rule.action, Action::Reset { after: 9 });
        let api: Rule =
            serde_json::from_str(r#"{"target": {"api": "GetCallHistory"}, "action": "html"}"#)
                .unwrap();
        assert_eq!(api.target, Some(Target::Api("GetCallHistory".into())));
    }
}
