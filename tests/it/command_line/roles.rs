//! A key that may not list calls: it mounts, and says once what it lacks.

use std::fs;
use std::io::ErrorKind;

use reelfs::sandbox::Options;

use super::{AtEnd, one_call, unmount, unmounted};
use crate::ground::{Ground, can_mount, days_ago, output, slashed, text};

const ROLES: &str = "owner, developer, admin, supervisor or support";

#[test]
fn a_key_without_the_log_roles_mounts_and_its_lack_is_told_once() {
    if !can_mount() {
        return;
    }
    let options = Options { log_roles: false, ..Options::default() };
    let ground = Ground::new(options, one_call(1000));
    let at = ground.mountpoint();
    let _end = AtEnd(at.clone());
    let mounting = output(&mut ground.mount_command(&[]));
    let said = text(&mounting.stderr);
    assert!(mounting.status.success(), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("warning: ") && said.contains(ROLES), "{said}");

    for area in ["recordings", "logs"] {
        let refused = fs::read_dir(at.join(area).join(slashed(days_ago(1)))).map(drop);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied, "{area}");
    }
    assert!(at.join("logs").join(slashed(days_ago(1))).is_dir(), "the calendar stays");
    unmounted(&mut unmount(&at, &[]));
    let log = fs::read_to_string(ground.dir.path().join("state/reelfs/reelfs.log")).unwrap();
    assert_eq!(log.matches(ROLES).count(), 1, "{log}");
}
