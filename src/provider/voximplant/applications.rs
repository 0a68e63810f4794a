//! The account's applications, and whether their logs and recordings are secure.
//!
//! In an application that is not secure, anybody who has a link can open it; a single recording may
//! be secure all the same, which is for its server to say.

use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{ApiError, Voximplant, api};
use crate::provider::fields::Fields;
use crate::types::{Content, Entry};

/// Applications a page.
const PAGE: u64 = 1000;

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// `application_id`
    pub id: String,
    /// `application_name`, whole. May hold anything.
    pub name: String,
    /// `secure_record_storage`: whether logs and recordings ask for authorization. `None` where
    /// the vendor does not say.
    pub secure: Option<bool>,
}

impl Voximplant {
    /// All applications of the account, as `GetApplications` lists them.
    pub async fn applications(&self) -> Result<Vec<Application>, ApiError> {
        let url = api::method(&self.base, "GetApplications");
        let mut applications = Vec::new();
        loop {
            let offset = applications.len().to_string();
            let form = [("count", PAGE.to_string()), ("offset", offset)];
            let answer = self.client.api(&url, &form, api::judge).await?;
            let answer: Map<String, Value> = api::result(&answer)?;
            let page: Vec<_> = Fields(&answer).objects("result").collect();
            let count = page.len() as u64;
            applications.extend(page.into_iter().filter_map(application));
            let total = Fields(&answer).whole("total_count").unwrap_or_default();
            if count < PAGE && applications.len() as u64 >= total || count == 0 {
                return Ok(applications);
            }
        }
    }

    /// Switches the security of an application's logs and recordings, as `SetApplicationInfo` does.
    pub async fn set_secure(&self, application: &str, secure: bool) -> Result<(), ApiError> {
        let url = api::method(&self.base, "SetApplicationInfo");
        let form = [
            ("application_id", application.to_owned()),
            ("secure_record_storage", secure.to_string()),
        ];
        let answer = self.client.api(&url, &form, api::judge).await?;
        api::result::<IgnoredAny>(&answer).map(drop)
    }

    /// The same account, whose files ask for no authorization where an application is not secure.
    #[must_use]
    pub fn knowing(mut self, applications: &[Application]) -> Self {
        let open = applications.iter().filter(|application| application.secure == Some(false));
        self.open = open.map(|application| application.id.clone()).collect();
        self
    }
}

fn application(fields: Fields<'_>) -> Option<Application> {
    Some(Application {
        id: fields.text("application_id")?,
        name: fields.text("application_name").unwrap_or_default(),
        secure: fields.flag("secure_record_storage"),
    })
}

/// Marks the links of open applications.
pub(super) fn open(entries: &mut [Entry], applications: &HashSet<String>) {
    if applications.is_empty() {
        return;
    }
    for entry in entries {
        for object in &mut entry.objects {
            let id = object.attributes.get("application_id");
            if let Content::Remote { link, .. } = &mut object.content
                && id.is_some_and(|id| applications.contains(id))
            {
                *link = link.clone().to_open();
            }
        }
    }
}
