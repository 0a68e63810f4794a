//! The account, from listing to bytes: what is generated, what is served of it, and what changes.

use super::*;

#[tokio::test]
async fn every_object_of_an_account_is_listed_and_byte_equal() {
    let caller = Caller::generated().await;
    let history = caller.api("GetCallHistory", &with(&[("count", "1000")])).await;
    let mut links = Vec::new();
    for session in history["result"].as_array().unwrap() {
        links.extend(session["log_file_url"].as_str().map(str::to_owned));
        for record in session["records"].as_array().unwrap() {
            for field in ["record_url", "transcription_url"] {
                let link =
                    record.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
                links.extend(link.map(str::to_owned));
            }
        }
    }
    links.retain(|link| !link.is_empty());
    links.sort();
    let account = caller.sandbox.account();
    let children = |file: &&&File| file.account == account.id;
    let files: Vec<&File> = account.files();
    let mut expected: Vec<String> =
        files.iter().filter(children).map(|file| caller.sandbox.link(file)).collect();
    expected.sort();
    assert_eq!(links, expected);
    for file in files {
        let response = caller.get(file).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{}", file.target);
        assert_eq!(header(&response, "content-type").as_deref(), Some(file.content_type));
        assert_eq!(response.content_length(), Some(file.content.len()));
        assert!(response.bytes().await.unwrap() == file.content.to_bytes(), "{}", file.target);
    }
}

#[test]
fn the_same_seed_gives_the_same_account_and_another_seed_another() {
    let targets = |seed| -> Vec<(String, Bytes)> {
        let account = generate(seed);
        account.files().iter().map(|file| (file.target.clone(), file.content.to_bytes())).collect()
    };
    assert!(targets(4) == targets(4));
    assert!(targets(4) != targets(5));
}

#[test]
fn a_generated_account_has_no_call_of_the_future_and_one_in_progress() {
    let account = generate(3);
    assert!(account.sessions().iter().all(|session| session.end() <= noon()));
    assert!(account.sessions().is_sorted_by_key(|session| session.start));
    let running = account.sessions().iter().filter(|session| session.duration.is_none());
    assert_eq!(running.count(), 1);
}

#[tokio::test]
async fn the_account_changes_while_it_is_served() {
    let caller = Caller::with_ramp(Options::default(), 10).await;
    let file = caller.recording();
    let id = caller.sandbox.change(|account| account.add(NewSession::at(noon()).outgoing("+1")));
    let history = caller.api("GetCallHistory", &WHOLE_TIME).await;
    assert_eq!(history["result"][1]["call_session_history_id"], id);
    caller.sandbox.change(|account| account.file_mut(&file.target).unwrap().gone = true);
    assert_eq!(caller.get(&file).send().await.unwrap().status(), StatusCode::GONE);
    let log = caller.of_kind(Kind::Log);
    caller.sandbox.change(|account| account.expire_log(log.session));
    assert_eq!(caller.get(&log).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_day_of_12_000_sessions_is_served() {
    let mut account = Account::empty(1);
    for n in 0..12_000 {
        let start = noon() + Duration::from_secs(n);
        account.add(NewSession::at(start).record(NewRecord::new(Content::ramp(1, n))));
    }
    let caller = Caller::start(Options::default(), account).await;
    let far = with(&[("offset", "10000"), ("count", "1000"), ("with_total_count", "false")]);
    let page = caller.api("GetCallHistory", &far).await;
    assert_eq!(page["count"], 1000);
    assert_eq!(page.get("total_count"), None);
    let size = caller.sandbox.account().files().last().unwrap().content.len();
    assert_eq!(size, 11_999);
}
