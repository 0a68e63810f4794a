//! The plain pages under `/files/`: every file once, open to everybody, and only on demand.

use super::*;

async fn text(caller: &Caller, path: &str) -> Option<String> {
    let url = format!("{}{path}", caller.sandbox.base_url());
    let response = caller.client.get(url).send().await.unwrap();
    let html = header(&response, "content-type").is_some_and(|kind| kind.starts_with("text/html"));
    match response.status() {
        StatusCode::OK if html => Some(response.text().await.unwrap()),
        _ => None,
    }
}

/// Every file that the pages below `path` lead to.
async fn walk(caller: &Caller, path: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let page = text(caller, &folder).await.unwrap_or_else(|| panic!("no page {folder}"));
        let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        for (name, _) in links.filter(|(name, _)| *name != "../") {
            let found = format!("{folder}{name}");
            if name.ends_with('/') { folders.push(found) } else { files.push(found) }
        }
    }
    files
}

#[tokio::test]
async fn pages_lead_to_every_file_once_without_authorization() {
    let options = Options { pages: true, ..Options::default() };
    let caller = Caller::start(options, generate(7)).await;
    let account = caller.sandbox.account();
    let found = walk(&caller, "/files/").await;
    assert_eq!(found.len(), account.files().len());
    let mut bytes = Vec::new();
    for path in &found {
        let url = format!("{}{path}", caller.sandbox.base_url());
        bytes.push(caller.client.get(url).send().await.unwrap().bytes().await.unwrap());
    }
    let mut truth: Vec<_> = account.files().iter().map(|file| file.content.to_bytes()).collect();
    bytes.sort();
    truth.sort();
    assert!(bytes == truth);
    assert!(text(&caller, "/files/logs/1999/").await.is_none());
    let url = format!("{}/files/logs", caller.sandbox.base_url());
    let moved = caller.client.get(url).send().await.unwrap();
    assert_eq!(header(&moved, "location").as_deref(), Some("/files/logs/"));
}

#[tokio::test]
async fn pages_are_off_unless_asked_for() {
    let caller = Caller::generated().await;
    assert!(text(&caller, "/files/").await.is_none());
    let account = caller.sandbox.account();
    let file = account.files().into_iter().find(|file| file.kind == Kind::Log).unwrap();
    let (_, rest) = file.target[1..].split_once('/').unwrap();
    assert!(text(&caller, &format!("/files/logs/{rest}")).await.is_none());
}
