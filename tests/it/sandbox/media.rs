//! Links and ranges, to the byte.

use super::*;

#[tokio::test]
async fn ranges_are_answered_to_the_byte() {
    let caller = Caller::with_ramp(Options::default(), 1_000_000).await;
    let file = caller.recording();
    let all = file.content.to_bytes();
    let part = async |range: &str| caller.get(&file).header("range", range).send().await.unwrap();
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=123456-777777", 123_456, 777_778),
        ("bytes=-5", 999_995, 1_000_000),
    ] {
        let response = part(range).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        let expected = format!("bytes {from}-{}/1000000", to - 1);
        assert_eq!(header(&response, "content-range"), Some(expected));
        assert!(response.bytes().await.unwrap() == all.slice(from..to));
    }
    let beyond = part("bytes=1000000-").await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&beyond, "content-range").as_deref(), Some("bytes */1000000"));

    let head = caller.client.head(caller.sandbox.link(&file)).bearer_auth(caller.good_token());
    let head = head.send().await.unwrap();
    assert_eq!(header(&head, "content-length").as_deref(), Some("1000000"));
    assert_eq!(header(&head, "accept-ranges").as_deref(), Some("bytes"));
    let etag = header(&head, "etag").unwrap();
    let if_range = async |validator: &str| {
        let request = caller.get(&file).header("range", "bytes=1-2").header("if-range", validator);
        request.send().await.unwrap().status()
    };
    assert_eq!(if_range(&etag).await, StatusCode::PARTIAL_CONTENT);
    let modified = header(&head, "last-modified").unwrap();
    assert_eq!(if_range(&modified).await, StatusCode::PARTIAL_CONTENT);
    assert_eq!(if_range("\"other\"").await, StatusCode::OK);
}

#[tokio::test]
async fn ranges_and_lengths_can_be_withheld() {
    let options = Options {
        ranges: Ranges { recordings: true, ..Ranges::NONE },
        send_length: false,
        head: false,
        ..Options::default()
    };
    let caller = Caller::with_ramp(options, 5000).await;
    let log = caller.of_kind(Kind::Log);
    let response = caller.get(&log).header("range", "bytes=2-3").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.content_length(), None);
    assert_eq!(header(&response, "accept-ranges"), None);
    assert_eq!(response.bytes().await.unwrap(), log.content.to_bytes());
    let recording = caller.get(&caller.recording()).header("range", "bytes=2-3").send().await;
    assert_eq!(recording.unwrap().status(), StatusCode::PARTIAL_CONTENT);
    let head = caller.client.request(Method::HEAD, caller.sandbox.link(&log)).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn over_tls_the_authority_is_the_sandboxes_own() {
    let options = Options { tls: true, ..Options::default() };
    let caller = Caller::with_ramp(options, 2_000_000).await;
    let file = caller.recording();
    let bytes = caller.get(&file).send().await.unwrap().bytes().await.unwrap();
    assert!(bytes == file.content.to_bytes());
    let stranger = Client::new().get(caller.sandbox.link(&file)).send().await;
    assert!(stranger.is_err());
    let by_name = format!("https://localhost:{}", caller.sandbox.addr().port());
    let by_name = caller.client.get(format!("{by_name}{}", file.target)).send().await.unwrap();
    assert_eq!(by_name.status(), StatusCode::UNAUTHORIZED);
}
