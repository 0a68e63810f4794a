//! `playlist.m3u8`: a player plays a day.

use reelfs::sandbox::Media;

use super::*;

#[test]
fn a_day_has_a_playlist_of_its_recordings_that_costs_no_request() {
    if !can_mount() {
        return;
    }
    let mut account = Account::empty(1);
    let day = days_ago(1);
    // The first goes on past midnight.
    let late = NewRecord::media(&Media::speech()).beginning(120).lasting(5);
    account
        .add(NewSession::at(at(day, 23, 59, 0)).lasting(300).outgoing("+15550000009").record(late));
    let early = NewRecord::media(&Media::speech()).lasting(7);
    account.add(NewSession::at(at(day, 9, 0, 0)).lasting(9).incoming("+15551230001").record(early));
    let ground = Ground::new(Options::default(), account);
    let mount = mount(&ground, &["--since", "3d"]);
    let directory = mount.path("recordings").join(slashed(day));
    let path = directory.join("playlist.m3u8");
    let text = fs::read_to_string(&path).unwrap();
    let wanted = format!(
        "#EXTM3U\n#EXTINF:7,09:00:00 in +15551230001\n090000-in-+15551230001-{}.mp3\n\
         #EXTINF:5,00:01:00 out +15550000009\n000100-out-+15550000009-{}.mp3\n",
        record_of(&ground, at(day, 9, 0, 0)),
        record_of(&ground, at(day, 23, 59, 0))
    );
    assert_eq!(text, wanted);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), text.len() as u64);
    assert_eq!(metadata.mtime(), at(days_ago(0), 0, 4, 0).as_second(), "the end of the last call");
    assert_eq!(ground.media_requests().len(), 0);
    // No day without recordings, and no other area, has one.
    let empty = mount.path("recordings").join(slashed(days_ago(2)));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert!(!empty.join("playlist.m3u8").exists());
    assert!(!mount.path("logs").join(slashed(day)).join("playlist.m3u8").exists());
    // It names what players open, from where it stands.
    let names: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for name in &names {
        sh(&format!("cd {} && ffprobe -v error {name}", directory.display()));
    }
    // Played one after another, as a player does.
    let list: Vec<_> =
        names.iter().map(|name| format!("file '{}'", directory.join(name).display())).collect();
    let list_file = ground.dir.path().join("list.txt");
    fs::write(&list_file, list.join("\n")).unwrap();
    sh(&format!("ffmpeg -v error -xerror -f concat -safe 0 -i {} -f null -", list_file.display()));
}

#[test]
fn a_file_that_has_the_playlists_name_keeps_it() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), Account::empty(1));
    let list = ground.dir.path().join("leads.csv");
    let day = days_ago(2);
    fs::write(&list, format!("url,name,date\nhttps://media.example/a.m3u8,playlist,{day}\n"))
        .unwrap();
    let mut command = ground.mount_command_of("list", &["--from", list.to_str().unwrap()]);
    command.args(["--auth", "none"]);
    let mount = start(&ground, command);
    let directory = mount.path("recordings").join(slashed(day));
    let names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["playlist.m3u8"]);
}
