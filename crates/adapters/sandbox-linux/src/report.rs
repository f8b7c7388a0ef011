//! What this host offers, for `lambent doctor`.

use std::path::Path;

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
    vec![user(root), user_namespaces(root), cgroup(root), tmp(root), seccomp()]
}

fn user(root: bool) -> Check {
    match root {
        true => good("user", "root: each sandbox gets a host user of its own"),
        false => lacking(
            "user",
            Verdict::Degraded,
            "an ordinary user: sandboxes share its user id on the host",
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

fn cgroup(root: bool) -> Check {
    let name = "cgroups";
    if Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists() {
        return match root {
            true => good(name, "version 1, with memory, cpu, pids and freezer"),
            false => lacking(
                name,
                Verdict::Degraded,
                "version 1: memory, CPU and process limits are not enforced for an ordinary user",
                "run as root, or boot with systemd.unified_cgroup_hierarchy=1 and use a delegated scope",
            ),
        };
    }
    let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if controllers.contains("memory") && controllers.contains("pids") {
        return match root {
            true => good(name, "version 2"),
            false => lacking(
                name,
                Verdict::Degraded,
                "version 2: limits are enforced only where the own group is delegated",
                "systemd-run --user --scope -p Delegate=yes lambent serve",
            ),
        };
    }
    let remedy = "mount the cgroup hierarchy of version 2";
    lacking(name, Verdict::Degraded, "no usable hierarchy: limits are not enforced", remedy)
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
