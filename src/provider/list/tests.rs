//! Lists in every form that people have, and what is told of lines that are of no use.

use jiff::civil::date;
use serde_json::Value;

use super::*;
use crate::types::Object;

fn rows(text: &str) -> Rows {
    Rows::parse(text, Links::Any).unwrap()
}

fn objects(rows: &Rows) -> Vec<&Object> {
    rows.days.values().flatten().flat_map(|entry| &entry.objects).collect()
}

fn url(object: &Object) -> &str {
    match &object.content {
        Content::Remote { link, .. } => link.url().as_str(),
        Content::Inline(_) => "",
    }
}

#[test]
fn a_lead_export_is_read() {
    let rows = rows(
        "\u{feff}Lead ID;DATE;Phone Number;Lead URL;Notes;recording\r\n\
         7;2026-11-21 14:23:55;+15551230001;https://acme.example/x;\"two\nlines; and \"\"more\"\"\";\
         https://app.whatconverts.com/recording/RE1/play\r\n\
         8;2026-11-22;;https://acme.example/;;\r\n",
    );
    let found = objects(&rows);
    assert_eq!(found.len(), 1);
    assert_eq!(url(found[0]), "https://app.whatconverts.com/recording/RE1/play");
    assert_eq!(rows.days.keys().copied().collect::<Vec<_>>(), [date(2026, 11, 21)]);
    assert_eq!(found[0].name.fields, ["142355", "+15551230001"]);
    assert_eq!(found[0].name.id, "7");
    let facts = &rows.days.values().next().unwrap()[0].facts;
    let told: Value = serde_json::from_str(facts).unwrap();
    assert_eq!(told["Notes"], "two\nlines; and \"more\"");
    assert!(!facts.contains("http"));
    let complaint = rows.complaint().unwrap();
    assert_eq!(complaint, "1 of 2 lines that cannot be used (line 4: no link to a recording)");
}

#[test]
fn one_link_a_line_and_json_lines_are_read() {
    let plain = rows("https://a/x/one.mp3\n\nhttps://a/recording/RE2/play\nhttps://a/x/one.mp3\n");
    let names: Vec<_> = objects(&plain).iter().map(|object| object.name.id.clone()).collect();
    assert_eq!(names, ["one", "RE2"]);
    assert!(plain.complaint().unwrap().contains("line 4: the same link"));
    let json = rows(
        "{\"url\": \"https://a/1\", \"size\": 12, \"name\": \"First call.mp3\"}\n{nope\n\
         {\"Link\": \"https://a/2.wav\", \"name\": \"b.wav\"}\n",
    );
    let found = objects(&json);
    assert_eq!(found[0].name.fields, ["First call"]);
    assert!(matches!(found[0].content, Content::Remote { claimed_size: None, .. }));
    let facts = &json.days.values().next().unwrap()[0].facts;
    assert!(facts.contains("\"size\":12"), "{facts}");
    assert_eq!((found[1].name.id.as_str(), found[1].name.extension.as_str()), ("b", "wav"));
    assert!(json.complaint().unwrap().contains("line 2: no JSON object"));
}

#[test]
fn any_cell_that_is_a_recording_link_will_do() {
    let rows = rows("when\twhere\twhat\n11/21/2026 2:23 PM\thttps://acme/\thttps://a/records/7\n");
    assert_eq!(url(objects(&rows)[0]), "https://a/records/7");
    let headless =
        Rows::parse("x,https://a/recording/1/play\ny,https://a/recording/2/play\n", Links::Any);
    assert_eq!(headless.unwrap().count, 2);
}

#[test]
fn dates_are_read_in_several_forms() {
    for text in ["2026-11-21T14:23:00Z", "2026-11-21 14:23:00", "11/21/2026 2:23 PM", "11/21/2026"]
    {
        let rows = rows(&format!("url,date\nhttps://a/1,{text}\n"));
        assert_eq!(*rows.days.keys().next().unwrap(), date(2026, 11, 21), "{text}");
    }
    let rows = rows("url,date\nhttps://a/1,soon\n");
    assert_eq!(*rows.days.keys().next().unwrap(), UNDATED);
}

#[test]
fn a_player_of_whatconverts_is_turned_into_the_file() {
    let text = "Recording\nhttps://app.whatconverts.com/recording/RE1/play\n";
    let rows = Rows::parse(text, Links::WhatConverts).unwrap();
    assert!(url(objects(&rows)[0]).ends_with("/recording/RE1/download"));
}

#[test]
fn what_a_spreadsheet_calls_unicode_text_is_read() {
    let text = "\u{feff}Recording\tName\r\nhttps://a/1\tЗвонок\r\n";
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        let rows = rows(&table::decode(&bytes));
        assert_eq!(objects(&rows)[0].name.fields, ["Звонок"]);
    }
    assert_eq!(table::decode(text.as_bytes()), text);
}

#[test]
fn a_list_that_was_cut_off_gives_what_is_whole() {
    let rows = rows("Recording,Name,Notes\nhttps://a/1,one,x\nhttps://a/2,tw");
    assert_eq!(objects(&rows).len(), 1);
    assert!(rows.complaint().unwrap().contains("line 3: fewer columns"));
}

#[test]
fn a_quote_that_does_not_close_swallows_no_other_line() {
    let rows = rows(
        "Recording,Name,Notes\nhttps://a/1,\"one\",\"two\nlines\"\nhttps://a/2,\"Bob,x\n\
         https://a/3,three,y\nhttps://a/4,\"\"\"Ann\"\"\",z\nhttps://a/5,five,\"5\" pipe\n",
    );
    let urls: Vec<_> = objects(&rows).into_iter().map(url).collect();
    assert_eq!(urls, ["https://a/1", "https://a/3", "https://a/4", "https://a/5"]);
    let complaint = rows.complaint().unwrap();
    let told = "1 of 5 lines that cannot be used (line 4: a quote that opens here does not close)";
    assert_eq!(complaint, told);
    // One that another quote seems to close, lines later.
    let pair =
        "Recording,Name\nhttps://a/1,\"Bob\nhttps://a/2,x\nhttps://a/3,\"Ann\nhttps://a/4,y\n";
    let rows = Rows::parse(pair, Links::Any).unwrap();
    let urls: Vec<_> = objects(&rows).into_iter().map(url).collect();
    assert_eq!(urls, ["https://a/2", "https://a/4"]);
    assert!(rows.complaint().unwrap().contains("line 2: a quote"), "{:?}", rows.complaint());
}

#[test]
fn a_list_without_links_is_none() {
    for text in ["", "\n\n", "Name,Date\na,b\n", "{\"a\": 1}\n"] {
        assert!(matches!(Rows::parse(text, Links::Any), Err(ListError::NoLink { .. })), "{text}");
    }
}
