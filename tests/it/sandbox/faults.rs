//! What goes wrong on demand, what is held back, and what the log tells of it.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn faults_happen_where_the_rules_say() {
    let caller = Caller::with_ramp(Options::default(), 3_000_000).await;
    let file = caller.recording();
    let faults = caller.sandbox.faults();
    let get = async || caller.get(&file).header("range", "bytes=10-2999999").send().await.unwrap();

    let slow = Action::Status { code: 429, body: "slow down".into(), retry_after: Some(2) };
    faults.add(Rule::new(slow).on_file(Kind::Recording).after(1).times(1));
    assert_eq!(get().await.status(), StatusCode::PARTIAL_CONTENT);
    let limited = get().await;
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&limited, "retry-after").as_deref(), Some("2"));
    assert_eq!(get().await.status(), StatusCode::PARTIAL_CONTENT);

    for (action, most) in
        [(Action::Reset { after: 1_000_000 }, 1_000_000), (Action::Short { after: 7 }, 7)]
    {
        faults.clear();
        faults.add(Rule::new(action.clone()).times(1));
        let (got, whole) = drain(get().await).await;
        assert!(!whole, "{action:?}");
        // A reset overtakes what is not sent yet; an end in order does not.
        let lossy = matches!(action, Action::Reset { .. });
        assert!(got == most || lossy && got < most, "{action:?}: {got}");
    }
    faults.clear();
    faults.add(Rule::new(Action::Stall { after: 500 }).times(1));
    let stalled = tokio::time::timeout(Duration::from_millis(300), drain(get().await)).await;
    assert!(stalled.is_err());

    let headers = [
        (Action::WrongRange { by: 5 }, "content-range", "bytes 15-3000004/3000000"),
        (Action::WrongTotal { by: 1 }, "content-range", "bytes 10-2999999/3000001"),
        (Action::WholeBody, "content-length", "3000000"),
        (Action::Html, "content-type", "text/html; charset=utf-8"),
        (Action::ErrorObject { code: 340 }, "content-type", "application/json"),
        (Action::Redirect { to: "http://localhost/x".into() }, "location", "http://localhost/x"),
        (Action::ClaimGzip, "content-encoding", "gzip"),
    ];
    for (action, name, value) in headers {
        faults.clear();
        faults.add(Rule::new(action.clone()).times(1));
        assert_eq!(header(&get().await, name).as_deref(), Some(value), "{action:?}");
    }
    let honest = header(&get().await, "etag");
    faults.clear();
    faults.add(Rule::new(Action::Changed));
    assert_ne!(header(&get().await, "etag"), honest);
    faults.clear();
    faults.add(Rule::new(Action::Delay { millis: 60 }));
    let began = Instant::now();
    get().await;
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_short_body_ends_in_order() {
    let caller = Caller::with_ramp(Options::default(), 300_000).await;
    let file = caller.recording();
    let end = async |action: Action| {
        caller.sandbox.faults().clear();
        caller.sandbox.faults().add(Rule::new(action));
        let mut stream = TcpStream::connect(caller.sandbox.addr()).await.unwrap();
        let token = caller.good_token();
        let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n", file.target);
        let request = format!("{request}Authorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let end = stream.read_to_end(&mut got).await.map_err(|error| error.kind());
        let body = got.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (got.len() - body, end.err())
    };
    // So few bytes that they are on their way before the reset: it would overtake them.
    let (reset, short) = (Action::Reset { after: 7_000 }, Action::Short { after: 70_000 });
    assert_eq!(end(reset).await, (7_000, Some(ErrorKind::ConnectionReset)));
    assert_eq!(end(short).await, (70_000, None));
}

#[tokio::test]
async fn latency_and_rate_hold_answers_back() {
    let latency = Duration::from_millis(50);
    let options = Options { latency, rate: Some(1_000_000), ..Options::default() };
    let caller = Caller::with_ramp(options, 200_000).await;
    let began = Instant::now();
    let (got, whole) = drain(caller.get(&caller.recording()).send().await.unwrap()).await;
    assert_eq!((got, whole), (200_000, true));
    // The last of the pieces goes 150 ms after the first, at the earliest.
    assert!(began.elapsed() >= latency + Duration::from_millis(150));
}

#[tokio::test]
async fn the_log_tells_what_was_asked_and_what_was_sent() {
    let caller = Caller::with_ramp(Options::default(), 50_000).await;
    let file = caller.recording();
    let request = caller.get(&file).header("range", "bytes=0-9999").header("user-agent", "probe/1");
    request.send().await.unwrap().bytes().await.unwrap();
    caller.api("GetCallHistory", &WHOLE_TIME).await;
    let [media, api] = &caller.sandbox.requests()[..] else { panic!("two requests") };
    assert_eq!(media.target, Target::File(Kind::Recording));
    assert_eq!((media.session, media.record), (Some(file.session), file.record));
    assert_eq!((media.status, media.sent), (206, 10_000));
    assert_eq!(media.range.as_deref(), Some("bytes=0-9999"));
    assert_eq!(media.user_agent.as_deref(), Some("probe/1"));
    assert_eq!(media.connection, api.connection);
    assert_eq!(api.target, Target::Api("GetCallHistory".to_owned()));
    assert!(api.parameters.contains(&("timezone".to_owned(), "Etc/GMT".to_owned())));

    let routes = format!("{}/sandbox", caller.sandbox.base_url());
    let log = caller.client.get(format!("{routes}/requests")).send().await.unwrap();
    let log = parse(&log.text().await.unwrap());
    assert_eq!(log[0]["target"], json!({"file": "recording"}));
    assert_eq!(log[0]["status"], 206);
    caller.client.delete(format!("{routes}/requests")).send().await.unwrap();
    assert!(caller.sandbox.requests().is_empty());

    let rule = r#"{"target": {"file": "recording"}, "action": {"status": {"code": 503}}}"#;
    let faults = format!("{routes}/faults");
    let posted = caller.client.post(&faults).body(rule).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::NO_CONTENT);
    assert_eq!(caller.get(&file).send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    caller.client.delete(&faults).send().await.unwrap();
    assert_eq!(caller.get(&file).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn it_can_go_off_line_and_come_back_and_ends_when_it_is_dropped() {
    let caller = Caller::with_ramp(Options::default(), 10).await;
    let file = caller.recording();
    assert_eq!(caller.get(&file).send().await.unwrap().status(), StatusCode::OK);
    caller.sandbox.set_online(false);
    assert!(caller.get(&file).send().await.is_err());
    caller.sandbox.set_online(true);
    assert_eq!(caller.get(&file).send().await.unwrap().status(), StatusCode::OK);
    let (request, client) = (caller.get(&file).build().unwrap(), caller.client.clone());
    drop(caller);
    assert!(client.execute(request).await.is_err());
}

/// How many bytes came, and whether the body ended well.
async fn drain(mut response: Response) -> (usize, bool) {
    let mut got = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => got += chunk.len(),
            Ok(None) => return (got, true),
            Err(_) => return (got, false),
        }
    }
}
