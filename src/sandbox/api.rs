//! The Management API: its methods, how they are called, and its error objects.
//!
//! Errors come under HTTP 200, those of a token under 401: the vendor does both, and a client has to
//! take either.

use axum::http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Options;
use super::account::Account;
use super::history::{self, Zone};
use super::reply::Reply;
use super::token::Denial;

/// The path that all methods are under.
const ROOT: &str = "/platform_api";

/// The fields of a query and of a form, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a query and of a form body. Any bytes will do: what is no field is no parameter.
    pub(super) fn parse(query: &str, form: &[u8]) -> Self {
        let fields = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(form));
        Self(fields.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    /// The last value of a parameter that is given and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// A boolean. The Python client sends `True`.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// The values of a list, which `;` separates.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.get(name)?.split(';').map(str::trim).collect())
    }

    /// All but the credentials, for the request log.
    pub(super) fn without_secrets(&self) -> Vec<(String, String)> {
        let secret = ["api_key", "password", "token"];
        let public = |(key, _): &&(String, String)| !secret.iter().any(|word| key.contains(word));
        self.0.iter().filter(public).cloned().collect()
    }
}

/// An error object's code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: u16,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The error as the vendor words it.
    pub(super) fn reply(&self) -> Reply {
        let status = match self.code {
            447 | 454..=456 => StatusCode::UNAUTHORIZED,
            _ => StatusCode::OK,
        };
        let error = json!({"code": self.code, "msg": self.message});
        Reply::json(status, &json!({"error": error}))
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        let (code, message) = denial.code();
        Self::new(code, message)
    }
}

/// The method that a request calls: by its path, or by `cmd`. `None` when it is not of the API.
pub(super) fn method(path: &str, parameters: &Parameters) -> Option<String> {
    let rest = path.strip_prefix(ROOT)?;
    match rest.strip_prefix('/').unwrap_or(rest).trim_end_matches('/') {
        "" => Some(parameters.get("cmd").unwrap_or_default().to_owned()),
        name if rest.starts_with('/') => Some(name.to_owned()),
        _ => None,
    }
}

/// What a method works on.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) account: &'a Account,
    /// The account for which the credentials speak.
    pub(super) caller: u64,
    /// Scheme, host and port of the links in listings.
    pub(super) link_base: &'a str,
    /// Echoed by `GetAccountInfo`, as the vendor does.
    pub(super) api_key: &'a str,
}

/// Calls a method.
pub(super) fn call(method: &str, context: Context<'_>, parameters: &Parameters) -> Reply {
    let answer = match method {
        "GetCallHistory" => history::call_history(context, parameters),
        "GetApplications" => applications(context, parameters),
        "GetAccountInfo" => Ok(account_info(context)),
        "GetChildrenAccounts" => Ok(children(context)),
        _ => Err(ApiError::new(104, "The command is unknown or forbidden.")),
    };
    match answer {
        Ok(value) => Reply::json(StatusCode::OK, &value),
        Err(error) => error.reply(),
    }
}

fn applications(context: Context<'_>, parameters: &Parameters) -> Result<Value, ApiError> {
    let id = parameters.get("application_id");
    let name = parameters.get("application_name");
    let (offset, count) = history::page(parameters)?;
    let all: Vec<Value> = context
        .account
        .applications()
        .iter()
        .filter(|app| id.is_none_or(|id| id == app.id.to_string()))
        .filter(|app| name.is_none_or(|name| app.name.contains(name)))
        .map(|app| {
            json!({
                "application_id": app.id,
                "application_name": app.name,
                "modified": "2026-01-15 09:30:00",
                "secure_record_storage": app.secure,
            })
        })
        .collect();
    let total = all.len();
    let result: Vec<Value> = all.into_iter().skip(offset).take(count).collect();
    Ok(json!({"count": result.len(), "total_count": total, "result": result}))
}

fn account_info(context: Context<'_>) -> Value {
    let Context { account, caller, api_key, .. } = context;
    json!({
        "result": {
            "account_id": caller,
            "account_name": account.name,
            "account_email": account.email,
            "api_key": api_key,
            "active": true,
            "created": "2024-02-01 12:00:00",
            "balance": 512.25,
            "currency": "USD",
        },
        "timezone": Zone::default().name,
    })
}

fn children(context: Context<'_>) -> Value {
    let Context { account, api_key, .. } = context;
    let result: Vec<Value> = account
        .children
        .iter()
        .map(|id| {
            json!({
                "account_id": id,
                "account_name": format!("{}-{id}", account.name),
                "account_email": account.email,
                "api_key": api_key,
                "active": true,
            })
        })
        .collect();
    json!({"count": result.len(), "total_count": result.len(), "result": result})
}
