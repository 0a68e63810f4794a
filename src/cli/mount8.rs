//! Called as `mount.reelfs`, by mount(8): its arguments as ours.
//!
//! `mount -t reelfs PROFILE DIR -o since=30d,allow_other` becomes `reelfs mount PROFILE DIR
//! --since=30d --allow-other`, so that every flag is an option of a line in fstab.

use std::ffi::OsString;
use std::path::Path;

use crate::types::shell_word;

/// The name under which mount(8) looks for a helper: `mount.` and the type.
const NAME: &str = "mount.reelfs";

/// Options that are the business of mount(8), of systemd or of the kernel: see mount(8),
/// systemd.mount(5). What is mounted is read-only, and nothing in it runs or is a device, whatever
/// they say.
const OTHERS: [&str; 34] = [
    "_netdev",
    "async",
    "atime",
    "auto",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "group",
    "iversion",
    "lazytime",
    "nofail",
    "noatime",
    "noauto",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nouser",
    "owner",
    "relatime",
    "ro",
    "rw",
    "strictatime",
    "suid",
    "sync",
    "user",
    "users",
];

/// Whether this process was called by that name.
pub(super) fn is_called(arguments: &[OsString]) -> bool {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == NAME)
}

/// What would be typed for `mount.reelfs PROFILE DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]`.
/// `None` where nothing is to be done (`-f`).
pub(super) fn arguments(arguments: Vec<OsString>) -> Result<Option<Vec<OsString>>, String> {
    let (mut words, mut flags) = (Vec::new(), Vec::new());
    let (mut fake, mut remounts) = (false, false);
    let mut given = arguments.into_iter().skip(1);
    while let Some(word) = given.next() {
        let text = word.to_string_lossy();
        match text.as_ref() {
            "-o" | "-t" | "-N" => {
                let value = given.next().ok_or(format!("{text} needs a value"))?;
                if text == "-o" {
                    let options = value.into_string().map_err(|_| "the options are no text")?;
                    remounts |= options.split(',').any(|option| option == "remount");
                    flags.extend(options.split(',').filter_map(flag));
                }
            }
            _ if text.starts_with('-') && text.len() > 1 => {
                fake |= text.contains('f');
                flags.extend(text.contains('v').then(|| OsString::from("-v")));
            }
            _ => words.push(word),
        }
    }
    let [_, directory] = &words[..] else {
        return Err(format!("{NAME} PROFILE DIR [-o OPTIONS] is called by mount(8)"));
    };
    if remounts {
        let at = shell_word(Path::new(directory));
        return Err(format!(
            "-o remount: a mount of reelfs keeps the options that it began with\n\
             hint: `umount {at} && mount {at}` takes up others, `reelfs refresh {at}` asks the vendor again"
        ));
    }
    let begin = ["reelfs", "mount"].map(OsString::from);
    Ok((!fake).then(|| begin.into_iter().chain(words).chain(flags).collect()))
}

/// The flag of an option; none where it is others' business.
fn flag(option: &str) -> Option<OsString> {
    let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
    let ours = !(OTHERS.contains(&name)
        || name.is_empty()
        || name.starts_with("x-")
        || name.starts_with("X-")
        || name == "comment");
    let name = name.replace('_', "-");
    ours.then(|| value.map_or(format!("--{name}"), |value| format!("--{name}={value}")).into())
}

/// What is told of flags, as it is told of the options that they stand for: `--since <DATE>` as
/// `-o since=<DATE>`, and not how flags are typed.
pub(super) fn in_its_words(told: &str) -> String {
    let of_usage = |line: &str| ["Usage: ", "For more"].iter().any(|begin| line.starts_with(begin));
    let lines = told.lines().take_while(|line| !of_usage(line)).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("\n").replace("  tip: ", "hint: ");
    let mut parts = text.strip_prefix("error: ").unwrap_or(&text).split("--");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let begins = whole.ends_with(|c: char| c.is_whitespace() || "'`<|(".contains(c));
        let end = part.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let is_flag = begins && !name.is_empty();
        whole.push_str(if is_flag { "-o " } else { "--" });
        whole.push_str(name);
        let value = rest.strip_prefix(' ').filter(|rest| {
            is_flag && rest.starts_with(|c: char| c == '<' || c.is_ascii_uppercase())
        });
        whole.extend(value.map(|_| '='));
        whole.push_str(value.unwrap_or(rest));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Result<Option<Vec<OsString>>, String> {
        arguments(std::iter::once(&NAME).chain(words).map(OsString::from).collect())
    }

    #[test]
    fn options_of_a_line_in_fstab_become_flags() {
        let options = "rw,noauto,_netdev,x-systemd.automount,since=30d,allow_other,uid=7,user";
        let typed = given(&["support", "/srv/calls", "-o", options]).unwrap().unwrap();
        let wanted = ["reelfs", "mount", "support", "/srv/calls", "--since=30d", "--allow-other"];
        assert_eq!(
            typed,
            wanted.iter().chain(&["--uid=7"]).map(OsString::from).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_mount_itself_adds_is_understood() {
        let typed = given(&["-sv", "p", "-t", "reelfs", "/m"]).unwrap().unwrap();
        assert_eq!(typed, ["reelfs", "mount", "p", "/m", "-v"].map(OsString::from));
        assert_eq!(given(&["p", "/m", "-f"]).unwrap(), None);
        assert!(given(&["p"]).is_err() && given(&["p", "/m", "-o"]).is_err());
        assert!(is_called(&["/sbin/mount.reelfs".into()]) && !is_called(&["reelfs".into()]));
    }

    #[test]
    fn a_remount_is_refused_with_what_does_it() {
        let told = given(&["p", "/srv/my calls", "-o", "rw,remount,since=3d"]).unwrap_err();
        assert!(told.contains("umount '/srv/my calls' && mount '/srv/my calls'"), "{told}");
    }

    #[test]
    fn what_is_told_of_flags_is_told_of_options() {
        let told = "error: unexpected argument '--sinse' found\n\n  tip: a similar argument exists: \
                    '--since'\n\nUsage: reelfs mount --all <DIR>\n";
        let options =
            "unexpected argument '-o sinse' found\nhint: a similar argument exists: '-o since'";
        assert_eq!(in_its_words(told), options);
        assert_eq!(
            in_its_words("no '--from <FILE>' in /a--b c-- d"),
            "no '-o from=<FILE>' in /a--b c-- d"
        );
        assert_eq!(
            in_its_words("give --key-file FILE or --offline"),
            "give -o key-file=FILE or -o offline"
        );
    }
}
