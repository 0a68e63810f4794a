//! Where scopes lie: a directory for each account, and in it one for each of its profiles.
//!
//! Names hold the vendor's id, so that they are unique, and the same whatever else is there.

use std::collections::BTreeMap;

use super::name::file_name;
use super::{Child, Node};
use crate::catalog::{Catalog, scopes};
use crate::types::{Label, NameParts, ScopeNumber};

/// The directories above the four areas; none where a key opens one account.
#[derive(Default)]
pub(super) struct Places {
    accounts: BTreeMap<ScopeNumber, Label>,
    /// Account and profile of each scope.
    profiles: BTreeMap<ScopeNumber, (ScopeNumber, Label)>,
}

impl Places {
    /// Those of a catalogue's scopes.
    pub(super) fn of(catalog: &Catalog) -> Self {
        let mut labels: Vec<_> = catalog.scopes().collect();
        labels.sort_by_key(|(_, account, profile)| (&account.id, &profile.id));
        let mut places = Self::default();
        for (scope, account, profile) in labels {
            let number = places.number_of(account);
            places.accounts.insert(number, account.clone());
            places.profiles.insert(scope, (number, profile.clone()));
        }
        places
    }

    fn number_of(&self, account: &Label) -> ScopeNumber {
        let other = |number| self.accounts.get(&number).is_some_and(|known| known.id != account.id);
        scopes::number(account, other)
    }

    /// Whether there are any.
    pub(super) fn are_scoped(&self) -> bool {
        !self.profiles.is_empty()
    }

    /// Whether this scope is there.
    pub(super) fn has(&self, scope: ScopeNumber) -> bool {
        if self.are_scoped() {
            self.profiles.contains_key(&scope)
        } else {
            scope == ScopeNumber::WHOLE
        }
    }

    /// All scopes.
    pub(super) fn scopes(&self) -> impl Iterator<Item = ScopeNumber> {
        let whole = (!self.are_scoped()).then_some(ScopeNumber::WHOLE);
        self.profiles.keys().copied().chain(whole)
    }

    /// The directories above the four areas of a scope.
    pub(super) fn path(&self, scope: ScopeNumber) -> Vec<String> {
        let Some((number, profile)) = self.profiles.get(&scope) else { return Vec::new() };
        let account = self.accounts.get(number);
        account.into_iter().chain([profile]).map(directory_name).collect()
    }

    /// The account in whose directory a scope lies.
    pub(super) fn account_of(&self, scope: ScopeNumber) -> Option<ScopeNumber> {
        self.profiles.get(&scope).map(|(account, _)| *account)
    }

    /// The directories of the root.
    pub(super) fn accounts(&self) -> Vec<Child> {
        let children = self.accounts.iter();
        sorted(children.map(|(number, label)| (label, Node::Account(*number))))
    }

    /// The directories of an account.
    pub(super) fn profiles(&self, account: ScopeNumber) -> Vec<Child> {
        let own = self.profiles.iter().filter(|(_, (of, _))| *of == account);
        sorted(own.map(|(scope, (_, label))| (label, Node::Scope(*scope))))
    }
}

fn sorted<'a>(labelled: impl Iterator<Item = (&'a Label, Node)>) -> Vec<Child> {
    let mut children: Vec<Child> =
        labelled.map(|(label, node)| Child { name: directory_name(label), node }).collect();
    children.sort_by(|a, b| a.name.cmp(&b.name));
    children
}

fn directory_name(label: &Label) -> String {
    let fields = if label.name.is_empty() { Vec::new() } else { vec![label.name.clone()] };
    file_name(&NameParts { fields, id: label.id.clone(), extension: String::new() })
}
