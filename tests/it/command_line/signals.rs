//! Signals: whatever a mount is doing, it ends, and nothing is left mounted.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;
use std::thread;

use reelfs::sandbox::Options;

use super::{Running, daemons, ground_with_one_call, one_call, recording, unmount, unmounted};
use crate::ground::{Ground, can_mount, is_mounted, no_answer, send_signal, wait_until};

#[test]
fn a_signal_ends_a_mount_also_while_a_file_is_being_read() {
    if !can_mount() {
        return;
    }
    // An hour's worth, and more.
    let options = Options { rate: Some(200_000), ..Options::default() };
    let ground = Ground::new(options, one_call(1_000_000_000));
    for signal in ["INT", "TERM"] {
        let mount = ground.mount(&["--timeout", "1h"]);
        let mut file = File::open(recording(&ground.mountpoint())).unwrap();
        let (begun, told) = std::sync::mpsc::channel();
        let reader = thread::spawn(move || {
            let mut part = vec![0; 4096];
            while let Ok(1..) = file.read(&mut part) {
                let _ = begun.send(());
            }
        });
        told.recv().unwrap();
        assert_eq!(mount.end_with(signal), Some(0), "{signal}: {}", mount.log());
        assert!(!is_mounted(&ground.mountpoint()), "{signal}");
        reader.join().unwrap();
    }
}

#[test]
fn unmounting_ends_a_mount_in_the_foreground() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let mount = ground.mount(&[]);
    unmounted(&mut unmount(&ground.mountpoint(), &[]));
    assert_eq!(mount.wait(), Some(0), "{}", mount.log());
}

#[test]
fn a_signal_ends_a_mount_that_does_not_answer_yet() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    ground.sandbox.faults().add(no_answer());
    for signal in ["INT", "TERM"] {
        ground.sandbox.clear_requests();
        let mut mount = ground.mount_command(&["-f", "--timeout", "1h"]);
        let mut mount = Running::start(mount.stderr(Stdio::null()));
        wait_until("the API is asked", || !ground.sandbox.requests().is_empty());
        send_signal(mount.0.id(), signal);
        assert_eq!(mount.code(), Some(0), "{signal}");
        assert!(!is_mounted(&ground.mountpoint()), "{signal}");
    }
}

#[test]
fn a_mount_in_the_background_ends_with_the_command_that_waits_for_it() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    ground.sandbox.faults().add(no_answer());
    let mut typed = ground.mount_command(&["--timeout", "1h"]);
    let mut typed = Running::start(typed.stderr(Stdio::null()));
    wait_until("the API is asked", || !ground.sandbox.requests().is_empty());
    assert_eq!(daemons(&ground.mountpoint()).len(), 2);
    send_signal(typed.0.id(), "TERM");
    assert_eq!(typed.code(), None, "the signal ended it");
    wait_until("the child ends", || daemons(&ground.mountpoint()).is_empty());
    assert!(!is_mounted(&ground.mountpoint()));
}
