//! Credentials: tokens, keys, roles, and the files that they are written to.

use super::*;

#[tokio::test]
async fn tokens_are_really_verified() {
    let caller = Caller::generated().await;
    let now = Timestamp::now().as_second();
    let code = async |token: &str| {
        let url = format!("{}/platform_api/GetAccountInfo/", caller.sandbox.base_url());
        let response = caller.client.get(url).bearer_auth(token).send().await.unwrap();
        parse(&response.text().await.unwrap())["error"]["code"].as_u64()
    };
    let claims = |iss: Value, iat: i64, exp: i64| json!({"iss": iss, "iat": iat, "exp": exp});
    let good = claims(json!(4_714_487), now - 5, now + 3595);
    assert_eq!(code(&caller.token(&good)).await, None);
    assert_eq!(code(&caller.token(&claims(json!("4714901"), now - 5, now + 9))).await, None);
    assert_eq!(code(&caller.token(&claims(json!(99), now - 5, now + 9))).await, Some(100));
    assert_eq!(
        code(&caller.token(&claims(json!(4_714_487), now - 5, now + 3596))).await,
        Some(454)
    );
    assert_eq!(code(&caller.token(&claims(json!(4_714_487), now + 30, now + 60))).await, Some(455));
    assert_eq!(code(&caller.token(&claims(json!(4_714_487), now - 60, now - 1))).await, Some(456));
    assert_eq!(code("no.token.at-all").await, Some(447));
    assert_eq!(code(&caller.token(&json!({"iss": 4_714_487}))).await, Some(447));

    let mut forged = caller.token(&good);
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    assert_eq!(code(&forged).await, Some(100));
    let mut stranger = Header::new(Algorithm::RS256);
    stranger.kid = Some("another".to_owned());
    let token = jsonwebtoken::encode(&stranger, &good, &caller.key).unwrap();
    assert_eq!(code(&token).await, Some(100));

    let before = caller.token(&good);
    caller.sandbox.rotate_key().unwrap();
    assert_eq!(code(&before).await, Some(100));
}

#[tokio::test]
async fn a_token_dies_when_the_options_say_so() {
    let life = Duration::from_millis(100);
    let options = Options { token_life: Some(life), ..Options::default() };
    let caller = Caller::with_ramp(options, 100).await;
    let token = caller.good_token();
    let link = caller.sandbox.link(&caller.recording());
    let status = async |token: &str| {
        caller.client.get(&link).bearer_auth(token).send().await.unwrap().status()
    };
    assert_eq!(status(&token).await, StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(10);
    while status(&token).await == StatusCode::OK {
        assert!(Instant::now() < deadline, "the token never died");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fresh = caller.token(&json!({
        "iss": 4_714_487,
        "iat": Timestamp::now().as_second() - 9,
        "exp": Timestamp::now().as_second() + 9,
    }));
    assert_eq!(status(&fresh).await, StatusCode::OK);
}

#[tokio::test]
async fn links_ask_for_credentials_as_their_kind_demands() {
    let mut account = generate(1);
    let open = NewSession::at(noon()).open().record(NewRecord::new(Content::ramp(1, 5)));
    let open = account.add(open);
    let options = Options { log_roles: false, ..Options::default() };
    let caller = Caller::start(options, account).await;
    let (recording, log) = (caller.recording(), caller.of_kind(Kind::Log));
    let link = caller.sandbox.link(&recording);

    let naked = caller.client.get(&link).send().await.unwrap();
    assert_eq!(naked.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(naked.text().await.unwrap(), "Authorization failed");
    let (id, key) = ("4714487", caller.sandbox.api_key());
    let query = [("account_id", id), ("api_key", key)];
    let by_key = caller.client.get(&link).query(&query).send().await.unwrap();
    assert_eq!(by_key.status(), StatusCode::OK);
    assert_eq!(caller.get(&recording).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(caller.get(&log).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(caller.api("GetCallHistory", &WHOLE_TIME).await["error"]["code"], 104);

    let account = caller.sandbox.account();
    let file = account.files().into_iter().find(|file| file.session == open).unwrap();
    assert!(!file.secure);
    let response = caller.client.get(caller.sandbox.link(file)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let seen: Vec<Credential> = caller.sandbox.requests().iter().map(|r| r.credential).collect();
    let (none, bearer) = (Credential::None, Credential::Bearer);
    assert_eq!(seen, [none, Credential::ApiKey, bearer, bearer, bearer, none]);
    let log = format!("{:?}", caller.sandbox.requests());
    assert!(!log.contains(key) && !log.contains("record_id"));
}

#[tokio::test]
async fn credentials_are_written_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let write_credentials = Some(directory.path().join("keys"));
    let options = Options { tls: true, write_credentials, ..Options::default() };
    let caller = Caller::with_ramp(options, 1).await;
    let path = directory.path().join("keys/voximplant.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(path).unwrap(), caller.sandbox.credentials_json());
    let ca = std::fs::read_to_string(directory.path().join("keys/ca.pem")).unwrap();
    assert_eq!(Some(ca.as_str()), caller.sandbox.ca_pem());
}
