//! What a Master key opens: the agency's accounts and their profiles.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::WhatConverts;
use super::api::{self, ApiError};
use crate::provider::fields::Fields;
use crate::source::Scope;
use crate::types::Label;

/// Accounts whose profiles are asked for at once; the vendor allows 20 requests.
const AT_ONCE: usize = 8;

/// The agency's accounts; `None` when the key is a profile's, which may not ask.
pub(super) async fn accounts(whole: &WhatConverts) -> Result<Option<Vec<Label>>, ApiError> {
    match all(whole, "accounts", "account").await {
        Ok(accounts) => Ok(Some(accounts)),
        // The refusal may have any form, also that of a page that is not there.
        Err(ApiError::Refused { .. } | ApiError::Other { .. } | ApiError::Garbage(_)) => Ok(None),
        Err(ApiError::Http(error)) if error.reason.is_refusal() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The profiles of `accounts`.
pub(super) async fn of(whole: &WhatConverts, accounts: Vec<Label>) -> Result<Vec<Scope>, ApiError> {
    let profiles = accounts.into_iter().map(|account| async move {
        let method = format!("accounts/{}/profiles", account.id);
        let profiles = all(whole, &method, "profile").await?;
        Ok::<_, ApiError>(profiles.into_iter().map(move |profile| Scope {
            account: account.clone(),
            provider: Arc::new(whole.with_profile(&profile.id)),
            profile,
        }))
    });
    let scopes: Vec<_> = stream::iter(profiles).buffered(AT_ONCE).try_collect().await?;
    Ok(scopes.into_iter().flatten().collect())
}

/// All pages of a list: `account` has `account_id` and `account_name` in a list `accounts`.
async fn all(whole: &WhatConverts, method: &str, kind: &str) -> Result<Vec<Label>, ApiError> {
    let mut labels: Vec<Label> = Vec::new();
    let mut page = 1;
    loop {
        let number = page.to_string();
        let answer = whole.ask(method, &[("page_number", number.as_str())]).await?;
        let (objects, is_last) = api::page(&answer, &format!("{kind}s"), page)?;
        labels.extend(objects.into_iter().filter_map(|object| label(object, kind)));
        if is_last {
            return Ok(labels);
        }
        page += 1;
    }
}

fn label(object: Fields<'_>, kind: &str) -> Option<Label> {
    let id = object.text(&format!("{kind}_id"))?;
    let name = object.text(&format!("{kind}_name")).or_else(|| object.text(kind));
    Some(Label { id, name: name.unwrap_or_default() })
}
