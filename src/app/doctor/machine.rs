//! What a mount needs of the machine: the kernel, FUSE, certificates; and who else may read it all.

use std::fs;
use std::path::Path;

use super::super::problem::Problem;
use super::super::pulse;
use super::super::status::mounts;
use super::{Finding, Verdict};
use crate::fuse::mountpoint;

/// The oldest kernel that the mount works on.
const KERNEL: (u32, u32) = (5, 4);
/// The first kernel with FUSE passthrough.
const PASSTHROUGH: (u32, u32) = (6, 9);
/// Where Debian and others keep the certificates of authorities.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];
/// The configuration of updatedb, which would read every directory of every mount.
const UPDATEDB: &str = "/etc/updatedb.conf";

/// All of it.
pub(super) fn findings() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let is_root = nix::unistd::geteuid().is_root();
    let mut findings = kernel(release.trim(), is_root);
    findings.push(match mountpoint::check_ground(false) {
        Ok(()) if is_root => Finding::good("FUSE: /dev/fuse is there, and root mounts by itself"),
        Ok(()) => Finding::good("FUSE: /dev/fuse and fusermount3 are there"),
        Err(error) => Finding::problem(Verdict::Bad, "FUSE", Problem::from(error)),
    });
    if mountpoint::check_ground(false).is_ok() {
        findings.push(match mountpoint::check_ground(true) {
            Ok(()) => Finding::good("--allow-other: permitted"),
            Err(error) => Finding::problem(Verdict::Note, "--allow-other", Problem::from(error)),
        });
    }
    let lost = pulse::lost(&mounts()).into_iter().map(|lost| lost.problem());
    findings.extend(lost.map(|problem| Finding::problem(Verdict::Bad, "mount", problem)));
    findings.push(certificates());
    findings.extend(updatedb(fs::read_to_string(UPDATEDB).ok().as_deref()));
    findings
}

fn kernel(release: &str, is_root: bool) -> Vec<Finding> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return vec![Finding::note(format!("kernel: {release} is no version that is understood"))];
    };
    let version: (u32, u32) = (major, minor);
    if version < KERNEL {
        let fix = format!("{}.{} is the oldest that works", KERNEL.0, KERNEL.1);
        return vec![Finding::bad(format!("kernel: {release} is too old")).fix(fix)];
    }
    let passthrough = match (version < PASSTHROUGH, is_root) {
        (true, _) => "without FUSE passthrough (6.9 has it)",
        (false, true) => "with FUSE passthrough for whole cached files",
        (false, false) => "with FUSE passthrough, which root's mounts alone may use",
    };
    vec![Finding::good(format!("kernel: {release}, {passthrough}"))]
}

fn certificates() -> Finding {
    let file = CERTIFICATES.iter().find(|path| Path::new(path).exists());
    let named = std::env::var("SSL_CERT_FILE").is_ok() || std::env::var("SSL_CERT_DIR").is_ok();
    match file {
        Some(path) => Finding::good(format!("certificates: {path}")),
        None if named => Finding::good("certificates: named by SSL_CERT_FILE or SSL_CERT_DIR"),
        None => Finding::bad("certificates: no authority is trusted on this machine")
            .fix("apt install ca-certificates, or give --ca-cert FILE"),
    }
}

/// Whether updatedb keeps out; nothing where it is not installed.
fn updatedb(config: Option<&str>) -> Option<Finding> {
    let pruned = config?.lines().find_map(|line| line.trim().strip_prefix("PRUNEFS"));
    let words = pruned.unwrap_or_default().split(|c: char| c.is_whitespace() || "=\"".contains(c));
    let kept_out = words.into_iter().any(|word| word == "fuse.reelfs" || word == "fuse");
    Some(if kept_out {
        Finding::good("updatedb: keeps out of mounts")
    } else {
        Finding::note("updatedb: would walk through every mount, at a request for each day")
            .fix(format!("add fuse.reelfs to PRUNEFS in {UPDATEDB}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_by_their_numbers() {
        let verdict = |release| kernel(release, true)[0].verdict;
        assert!(verdict("5.3.0-1-amd64") == Verdict::Bad && verdict("4.19.0") == Verdict::Bad);
        assert!(verdict("5.4.0") == Verdict::Good && verdict("6.18.44-x") == Verdict::Good);
        let told = |is_root| kernel("6.9.1", is_root)[0].what.clone();
        assert!(told(true).contains("with FUSE") && told(false).contains("root's"));
        assert!(verdict("odd") == Verdict::Note);
    }

    #[test]
    fn updatedb_keeps_out_only_where_the_type_is_named() {
        let verdict = |config| updatedb(config).map(|finding| finding.verdict);
        assert!(verdict(None).is_none());
        assert!(verdict(Some("PRUNEFS=\"NFS fuse.sshfs\"")) == Some(Verdict::Note));
        assert!(verdict(Some("PRUNEFS = \"NFS fuse.reelfs\"")) == Some(Verdict::Good));
        assert!(verdict(Some("")) == Some(Verdict::Note));
    }
}
