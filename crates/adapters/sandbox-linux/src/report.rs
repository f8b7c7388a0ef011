//! What this host offers, for `lambent doctor`.

use std::path::Path;

use crate::cgroups::{self, Survey};
use crate::shells::FIRST_HOST_ID;

/// How well something is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It goes without, with a loss that `detail` names.
    Degraded,
    /// Functions can't run.
    Missing,
}

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// The command or setting that would mend it.
    pub remedy: Option<String>,
}

fn good(name: &'static str, detail: impl Into<String>) -> Check {
    Check { name, verdict: Verdict::Good, detail: detail.into(), remedy: None }
}

fn lacking(name: &'static str, verdict: Verdict, detail: impl Into<String>, remedy: &str) -> Check {
    Check { name, verdict, detail: detail.into(), remedy: Some(remedy.to_owned()) }
}

/// Looks at the host without changing anything.
pub fn host_report() -> Vec<Check> {
    let root = rustix::process::geteuid().is_root();
    vec![
        kernel(),
        user(root),
        user_namespaces(root),
        cgroup(),
        tmp(root),
        seccomp(),
        landlock_check(),
        egress(root),
        parking(),
        overlayfs(),
    ]
}

/// `pidfd` at `clone3`, `openat2`, `LOOP_CONFIGURE`: the last of them came with this one.
const OLDEST_KERNEL: (u32, u32) = (5, 8);

fn kernel() -> Check {
    let (major, minor) = crate::setup::kernel_version();
    let detail = format!("Linux {major}.{minor}");
    if (major, minor) < OLDEST_KERNEL {
        return lacking("kernel", Verdict::Missing, detail, "use Linux 5.8 or later");
    }
    // Only asked whether it is there: a container's own filter may refuse what the kernel has.
    let resolve = rustix::fs::ResolveFlags::BENEATH;
    let (flags, mode) = (rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty());
    match rustix::fs::openat2(rustix::fs::CWD, ".", flags, mode, resolve) {
        Ok(_) => good("kernel", detail),
        Err(errno) => {
            let detail = format!("{detail}, but openat2 is refused: {errno}");
            lacking("kernel", Verdict::Missing, detail, "allow openat2 in the container's seccomp profile")
        }
    }
}

fn landlock_check() -> Check {
    match crate::landlock::usable_abi() {
        Some(abi) => good("landlock", format!("ABI {abi}")),
        None => lacking(
            "landlock",
            Verdict::Degraded,
            "not available: the file tree has one fence instead of two",
            "boot with landlock in the kernel's lsm= list (Linux 5.19 or later)",
        ),
    }
}

fn egress(root: bool) -> Check {
    let name = "network";
    match crate::egress::survey(root) {
        Ok(blocked) if blocked.is_empty() => {
            good(name, "functions reach what the host reaches, except the host itself (--egress nat)")
        }
        Ok(blocked) => lacking(
            name,
            Verdict::Degraded,
            blocked.join("; "),
            "iptables -I FORWARD -i lambent+ -j ACCEPT; iptables -I FORWARD -o lambent+ -j ACCEPT",
        ),
        Err(reason) => lacking(
            name,
            Verdict::Degraded,
            format!("functions reach no network: {reason}"),
            match root {
                true => "sysctl -w net.ipv4.ip_forward=1, with nf_tables and veth in the kernel",
                false => "run the server as root, or accept it: --egress none",
            },
        ),
    }
}

/// Linux 5.12 has `mount_setattr`, by which code is mounted read-only into a sandbox that is confined already.
const LATE_MOUNTS: (u32, u32) = (5, 12);

/// Why nothing can be parked here.
pub fn parking_refused() -> Option<String> {
    let (major, minor) = crate::setup::kernel_version();
    if (major, minor) < LATE_MOUNTS {
        return Some(format!("Linux {major}.{minor} mounts nothing into sandboxes that are made ahead"));
    }
    // What the launcher does with it. An ordinary user's does it in namespaces of its own, and is refused here.
    let refused = crate::sys::detached_read_only(Path::new("/dev/null")).err()?;
    let by_rights = refused.raw_os_error() == Some(libc::EPERM) && !rustix::process::geteuid().is_root();
    (!by_rights).then(|| format!("code can't be mounted into sandboxes that are made ahead: {refused}"))
}

fn parking() -> Check {
    let name = "start tiers";
    match parking_refused() {
        None => good(
            name,
            "parked, forked (Python), executed; which of them a runtime's functions get is said below",
        ),
        Some(reason) => lacking(
            name,
            Verdict::Degraded,
            format!("executed only: {reason}"),
            "use Linux 5.12 or later; allow open_tree and mount_setattr in the container's seccomp profile",
        ),
    }
}

fn overlayfs() -> Check {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    match known.lines().any(|line| line.split_whitespace().last() == Some("overlay")) {
        true => good("overlayfs", "available"),
        // Often a module that is loaded when it is first needed. Nothing here needs it yet.
        false => lacking(
            "overlayfs",
            Verdict::Degraded,
            "not loaded; only container images need it",
            "modprobe overlay",
        ),
    }
}

fn user(root: bool) -> Check {
    match root {
        true => {
            good("user", format!("root: each sandbox gets a host user of its own, from {FIRST_HOST_ID} on"))
        }
        false => lacking(
            "user",
            Verdict::Degraded,
            "an ordinary user: sandboxes share its user id on the host, and what the kernel counts by user",
            "run the server as root, or accept it on a machine that is yours alone",
        ),
    }
}

fn user_namespaces(root: bool) -> Check {
    let read =
        |path: &str| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let name = "user namespaces";
    if read("/proc/sys/user/max_user_namespaces") == Some(0) {
        return lacking(name, Verdict::Missing, "switched off", "sysctl user.max_user_namespaces=15000");
    }
    if !root && read("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return lacking(name, Verdict::Missing, "for root only", "sysctl kernel.unprivileged_userns_clone=1");
    }
    if !root && read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        let remedy = "sysctl kernel.apparmor_restrict_unprivileged_userns=0";
        return lacking(name, Verdict::Missing, "restricted by AppArmor", remedy);
    }
    good(name, "available")
}

fn cgroup() -> Check {
    let name = "cgroups";
    match cgroups::survey() {
        Survey::Usable { version: 1, controllers } => good(name, format!("version 1: {controllers}")),
        Survey::Usable { version, controllers } if controllers.contains("cpu") => {
            good(name, format!("version {version}: {controllers}"))
        }
        Survey::Usable { version, controllers } => lacking(
            name,
            Verdict::Degraded,
            format!("version {version}: {controllers}; CPU shares are not enforced"),
            "systemctl edit user@.service, with Delegate=cpu memory pids",
        ),
        Survey::Refused { version: 1 } => lacking(
            name,
            Verdict::Degraded,
            "version 1, for root only: memory and CPU limits are not enforced, nothing is frozen",
            "run as root, or boot with systemd.unified_cgroup_hierarchy=1",
        ),
        Survey::Refused { version } => lacking(
            name,
            Verdict::Degraded,
            format!(
                "version {version}, not delegated: memory and CPU limits are not enforced, nothing is frozen"
            ),
            "systemd-run --user --scope -p Delegate=yes lambent serve",
        ),
        Survey::Absent => lacking(
            name,
            Verdict::Degraded,
            "none with memory and pids: memory and CPU limits are not enforced, nothing is frozen",
            "mount -t cgroup2 none /sys/fs/cgroup",
        ),
    }
}

fn tmp(root: bool) -> Check {
    let mkfs = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"];
    let has_mkfs = mkfs.iter().any(|path| Path::new(path).exists());
    let has_loop = Path::new("/dev/loop-control").exists();
    let name = "/tmp on disk";
    match (root && has_loop, has_mkfs) {
        (true, true) => good(name, "ext4 on loop devices"),
        (true, false) => {
            let detail = "mkfs.ext4 is missing: /tmp is kept in memory and counts as the function's";
            lacking(name, Verdict::Degraded, detail, "apt-get install e2fsprogs")
        }
        (false, _) => {
            let detail = "no loop devices: /tmp is kept in memory and counts as the function's";
            lacking(name, Verdict::Degraded, detail, "run as root; modprobe loop")
        }
    }
}

fn seccomp() -> Check {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.contains("Seccomp:") {
        true => good("seccomp", "available"),
        false => {
            let remedy = "use a kernel with CONFIG_SECCOMP_FILTER";
            lacking("seccomp", Verdict::Missing, "the kernel has no system call filters", remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_good_comes_with_a_remedy() {
        let report = host_report();
        for check in &report {
            assert_eq!(check.verdict == Verdict::Good, check.remedy.is_none(), "{check:?}");
        }
        let mut names: Vec<_> = report.iter().map(|check| check.name).collect();
        names.dedup();
        assert_eq!(names.len(), 10);
    }
}
