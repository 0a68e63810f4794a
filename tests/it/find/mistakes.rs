//! What somebody new types: where nothing can come of it he is told why, and what to type instead.

use super::*;

#[test]
fn what_makes_no_sense_is_an_error_of_usage() {
    let ground = Ground::new(Options::default(), Account::empty(1));
    let config = ground.dir.path().join("config.toml");
    fs::write(&config, "[profiles.calls]\nsource = \"voximplant\"\ncredentials = \"key\"\n")
        .unwrap();
    let config = config.to_str().unwrap();
    for (arguments, told) in [
        (&["--since", "soon"][..], "since: \"soon\": expected a day"),
        (&["--kind", "index"], "expected recordings, logs or transcripts"),
        (&["--text", "--"], "expected words"),
        (
            &["--offline"],
            "nothing is looked for\nhint: say what with one or more of --number, --app",
        ),
        (&["/"], "nothing is looked for\nhint: "),
        (&["--app", "a", "-0", "--json"], "cannot be used with"),
        (
            &["--since", "today", "--until", "2026-01-31"],
            "since is later than until: no call can match",
        ),
        (&["--since", "9999-12-31"], "since is yet to come (days and times are UTC): no call"),
        (
            &["--min-duration", "2m", "--max-duration", "1m"],
            "min-duration is longer than max-duration",
        ),
        (&["number=+1555"], "is no mount and no profile\nhint: `--number +1555` looks for it"),
        (&["app=sales", "since=7d"], "hint: `--app sales` looks for it"),
        (&["calls", "refund"], "refund is no mount and no profile\nhint: `--text refund` looks"),
        (&["refund"], "no profile `refund` in"),
        (&["refund"], "hint: `--text refund` looks for it in calls"),
        (&["+1 (555)"], "hint: `--number '+1 (555)'` looks for it in calls"),
    ] {
        let refused = find_in(&ground, &[arguments, &["--config", config]].concat());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(text(&refused.stderr).contains(told), "{arguments:?}: {}", text(&refused.stderr));
    }
}

#[test]
fn an_end_before_all_that_is_shown_is_told() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "5d"]);
    let old = days_ago(30).to_string();
    let told = find(&ground, &["--app", "sales", "--until", &old]);
    let wanted = format!("warning: {old} was not searched: the mount does not show those days");
    assert!(text(&told.stderr).starts_with(&wanted), "{told:?}");
    assert_eq!(told.status.code(), Some(3));
    assert_eq!(find(&ground, &["--app", "sales", "--until", "yesterday"]).status.code(), Some(0));
    let never = fs::metadata(mount.path(".find/since=today,until=yesterday")).unwrap_err();
    assert_eq!(never.raw_os_error(), Some(libc::EINVAL));
    wait_until("the log says why", || mount.log().contains("since is later than until"));
}
