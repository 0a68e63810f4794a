//! `.find/QUERY/`: links to what a query finds.

use super::*;
use crate::ground::names;

#[test]
fn a_query_is_a_directory_of_links_that_costs_nothing_until_it_is_read() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "50d"]);
    let before = ground.sandbox.requests().len();
    assert_eq!(names(&mount.path("")), ["index", "logs", "recordings", "transcripts"]);
    assert_eq!(names(&mount.path(".find")), Vec::<String>::new());
    let query = mount.path(".find/number=+1555123,kind=recordings,since=7d");
    assert!(query.is_dir());
    assert_eq!(ground.sandbox.requests().len(), before, "only named");
    let found = names(&query);
    assert_eq!(found.len(), 2);
    let record = record_of(&ground, at(days_ago(2), 9, 0, 0));
    let first = format!("{}-090000-in-+15551230002-{record}.mp3", days_ago(2));
    assert_eq!(found[0], first);
    let link = query.join(&first);
    let target = fs::read_link(&link).unwrap();
    assert!(target.starts_with(format!("../../recordings/{}", slashed(days_ago(2)))), "{target:?}");
    assert_eq!(fs::symlink_metadata(&link).unwrap().len(), target.as_os_str().len() as u64);
    assert_eq!(fs::read(&link).unwrap(), Content::ramp(7, 1000).to_bytes());
    assert_eq!(fs::metadata(&link).unwrap().size(), 1000);
    // Tools follow the links.
    let copies = ground.dir.path().join("copies");
    sh(&format!("rsync -aL {}/ {}/", query.display(), copies.display()));
    assert_eq!(names(&copies), found);
    let inode = |path: &PathBuf| fs::symlink_metadata(path).unwrap().ino();
    let (directory, number) = (inode(&query), inode(&link));
    for n in 0..300 {
        assert!(mount.path(format!(".find/text=another{n}")).is_dir());
    }
    assert_eq!((inode(&query), inode(&link)), (directory, number), "forgotten, and named again");
}

#[test]
fn words_are_a_query_and_what_is_none_is_refused() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "50d"]);
    assert_eq!(names(&mount.path(".find/refund promised")).len(), 3);
    assert_eq!(names(&mount.path(".find/\"refund promised\",kind=log")).len(), 1);
    assert_eq!(names(&mount.path(".find/text=nothing of the kind")), Vec::<String>::new());
    let error = |name: &str| fs::metadata(mount.path(".find").join(name)).unwrap_err();
    for name in ["sicne=7d", "since=soon", "*", "kind=index"] {
        assert_eq!(error(name).raw_os_error(), Some(libc::EINVAL), "{name}");
    }
    wait_until("the log says why", || {
        mount.log().contains("sicne") && mount.log().contains("number, app")
    });
    let requests = ground.sandbox.requests().len();
    for name in [".git", ".hidden", ".Trash-1000"] {
        assert_eq!(error(name).raw_os_error(), Some(libc::ENOENT), "{name}");
    }
    let missing = fs::metadata(mount.path(".find/refund promised/.git")).unwrap_err();
    assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(ground.sandbox.requests().len(), requests);
    let refused = fs::create_dir(mount.path(".find/new=1")).unwrap_err();
    assert!(matches!(refused.raw_os_error(), Some(libc::EINVAL | libc::EROFS)), "{refused}");
}

#[test]
fn whoever_walks_the_tree_does_not_walk_into_it() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "3d"]);
    let at = mount.path("").display().to_string();
    assert!(mount.path(".find/app=support").is_dir());
    let walked = sh(&format!("find {at}; ls -aR {at}; tar -C {at} -cf - . | tar -tf -"));
    assert!(!walked.contains(".find"), "{walked}");
}

#[test]
fn a_directory_that_cannot_be_complete_is_an_error() {
    if !can_mount() {
        return;
    }
    let ground = Ground::new(Options::default(), account());
    let mount = mount(&ground, &["--since", "50d", "--timeout", "2s"]);
    assert_eq!(names(&mount.path(".find/app=support,since=2d,kind=logs")).len(), 2);
    ground.sandbox.set_online(false);
    assert_eq!(names(&mount.path(".find/app=sales,since=2d")).len(), 0, "those days are known");
    let refused = fs::read_dir(mount.path(".find/app=support")).map(drop).unwrap_err();
    // A server that goes away refuses connections, or breaks them.
    let is_away =
        matches!(refused.raw_os_error(), Some(libc::EHOSTUNREACH | libc::EIO | libc::ETIMEDOUT));
    assert!(is_away, "{refused}");
    ground.sandbox.set_online(true);
    let query = mount.path(".find/app=support");
    wait_until("it is complete", || fs::read_dir(&query).is_ok());
    assert_eq!(names(&query).len(), 6);
}

#[test]
fn all_profiles_of_an_agency_are_searched() {
    if !can_mount() {
        return;
    }
    let mut agency = Agency::empty(1);
    for (profile, said) in [(0, "a refund"), (1, "hello"), (2, "no refund")] {
        let call = NewLead::call(at(days_ago(1), 9, 0, 0)).profile(profile);
        agency.add(call.recording(Content::ramp(1, 1_000)).transcript(said));
    }
    let ground = Ground::agency(Options::default(), agency);
    let mut command = ground.mount_command_of("whatconverts", &["--since", "3d"]);
    command.arg("--key-file").arg(ground.dir.path().join("keys/whatconverts-master.json"));
    let mount = start(&ground, command);
    let query = mount.path(".find/refund,kind=recordings");
    let links = names(&query);
    assert_eq!(links.len(), 2);
    for link in links {
        assert!(fs::read(query.join(link)).unwrap() == Content::ramp(1, 1_000).to_bytes());
    }
    let (paths, code) = found(&ground, &["--text", "refund", "--kind", "recordings"]);
    assert_eq!((paths.len(), code), (2, Some(0)));
    assert!(paths.iter().all(|path| mount.path(path).is_file()), "{paths:?}");
}
