//! What could not be searched is told: once, clearly, and with what to do about it.

use super::*;

#[test]
fn a_transcript_that_is_too_long_is_told_as_that_and_not_as_one_to_be_fetched() {
    if !can_mount() {
        return;
    }
    let mut account = account();
    let said = "Left : we talk and talk\n".repeat(200_000);
    let record = NewRecord::new(Content::ramp(7, 1000)).lasting(60);
    let record = record.transcript(Transcript::Complete(Content::bytes(said)));
    account.add(NewSession::at(at(days_ago(2), 10, 0, 0)).incoming("+1").record(record));
    let ground = Ground::new(Options::default(), account);
    let mount = mount(&ground, &["--since", "5d"]);
    let warm = output(Command::new(REELFS).arg("warm").arg(mount.path("transcripts")));
    assert!(warm.status.success(), "{warm:?}");
    // Twice: with the index, too.
    for _ in 0..2 {
        let told = find(&ground, &["--text", "refund"]);
        assert_eq!(told.status.code(), Some(3), "{told:?}");
        let wanted = "warning: 1 transcript is longer than 4.0 MiB, the most that is searched\n";
        assert_eq!(text(&told.stderr), wanted);
        assert_eq!(text(&told.stdout).lines().count(), 6, "{told:?}");
    }
}
