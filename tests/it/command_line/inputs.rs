//! What is named on the command line: pipes are as good as files, devices and what never ends are
//! refused, and what cannot be meant together is a usage error.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::{AtEnd, ground_with_one_call, recording, refusal, success, unmount, unmounted};
use crate::ground::{Ground, REELFS, can_mount, is_mounted, output, sh, text, wait_until};

/// `reelfs mount` of the sandbox as words of a shell, without what opens it.
fn words(ground: &Ground, kind: &str) -> String {
    fs::create_dir_all(ground.mountpoint()).unwrap();
    let (at, url, home) = (ground.mountpoint(), ground.sandbox.base_url(), ground.dir.path());
    let (at, home) = (at.display(), home.display());
    format!(
        "XDG_STATE_HOME={home} XDG_CACHE_HOME={home} {REELFS} mount {kind} {at} --api-url {url}"
    )
}

#[test]
fn a_secret_that_a_shell_substitutes_is_taken_also_in_the_background() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let key = ground.credentials().display().to_string();
    let header = sh(&format!("{REELFS} auth-header --credentials <(cat {key})"));
    assert!(header.starts_with("Authorization: Bearer "), "{header}");
    let _end = AtEnd(ground.mountpoint());
    sh(&format!("{} --credentials <(cat {key})", words(&ground, "voximplant")));
    assert_eq!(fs::read(recording(&ground.mountpoint())).unwrap().len(), 1000);
    unmounted(&mut unmount(&ground.mountpoint(), &[]));
    let empty = format!("{REELFS} auth-header --credentials <(true)");
    let told = text(&output(Command::new("bash").args(["-c", &empty])).stderr);
    assert!(told.contains("is empty"), "{told}");
}

#[test]
fn a_list_comes_from_a_pipe_or_from_standard_input() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let link = ground.sandbox.link(ground.sandbox.account().files()[0]);
    let key = ground.credentials().display().to_string();
    let mount = format!("{} --auth voximplant --credentials {key}", words(&ground, "list"));
    for script in
        [format!("{mount} --from <(echo '{link}')"), format!("echo '{link}' | {mount} --from -")]
    {
        let at = ground.mountpoint();
        let _end = AtEnd(at.clone());
        sh(&script);
        // The entry, not only its path, would keep the directory open.
        let file = fs::read_dir(at.join("recordings")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(fs::metadata(file).unwrap().len(), 1000);
        unmounted(&mut unmount(&at, &[]));
        wait_until("it is unmounted", || !is_mounted(&at));
    }
}

#[test]
fn devices_and_what_is_too_large_are_refused_by_name() {
    let ground = ground_with_one_call();
    let large = ground.dir.path().join("large");
    fs::write(&large, vec![b'x'; (16 << 20) + 1]).unwrap();
    fs::set_permissions(&large, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = |kind: &str, more: &[&str]| {
        refusal(&mut ground.mount_command_of(kind, &[more, &["-f"]].concat()), 1)
    };
    let account = ["--account-id", "1", "--api-key-file"];
    let key = ground.credentials().display().to_string();
    let opened = ["--credentials", &key];
    for path in [Path::new("/dev/zero"), &large] {
        let path = path.to_str().unwrap();
        let why = if path == "/dev/zero" { "is a device, not a file" } else { "is larger than" };
        for (kind, more) in [
            ("voximplant", vec!["--credentials", path]),
            ("voximplant", [&account[..], &[path]].concat()),
            ("voximplant", [&opened[..], &["--ca-cert", path]].concat()),
            ("voximplant", [&opened[..], &["--cache-key-file", path]].concat()),
            ("whatconverts", vec!["--key-file", path]),
        ] {
            let told = refused(kind, &more);
            assert!(told.contains(path) && told.contains(why), "{more:?}: {told}");
            assert!(told.contains("hint: ") || more.contains(&"--cache-key-file"), "{told}");
        }
    }
    assert!(refused("list", &["--from", "/dev/zero"]).contains("/dev/zero: is a device"));
    let config = ["config", "check", "--config", "/dev/zero"];
    let told = refusal(Command::new(REELFS).args(config), 2);
    assert!(told.contains("/dev/zero: is no file"), "{told}");
}

#[test]
fn two_keys_for_one_account_are_a_usage_error() {
    let ground = ground_with_one_call();
    let key = ground.credentials().display().to_string();
    let both = ["--credentials", &key, "--account-id", "1"];
    let told = refusal(&mut ground.mount_command_of("voximplant", &both), 2);
    assert!(told.contains("--credentials") && told.contains("--account-id"), "{told}");
    // A variable that is set for every command gives way to what is typed.
    let typed = ["--account-id", "1", "--api-key-file", "/nonexistent/key", "-f"];
    let mut command = ground.mount_command_of("voximplant", &typed);
    let told = refusal(command.env("VOXIMPLANT_CREDENTIALS", &key), 1);
    assert!(told.contains("/nonexistent/key"), "{told}");

    let config = ground.dir.path().join("config.toml");
    let profile =
        format!("[profiles.a]\nsource = \"voximplant\"\ncredentials = \"{key}\"\naccount-id = 1\n");
    fs::write(&config, profile).unwrap();
    let mut check = Command::new(REELFS);
    let checked = output(check.args(["config", "check", "--config"]).arg(&config));
    let told = text(&checked.stdout) + &text(&checked.stderr);
    assert!(!checked.status.success() && told.contains("config.toml:1:"), "{told}");
    assert!(told.contains("--account-id"), "{told}");
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_away() {
    let ground = ground_with_one_call();
    let url = ground.sandbox.base_url().replace("http://", "https://");
    let mut command = Command::new(REELFS);
    command.args(["apps", "--timeout", "1h", "--api-url", &url, "--credentials"]);
    let told = refusal(command.arg(ground.credentials()), 1);
    assert!(told.contains("the server speaks no TLS"), "{told}");
    assert!(told.contains("hint: ") && !told.contains("check the network"), "{told}");
}

#[test]
fn the_key_of_the_cache_may_be_a_credential_of_the_service() {
    if !can_mount() {
        return;
    }
    let ground = ground_with_one_call();
    let credentials = ground.dir.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let key = credentials.join("reelfs-cache-key");
    fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let mut command = ground.mount_command(&[]);
    let mount = ground.start({
        command.env("CREDENTIALS_DIRECTORY", &credentials);
        command
    });
    fs::read(recording(&ground.mountpoint())).unwrap();
    mount.end_with("TERM");
    let cache = ground.dir.path().join("cache/reelfs");
    let info = |with: bool| {
        let mut command = Command::new(REELFS);
        command.args(["cache", "info", "--cache-dir"]).arg(&cache);
        if with {
            command.env("CREDENTIALS_DIRECTORY", &credentials);
        }
        command
    };
    assert!(success(&mut info(true)).contains("sealed"));
    let told = refusal(&mut info(false), 1);
    assert!(told.contains("no key was given"), "{told}");
}
