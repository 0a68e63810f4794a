//! What the vendor no longer lists, beside what it lists now. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::types::{Call, Day, Object, ObjectId};

/// The calls of a listing, and with them the objects of the day as it was before that the listing no
/// longer has and that are still `kept`. In order of their start.
pub(super) fn keep(
    listed: Vec<Call>,
    before: Option<&Day>,
    kept: impl Fn(&Object) -> bool,
) -> Vec<Call> {
    let objects = |calls: &[Call]| -> HashSet<ObjectId> {
        calls.iter().flat_map(|call| call.objects.iter()).map(|object| object.id.clone()).collect()
    };
    let Some(before) = before else { return listed };
    let here = objects(&listed);
    let mut missing: Vec<(&Call, Vec<Arc<Object>>)> = Vec::new();
    for call in &before.calls {
        let gone = call.objects.iter().filter(|object| !here.contains(&object.id) && kept(object));
        let gone: Vec<_> = gone.map(as_gone).collect();
        if !gone.is_empty() {
            missing.push((call, gone));
        }
    }
    if missing.is_empty() {
        return listed;
    }
    let mut calls = listed;
    let mut places: HashMap<Box<str>, usize> =
        calls.iter().enumerate().map(|(place, call)| (call.id.clone(), place)).collect();
    for (call, gone) in missing {
        let place = *places.entry(call.id.clone()).or_insert_with(|| {
            calls.push(Call { objects: Box::default(), ..call.clone() });
            calls.len() - 1
        });
        let all = calls[place].objects.iter().cloned().chain(gone);
        calls[place].objects = all.collect();
    }
    calls.sort_by_key(|call| call.start);
    calls
}

fn as_gone(object: &Arc<Object>) -> Arc<Object> {
    if object.is_gone {
        return Arc::clone(object);
    }
    Arc::new(Object { is_gone: true, ..Object::clone(object) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Settings;
    use crate::catalog::listings::Listed;
    use crate::source::Offline;
    use crate::types::{Area, Content, Facts, NameParts, Window};
    use jiff::civil::date;
    use std::collections::HashMap;

    fn call(id: &str, start: i64, objects: &[&str]) -> Call {
        let object = |id: &&str| {
            Arc::new(Object {
                id: ObjectId::new(*id),
                area: Area::Logs,
                name: NameParts {
                    fields: Vec::new(),
                    id: (*id).to_owned(),
                    extension: String::new(),
                },
                content: Content::Inline(bytes::Bytes::new()),
                modified: start,
                attributes: Facts::default(),
                is_gone: false,
            })
        };
        let objects = objects.iter().map(object).collect();
        Call { id: id.into(), start, facts: "{}".into(), objects }
    }

    fn told(calls: &[Call]) -> Vec<String> {
        let objects = |call: &Call| {
            let one = |object: &Arc<Object>| {
                format!("{}{}", object.id, if object.is_gone { "!" } else { "" })
            };
            call.objects.iter().map(one).collect::<Vec<_>>().join(",")
        };
        calls.iter().map(|call| format!("{}:{}", call.id, objects(call))).collect()
    }

    #[test]
    fn what_is_kept_stays_with_its_call() {
        let day = date(2026, 11, 21);
        let before = Day {
            date: day,
            calls: vec![call("1", 10, &["a", "b"]), call("2", 20, &["c"]), call("3", 30, &["d"])],
        };
        let listed = || vec![call("1", 10, &["a"]), call("4", 40, &["e"])];
        let kept = keep(listed(), Some(&before), |object| object.id.as_str() != "d");
        assert_eq!(told(&kept), ["1:a,b!", "2:c!", "4:e"]);
        // The next listing finds it as it was left, and what comes back is gone no more.
        let again = Day { date: day, calls: kept.clone() };
        assert_eq!(keep(listed(), Some(&again), |_| true), kept);
        let back = keep(vec![call("2", 20, &["c"])], Some(&again), |object| object.is_gone);
        assert_eq!(told(&back), ["1:b!", "2:c"]);
        assert_eq!(keep(listed(), Some(&before), |_| false), listed());
        assert_eq!(keep(listed(), None, |_| true), listed());
    }

    #[test]
    fn what_is_kept_stays_when_its_day_went_from_memory_meanwhile() {
        let day = date(2026, 11, 21);
        let settings = Settings { first: day, last: Some(day), store: None, keep_gone: true };
        let listed = Listed::new(None, Arc::new(Offline), &settings);
        let before = Arc::new(Day { date: day, calls: vec![call("1", 10, &["a"])] });
        let held = HashMap::from([(day, Arc::clone(&before))]);
        let taken = listed.take_in(Window::day(day), Vec::new(), held, 0, |_, _| true);
        let [(now, Some(was))] = &taken[..] else { panic!("{taken:?}") };
        assert!(Arc::ptr_eq(was, &before));
        assert_eq!(told(&now.calls), ["1:a!"]);
    }
}
