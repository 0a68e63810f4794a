//! Listings of a Voximplant account through a stand-in of `GetCallHistory`.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime, date};
use reelfs::provider::voximplant::{ApiError, Voximplant};
use reelfs::source::Provider;
use reelfs::types::{Cause, Window};
use serde_json::{Value, json};

use crate::scripted::{Answer, Asked, HASTY, PATIENT, Server, client};

const DAY: Date = date(2026, 11, 21);

fn ok(json: &Value) -> Answer {
    Answer::whole("200 ok\ncontent-type: application/json", json.to_string().as_bytes())
}

fn refused(code: u64) -> Answer {
    ok(&json!({"error": {"code": code, "msg": "see https://secret"}}))
}

async fn provider(
    script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Server, Voximplant) {
    provider_within(PATIENT, script).await
}

async fn provider_within(
    timeout: Duration,
    script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Server, Voximplant) {
    let server = Server::start(script).await;
    let provider = Voximplant::new(client(&server, timeout), &server.base);
    (server, provider)
}

/// The starts of the sessions, in order; the id is the place.
fn history(sessions: Vec<DateTime>, to_is_inclusive: bool) -> impl Fn(&Asked) -> Answer {
    move |asked| {
        let field = |name: &str| asked.form[name].as_str();
        let number = |name| field(name).parse::<usize>().unwrap();
        let (from, to): (DateTime, DateTime) =
            (field("from_date").parse().unwrap(), field("to_date").parse().unwrap());
        if number("offset") > 10_000 || number("count") > 1000 {
            return refused(103);
        }
        let within = |&(_, start): &(usize, &DateTime)| {
            from <= *start && (*start < to || to_is_inclusive && *start == to)
        };
        let page = sessions.iter().enumerate().filter(within).skip(number("offset"));
        let session = |(id, start): (usize, &DateTime)| {
            let start = start.strftime("%Y-%m-%d %H:%M:%S").to_string();
            json!({"call_session_history_id": id, "start_date": start, "duration": 1})
        };
        let page: Vec<_> = page.take(number("count")).map(session).collect();
        ok(&json!({"result": page, "count": page.len(), "timezone": "Etc/GMT"}))
    }
}

#[tokio::test]
async fn a_day_of_twelve_thousand_sessions_lists_whole() {
    let midnight = DAY.at(0, 0, 0, 0);
    for inclusive in [false, true] {
        let starts = (0..12_000).map(|n| midnight + jiff::Span::new().seconds(n * 7));
        let (server, provider) = provider(history(starts.collect(), inclusive)).await;
        let entries = provider.list(Window::day(DAY)).await.unwrap();
        assert_eq!(entries.len(), 12_000);
        assert!(entries.iter().enumerate().all(|(n, entry)| entry.id == n.to_string()));
        // Eleven pages show that it is too much for one window; each half then takes seven.
        assert!(server.log().len() <= 11 + 14, "{}", server.log().len());
        let asked = &server.log()[0];
        assert_eq!(asked.path, "/platform_api/GetCallHistory/");
        assert_eq!(asked.form["timezone"], "Etc/GMT");
        assert_eq!(asked.form["with_records"], "true");
        assert!(asked.header("authorization").starts_with("Bearer "));
    }
}

#[tokio::test]
async fn days_hold_their_own_sessions_whichever_way_dates_are_counted() {
    for inclusive in [false, true] {
        let starts = vec![
            date(2026, 11, 20).at(23, 59, 59, 0),
            DAY.at(0, 0, 0, 0),
            DAY.at(23, 59, 59, 0),
            date(2026, 11, 22).at(0, 0, 0, 0),
        ];
        let (server, provider) = provider(history(starts, inclusive)).await;
        let entries = provider.list(Window::day(DAY)).await.unwrap();
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
        assert_eq!(server.log().len(), 1);
    }
}

#[tokio::test]
async fn a_range_that_is_refused_is_split() {
    let all = history((1..=30).map(|day| date(2026, 11, day).at(12, 0, 0, 0)).collect(), false);
    let (_server, provider) = provider(move |asked| {
        let day = |name: &str| asked.form[name].parse::<DateTime>().unwrap().date();
        match (day("to_date") - day("from_date")).get_days() {
            0..=7 => all(asked),
            _ => refused(569),
        }
    })
    .await;
    let window = Window { first: date(2026, 11, 1), last: date(2026, 11, 30) };
    assert_eq!(provider.list(window).await.unwrap().len(), 30);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (code, expected) in [(100, Cause::Denied), (104, Cause::Denied), (999, Cause::BadAnswer)] {
        let (_server, provider) = provider(move |_| refused(code)).await;
        let failure = provider.list(Window::day(DAY)).await.unwrap_err();
        assert_eq!(failure.cause, expected, "{failure}");
        assert!(!failure.to_string().contains("secret"), "{failure}");
        match (code, provider.check().await.unwrap_err()) {
            (100, ApiError::Refused(100))
            | (104, ApiError::RoleMissing)
            | (999, ApiError::Other { code: 999, .. }) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let (server, provider) = provider(|asked| match asked.number {
        // The clock of the server is another one, so that the next token is another one too.
        0 => {
            let body = br#"{"error": {"code": 456, "msg": "expired"}}"#;
            Answer::whole("200 ok\ndate: Sat, 21 Nov 2020 10:00:00 GMT", body)
        }
        _ => ok(&json!({"result": []})),
    })
    .await;
    assert!(provider.check().await.is_ok());
    let log = server.log();
    assert_ne!(log[0].header("authorization"), log[1].header("authorization"));
    assert_eq!(log.len(), 2);
}

#[tokio::test]
async fn passing_trouble_is_sat_out() {
    let page = b"<html>busy</html>";
    let (server, provider) = provider(|asked| match asked.number {
        0 => refused(340),
        1 => Answer::whole("502 no\ncontent-type: text/html", page),
        2 => Answer::whole("200 ok\ncontent-type: text/html", page),
        3 => Answer::whole("200 ok", page).cut_by(5),
        _ => ok(&json!({"result": [], "count": 0})),
    })
    .await;
    assert!(provider.list(Window::day(DAY)).await.unwrap().is_empty());
    assert_eq!(server.log().len(), 5);
}

#[tokio::test]
async fn trouble_that_stays_has_its_cause() {
    let throttled: Arc<dyn Fn() -> Answer + Send + Sync> = Arc::new(|| refused(340));
    let html: Arc<dyn Fn() -> Answer + Send + Sync> =
        Arc::new(|| Answer::whole("200 ok\ncontent-type: text/html", b"<html>"));
    let odd: Arc<dyn Fn() -> Answer + Send + Sync> = Arc::new(|| ok(&json!({"result": 7})));
    let cases = [(throttled, Cause::Throttled), (html, Cause::BadAnswer), (odd, Cause::BadAnswer)];
    for (answer, expected) in cases {
        let (_server, provider) = provider_within(HASTY, move |_| answer()).await;
        let failure = provider.list(Window::day(DAY)).await.unwrap_err();
        assert_eq!(failure.cause, expected, "{failure}");
    }
}

#[tokio::test]
async fn half_a_listing_is_no_listing() {
    let all = history(vec![DAY.at(1, 0, 0, 0); 1500], false);
    let (_server, provider) = provider(move |asked| match asked.form["offset"].as_str() {
        "0" => all(asked),
        _ => refused(999),
    })
    .await;
    assert!(provider.list(Window::day(DAY)).await.is_err());
}
