//! The Management API: how it is called, what it finds, and how it refuses.

use super::*;

#[tokio::test]
async fn history_pages_and_filters() {
    let caller = Caller::generated().await;
    let all = caller.api("GetCallHistory", &with(&[("count", "1000")])).await;
    let total = all["total_count"].as_u64().unwrap();
    assert_eq!(all["result"].as_array().unwrap().len() as u64, total);
    assert_eq!(all["timezone"], "Etc/GMT");
    let page = caller.api("GetCallHistory", &with(&[("offset", "3")])).await;
    assert_eq!(page["count"], 20);
    assert_eq!(page["result"][0], all["result"][3]);
    let last = caller.api("GetCallHistory", &with(&[("desc_order", "true"), ("count", "1")])).await;
    assert_eq!(last["result"][0], all["result"][usize::try_from(total - 1).unwrap()]);

    let number = all["result"][5]["calls"][0]["remote_number"].as_str().unwrap();
    let found = caller.api("GetCallHistory", &with(&[("remote_number", number)])).await;
    assert_eq!(found["result"][0], all["result"][5]);
    let id = all["result"][6]["call_session_history_id"].to_string();
    let by_id = caller.api("GetCallHistory", &[("call_session_history_id", &id)]).await;
    assert_eq!(by_id["count"], 1);
    assert!(by_id["result"][0].get("records").is_none());
    let child = caller
        .api(
            "GetCallHistory",
            &with(&[("child_account_id", "4714901"), ("children_calls_only", "true")]),
        )
        .await;
    assert_eq!(child["result"][0]["account_id"], 4_714_901);
    assert_eq!(child["count"], 1);

    let applications = caller.api("GetApplications", &[("application_name", "support.acme")]).await;
    let application = applications["result"][0]["application_id"].to_string();
    let of = caller.api("GetCallHistory", &with(&[("application_id", &application)])).await;
    assert!(of["total_count"].as_u64().unwrap() < total);
}

#[tokio::test]
async fn history_answers_errors_with_the_documented_codes() {
    let options = Options { max_window_days: Some(31), ..Options::default() };
    let caller = Caller::start(options, generate(2)).await;
    let day = [("from_date", "2026-10-31 00:00:00"), ("to_date", "2026-10-31 23:59:59")];
    let code = async |more: &[(&str, &str)]| {
        let parameters: Vec<_> = day.iter().chain(more).copied().collect();
        caller.api("GetCallHistory", &parameters).await["error"]["code"].as_u64()
    };
    assert_eq!(code(&[]).await, None);
    assert_eq!(code(&[("to_date", "2026-12-31 00:00:00")]).await, Some(569));
    assert_eq!(code(&[("offset", "10001")]).await, Some(569));
    assert_eq!(code(&[("count", "1001")]).await, Some(569));
    assert_eq!(code(&[("from_date", "yesterday")]).await, Some(123));
    assert_eq!(code(&[("application_name", "none")]).await, Some(558));
    assert_eq!(code(&[("child_account_id", "1")]).await, Some(100));
    assert_eq!(caller.api("NoSuchMethod", &[]).await["error"]["code"], 104);
}

#[tokio::test]
async fn a_request_without_a_zone_is_taken_in_the_accounts_own() {
    let options = Options { default_zone_hours: 3, ..Options::default() };
    let caller = Caller::with_ramp(options, 10).await;
    let hour = [("from_date", "2026-11-01 12:00:00"), ("to_date", "2026-11-01 12:59:59")];
    assert_eq!(caller.api("GetCallHistory", &hour).await["count"], 0);
    let later = [("from_date", "2026-11-01 15:00:00"), ("to_date", "2026-11-01 15:00:00")];
    let found = caller.api("GetCallHistory", &later).await;
    assert_eq!(found["result"][0]["start_date"], "2026-11-01 15:00:00");
    assert_eq!(found["timezone"], "Etc/GMT-3");
}

#[tokio::test]
async fn a_method_is_called_by_path_or_by_cmd_with_get_or_post() {
    let caller = Caller::generated().await;
    let base = caller.sandbox.base_url();
    let get =
        |path: &str| caller.client.get(format!("{base}{path}")).bearer_auth(caller.good_token());
    let cmd = caller.client.post(format!("{base}/platform_api")).bearer_auth(caller.good_token());
    for request in [
        get("/platform_api/GetAccountInfo"),
        get("/platform_api/GetAccountInfo/"),
        get("/platform_api/?cmd=GetAccountInfo"),
        cmd.form(&[("cmd", "GetAccountInfo")]),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(header(&response, "content-type").as_deref(), Some("application/json"));
        let answer = parse(&response.text().await.unwrap());
        assert_eq!(answer["result"]["account_id"], 4_714_487);
    }
    let children = caller.api("GetChildrenAccounts", &[]).await;
    assert_eq!(children["result"][1]["account_id"], 4_714_902);
}

#[tokio::test]
async fn links_carry_the_host_that_was_asked_or_the_one_of_the_options() {
    let link = async |caller: &Caller, base: &str| {
        let request = caller.client.get(format!("{base}/platform_api/GetCallHistory"));
        let response = request.bearer_auth(caller.good_token()).query(&WHOLE_TIME).send().await;
        let answer = parse(&response.unwrap().text().await.unwrap());
        answer["result"][0]["records"][0]["record_url"].as_str().unwrap().to_owned()
    };
    let caller = Caller::with_ramp(Options::default(), 1).await;
    let by_name = format!("http://localhost:{}", caller.sandbox.addr().port());
    assert!(link(&caller, &by_name).await.starts_with(&by_name));
    let elsewhere = "https://storage.example.com".to_owned();
    let options = Options { link_base: Some(elsewhere.clone()), ..Options::default() };
    let caller = Caller::with_ramp(options, 1).await;
    assert!(link(&caller, caller.sandbox.base_url()).await.starts_with(&elsewhere));
}
