//! What a package brings beside the program: man pages, completions, the unit.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::success;
use crate::ground::{REELFS, sh};

fn reelfs(arguments: &[&str]) -> Command {
    let mut command = Command::new(REELFS);
    command.args(arguments);
    command
}

/// The names of the commands that `--help` shows.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_has_a_man_page_and_completions() {
    let directory = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
    let at = directory.path();
    success(&mut reelfs(&["generate", at.to_str().unwrap()]));
    let commands = commands(&success(&mut reelfs(&["--help"])));
    assert!(commands.contains(&"mount".to_owned()), "{commands:?}");
    let completions =
        ["reelfs.bash", "_reelfs", "reelfs.fish"].map(|name| at.join("completions").join(name));
    for name in commands.iter().filter(|name| *name != "help") {
        let page = fs::read_to_string(at.join(format!("man/reelfs-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
        for shell in &completions {
            assert!(fs::read_to_string(shell).unwrap().contains(name), "{name}, {shell:?}");
        }
    }
    let mount = fs::read_to_string(at.join("man/reelfs-mount-voximplant.1")).unwrap();
    assert!(mount.contains("since") && !mount.contains("token\\-life"), "hidden stays hidden");
    assert!(!at.join("man/reelfs-alive.1").exists());
    sh(&format!("bash -n {}", completions[0].display()));
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    let pages: [&[&str]; 6] = [
        &["--help"],
        &["mount", "--help"],
        &["mount", "voximplant", "--help"],
        &["mount", "list", "--help"],
        &["status", "--help"],
        &["doctor", "--help"],
    ];
    for page in pages {
        let help = success(reelfs(page).env("COLUMNS", "80"));
        let long: Vec<_> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{page:?}: {long:#?}");
    }
}

#[test]
fn the_unit_keeps_the_mount_where_others_see_it() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/reelfs@.service");
    let text = fs::read_to_string(unit).unwrap();
    let settings: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    // systemd.exec(5): each of these gives the service a mount namespace of its own.
    for namespace in [
        "ProtectSystem=",
        "ProtectHome=",
        "PrivateTmp=",
        "PrivateDevices=",
        "PrivateMounts=",
        "ProtectKernelTunables=",
        "ProtectKernelModules=",
        "ProtectKernelLogs=",
        "ProtectControlGroups=",
        "ReadWritePaths=",
        "ReadOnlyPaths=",
        "InaccessiblePaths=",
        "BindPaths=",
        "DynamicUser=",
        "RootDirectory=",
    ] {
        assert!(!settings.iter().any(|line| line.starts_with(namespace)), "{namespace}");
    }
    for wanted in ["Type=notify", "WatchdogSec=60s", "DeviceAllow=/dev/fuse rw"] {
        assert!(settings.contains(&wanted), "{wanted}");
    }
}
