//! A cache under a key: nothing in it can be read, and nothing at all once the key is destroyed.

use super::*;

#[test]
fn a_sealed_cache_holds_nothing_that_can_be_read() {
    if !can_mount() {
        return;
    }
    let ground = ground(3);
    let key = key_file(&ground, "cache.key", KEY);
    let sealed = ["--since", "3d", "--cache-key-file", &key];
    let first = {
        let mount = ground.mount(&sealed);
        let first = contents(&mount);
        wait_until_cached(&mount, &first);
        first
    };
    let files = WalkDir::new(cache(&ground)).into_iter().map(Result::unwrap);
    let files: Vec<_> = files.filter(|entry| entry.file_type().is_file()).collect();
    assert!(files.len() > 6, "{files:?}");
    let session = ground.sandbox.account().sessions()[0].id.to_string();
    let mut ramp = Vec::new();
    ramp.extend(0..200_u8);
    for file in files {
        let bytes = fs::read(file.path()).unwrap();
        let name = file.file_name().to_str().unwrap();
        for needle in ["15551230001", "planted", "support", "127.0.0.1", &session] {
            let has = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
            assert!(!has && !name.contains(needle), "{needle} in {name}");
        }
        assert!(!bytes.windows(ramp.len()).any(|part| part == ramp), "a recording in {name}");
    }
    ground.sandbox.clear_requests();
    {
        let mount = ground.mount(&sealed);
        assert_eq!(contents(&mount), first);
        assert_eq!(ground.media_requests().len(), 0);
    }
    let wrong = key_file(&ground, "wrong.key", "another key, which is long enough as well");
    for (arguments, says) in [
        (&["-f", "--cache-key-file", &wrong][..], "is not the key of this cache"),
        (&["-f"], "the cache is sealed, and no key was given"),
        (&["-f", "--cache-key-file", "/no/such/key"], "/dev/urandom"),
    ] {
        let refused = output(&mut ground.mount_command(arguments));
        assert_eq!(refused.status.code(), Some(1));
        let told = text(&refused.stderr);
        assert!(told.contains(says) && told.matches("os error").count() < 2, "{told}");
    }
    let destroyed = output(&mut reelfs(&ground, &["cache", "destroy-key"]));
    assert!(destroyed.status.success(), "{destroyed:?}");
    // Neither the key nor its absence makes of it a cache that is used again, before it is cleared.
    for arguments in
        [&["-f", "--cache-key-file", &key][..], &["-f", "--cache-key-file", &wrong], &["-f"]]
    {
        let refused = output(&mut ground.mount_command(arguments));
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
        let told = text(&refused.stderr);
        assert!(
            told.contains("key of the cache was destroyed") && told.contains("clear"),
            "{told}"
        );
    }
    let info = output(&mut reelfs(&ground, &["cache", "info"]));
    assert!(text(&info.stdout).contains("sealed, and the key was destroyed"), "{info:?}");
    assert!(output(&mut reelfs(&ground, &["cache", "clear"])).status.success());
    assert_eq!(contents(&ground.mount(&sealed)), first);
}
