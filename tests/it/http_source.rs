//! Ranges over HTTP from servers that misbehave: what comes out is right, or an error.

use std::time::Duration;

use futures_util::TryStreamExt;
use reelfs::http::HttpSource;
use reelfs::source::{RangeAnswer, RangeRequest, RangeSource, Urgency, Version};
use reelfs::types::{Cause, Failure, Link, Validator};

use crate::scripted::{Answer, Asked, HASTY, PATIENT, Server, client};

/// Byte n is n mod 251, so that shifted bytes can never look right.
fn ramp(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

fn request(server: &Server, offset: u64, len: u64) -> RangeRequest {
    let link = Link::parse(server.base.join("o.mp3?record_id=secret").unwrap().as_str()).unwrap();
    RangeRequest { link, offset, len, version: None, urgency: Urgency::now() }
}

async fn open(server: &Server, request: RangeRequest) -> Result<RangeAnswer, Failure> {
    HttpSource::new(client(server, PATIENT)).open(request).await
}

async fn body(answer: RangeAnswer) -> Result<Vec<u8>, Failure> {
    answer.body.try_fold(Vec::new(), async |all, b| Ok([&all[..], &b[..]].concat())).await
}

/// The cause of the failure to open or to read; its text names no secret.
async fn cause(server: &Server, request: RangeRequest) -> Cause {
    cause_within(PATIENT, server, request).await
}

async fn cause_within(timeout: Duration, server: &Server, request: RangeRequest) -> Cause {
    let failure = match HttpSource::new(client(server, timeout)).open(request).await {
        Ok(answer) => body(answer).await.unwrap_err(),
        Err(failure) => failure,
    };
    let text = format!("{failure} {failure:?}");
    assert!(!text.contains("secret") && !text.contains("o.mp3"), "{text}");
    assert!(text.contains("GET 127.0.0.1:"), "{text}");
    failure.cause
}

#[tokio::test]
async fn a_range_comes_with_its_facts_over_one_connection() {
    let object = ramp(10_000);
    let copy = object.clone();
    let server = Server::start(move |asked| Answer::part(&copy, asked)).await;
    let source = HttpSource::new(client(&server, PATIENT));
    for offset in [0, 5000, 9990] {
        let answer = source.open(request(&server, offset, 100)).await.unwrap();
        let end = (offset + 100).min(10_000);
        assert_eq!((answer.offset, answer.end), (offset, Some(end)));
        assert_eq!(answer.total, Some(10_000));
        assert_eq!(answer.validator.etag.as_deref(), Some("\"v1\""));
        let bytes = usize::try_from(offset).unwrap()..usize::try_from(end).unwrap();
        assert_eq!(body(answer).await.unwrap(), object[bytes]);
    }
    let log = server.log();
    assert_eq!(log[1].header("range"), "bytes=5000-5099");
    assert_eq!(log[1].header("accept-encoding"), "identity");
    assert!(log.iter().all(|asked| asked.header("authorization").starts_with("Bearer ey")));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_resumed_where_it_stopped() {
    let object = ramp(50_000);
    let copy = object.clone();
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::part(&copy, asked).cut_by(20_000),
        // Refused once in the middle: renewed, and on.
        1 => Answer::whole("401 no", b"Authorization failed"),
        2 => Answer::part(&copy, asked).cut_by(10_000),
        3 => Answer::whole("503 no", b""),
        _ => Answer::part(&copy, asked),
    })
    .await;
    let answer = open(&server, request(&server, 100, 40_000)).await.unwrap();
    assert_eq!(body(answer).await.unwrap(), object[100..40_100]);
    let log = server.log();
    assert_eq!(log[1].range(), (20_100, 40_099));
    assert_eq!(log[4].range(), (30_100, 40_099));
    assert_eq!(log[4].header("if-range"), "\"v1\"");
}

#[tokio::test]
async fn a_resumed_body_may_come_whole_and_is_cut() {
    let object = ramp(50_000);
    let copy = object.clone();
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::part(&copy, asked).cut_by(100),
        _ => Answer::whole("200 ok", &copy),
    })
    .await;
    let answer = open(&server, request(&server, 1000, 2000)).await.unwrap();
    assert_eq!(body(answer).await.unwrap(), object[1000..3000]);
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn a_changed_object_is_not_resumed() {
    let copy = ramp(5000);
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::part(&copy, asked).cut_by(100),
        _ => Answer::whole("200 ok\netag: \"v2\"", &copy),
    })
    .await;
    assert_eq!(cause(&server, request(&server, 0, 5000)).await, Cause::Changed);
}

#[tokio::test]
async fn a_stalled_body_is_asked_for_again() {
    let object = ramp(5000);
    let copy = object.clone();
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::part(&copy, asked).stalled_by(100),
        _ => Answer::part(&copy, asked),
    })
    .await;
    // It is given up for stalled after a third of the timeout.
    let source = HttpSource::new(client(&server, 3 * HASTY));
    let answer = source.open(request(&server, 0, 5000)).await.unwrap();
    assert_eq!(body(answer).await.unwrap(), object);
    assert_eq!(server.log()[1].range(), (4900, 4999));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let server = Server::start(|_| Answer::new("200 ok", b"").stalled_by(2)).await;
    assert_eq!(cause_within(HASTY, &server, request(&server, 0, 10)).await, Cause::TimedOut);
}

#[tokio::test]
async fn a_body_that_ends_early_every_time_is_an_error() {
    let copy = ramp(5000);
    let server = Server::start(move |asked| {
        let left = if asked.number == 0 { 1000 } else { usize::MAX };
        let answer = Answer::part(&copy, asked);
        let (first, last) = asked.range();
        answer.cut_by(left.min(last - first + 1))
    })
    .await;
    let found = cause_within(HASTY, &server, request(&server, 0, 5000)).await;
    assert_eq!(found, Cause::BadAnswer);
}

#[tokio::test]
async fn what_broke_a_body_off_is_told_when_the_rest_does_not_come_in_time() {
    let copy = ramp(5000);
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::part(&copy, asked).cut_by(100),
        _ => Answer::new("200 ok", b"").stalled_by(2),
    })
    .await;
    let found = cause_within(HASTY, &server, request(&server, 0, 5000)).await;
    assert_eq!(found, Cause::BadAnswer);
}

#[tokio::test]
async fn a_whole_object_answers_a_range_from_zero() {
    let object = ramp(5000);
    let copy = object.clone();
    let server = Server::start(move |_| Answer::whole("200 ok", &copy)).await;
    let answer = open(&server, request(&server, 1000, 10)).await.unwrap();
    assert_eq!((answer.offset, answer.end, answer.total), (0, Some(5000), Some(5000)));
    assert_eq!(body(answer).await.unwrap(), object);
}

#[tokio::test]
async fn a_whole_object_of_unknown_length_ends_with_its_chunks() {
    let chunked = "200 ok\ntransfer-encoding: chunked\ncontent-type: text/plain";
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::new(chunked, b"5\r\nhello\r\n").closed(),
        _ => Answer::new(chunked, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
    })
    .await;
    let answer = open(&server, request(&server, 0, 100)).await.unwrap();
    assert_eq!((answer.offset, answer.end, answer.total), (0, None, None));
    assert_eq!(answer.content_type.as_deref(), Some("text/plain"));
    assert_eq!(body(answer).await.unwrap(), b"hello world");
    assert_eq!(server.log()[1].header("range"), "bytes=5-");
}

#[tokio::test]
async fn a_body_longer_than_said_is_a_bad_answer() {
    let head = "206 ok\ncontent-range: bytes 0-4/100\ntransfer-encoding: chunked";
    let one = Server::start(move |_| Answer::new(head, b"6\r\nhello!\r\n0\r\n\r\n")).await;
    assert_eq!(cause(&one, request(&one, 0, 5)).await, Cause::BadAnswer);
    let two = Server::start(move |_| Answer::new(head, b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")).await;
    assert_eq!(cause(&two, request(&two, 0, 5)).await, Cause::BadAnswer);
}

#[tokio::test]
async fn an_empty_object_is_one_however_it_is_said() {
    for head in [
        "200 ok\ncontent-length: 0",
        "204 ok",
        "416 no\ncontent-range: bytes */0\ncontent-length: 0",
    ] {
        let server = Server::start(move |_| Answer::new(head, b"")).await;
        let answer = open(&server, request(&server, 0, 100)).await.unwrap();
        assert_eq!((answer.end, answer.total), (Some(0), Some(0)), "{head}");
        assert!(body(answer).await.unwrap().is_empty());
    }
    // A 416 that does not say how large the object is: asked again without a range.
    let server = Server::start(|asked| match asked.header("range") {
        "" => Answer::whole("200 ok", b""),
        _ => Answer::whole("416 no", b""),
    })
    .await;
    assert_eq!(open(&server, request(&server, 0, 100)).await.unwrap().total, Some(0));
}

#[tokio::test]
async fn what_cannot_be_right_is_refused() {
    for (head, body, expected) in [
        ("206 ok\ncontent-range: bytes 1-5/100", "hello", Cause::BadAnswer),
        ("206 ok", "hello", Cause::BadAnswer),
        ("200 ok\ncontent-encoding: gzip", "hello", Cause::BadAnswer),
        ("200 ok\ncontent-type: text/html; charset=utf-8", "<html>", Cause::Denied),
        ("200 ok\ncontent-type: application/json", r#"{"error": {"code": 1}}"#, Cause::Denied),
        ("403 no", "", Cause::Denied),
        ("404 no\ncontent-type: text/html", "<html>", Cause::Gone),
        ("410 no", "", Cause::Gone),
        ("400 no", "", Cause::BadAnswer),
        ("302 over\nlocation: ftp://x/", "", Cause::BadAnswer),
        ("302 over\nlocation: /o.mp3?record_id=secret", "", Cause::BadAnswer),
        ("429 no\nretry-after: 60", "", Cause::Throttled),
        ("503 no\nretry-after: 60", "", Cause::BadAnswer),
    ] {
        let server = Server::start(move |_| Answer::whole(head, body.as_bytes())).await;
        assert_eq!(cause(&server, request(&server, 0, 5)).await, expected, "{head}");
    }
}

#[tokio::test]
async fn json_that_is_no_error_is_an_object() {
    let json = br#"{"said": "hello", "error_rate": 0}"#;
    let head = "200 ok\ncontent-type: application/json";
    let server = Server::start(move |_| Answer::whole(head, json)).await;
    let answer = open(&server, request(&server, 0, 5)).await.unwrap();
    assert_eq!(body(answer).await.unwrap(), json);
}

#[tokio::test]
async fn another_version_is_told() {
    let copy = ramp(100);
    let server = Server::start(move |asked| Answer::part(&copy, asked)).await;
    let version = |total, etag: &str| Version {
        total,
        validator: Validator { etag: Some(etag.to_owned()), last_modified: None },
    };
    let asked = |version| RangeRequest { version: Some(version), ..request(&server, 0, 10) };
    assert!(open(&server, asked(version(100, "\"v1\""))).await.is_ok());
    assert_eq!(cause(&server, asked(version(99, "\"v1\""))).await, Cause::Changed);
    assert_eq!(cause(&server, asked(version(100, "\"v0\""))).await, Cause::Changed);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let copy = ramp(100);
    let server = Server::start(move |asked| match asked.number {
        0 => Answer::whole("401 no\ndate: Sat, 21 Nov 2026 10:00:00 GMT", b"no"),
        _ => Answer::part(&copy, asked),
    })
    .await;
    assert!(open(&server, request(&server, 0, 10)).await.is_ok());
    let log = server.log();
    assert_ne!(log[0].header("authorization"), log[1].header("authorization"));

    let server = Server::start(|_| Answer::whole("401 no", b"no")).await;
    assert_eq!(cause(&server, request(&server, 0, 10)).await, Cause::Denied);
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn a_redirect_to_another_host_goes_without_credentials() {
    let copy = ramp(100);
    let storage = Server::start(move |asked| Answer::part(&copy, asked)).await;
    let to = storage.base.join("x?signed=1").unwrap();
    let server =
        Server::start(move |_| Answer::whole(&format!("307 over\nlocation: {to}"), b"")).await;
    let answer = open(&server, request(&server, 10, 10)).await.unwrap();
    assert_eq!(body(answer).await.unwrap(), ramp(100)[10..20]);
    assert!(!server.log()[0].header("authorization").is_empty());
    let asked: &Asked = &storage.log()[0];
    assert_eq!((asked.header("authorization"), asked.range()), ("", (10, 19)));
    assert_eq!(asked.path, "/x?signed=1");
}

#[tokio::test]
async fn a_host_without_trust_is_not_given_a_second_try() {
    let server = Server::start(|_| Answer::whole("401 no", b"no")).await;
    let other = Server::start(|_| Answer::whole("200 ok", b"")).await;
    let failure = open(&other, request(&server, 0, 10)).await.unwrap_err();
    assert_eq!(failure.cause, Cause::Denied);
    assert_eq!(server.log().len(), 1);
    assert_eq!(server.log()[0].header("authorization"), "");
}

#[tokio::test]
async fn a_closed_port_is_unreachable_after_a_few_tries() {
    let server = Server::start(|_| Answer::new("200", b"")).await;
    let mut closed = request(&server, 0, 10);
    // Port 1 of the loopback is taken by nobody.
    closed.link = Link::parse("http://127.0.0.1:1/o.mp3?record_id=secret").unwrap();
    assert_eq!(cause(&server, closed).await, Cause::Unreachable);
}

#[tokio::test]
async fn requests_under_way_are_limited_until_bodies_are_read_or_dropped() {
    let copy = ramp(100);
    let server = Server::start(move |asked| Answer::part(&copy, asked)).await;
    let source = HttpSource::new(client(&server, HASTY));
    let mut held = Vec::new();
    // The client has 4 connections for long transfers and one more for readers, which makes 10 for
    // short ones.
    for _ in 0..10 {
        held.push(source.open(request(&server, 0, 10)).await.unwrap());
    }
    let one_more = source.open(request(&server, 0, 10)).await;
    assert_eq!(one_more.unwrap_err().cause, Cause::TimedOut);
    held.pop();
    assert!(source.open(request(&server, 0, 10)).await.is_ok());
    assert_eq!(server.log().len(), 11);
}
