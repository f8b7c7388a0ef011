//! The server's view of one sandbox's control groups: files that are written and read directly, without asking the
//! launcher.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use crate::cgroups::{Dirs, MEMORY_MB_PER_VCPU};
use crate::host_memory::held_bytes;

/// Period of the CPU quota, µs: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// Smallest quota that the kernel takes, µs.
const MIN_CPU_QUOTA_US: u64 = 1_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    dirs: HashMap<String, PathBuf>,
    cpu_quota_us: u64,
}

impl Group {
    pub(crate) fn new(dirs: Dirs, memory_mb: u32) -> Self {
        let quota = (u64::from(memory_mb) * CPU_PERIOD_US / MEMORY_MB_PER_VCPU).max(MIN_CPU_QUOTA_US);
        Group { dirs: dirs.into_iter().collect(), cpu_quota_us: quota }
    }

    fn write(&self, controller: &str, file: &str, value: &str) {
        if let Some(dir) = self.dirs.get(controller) {
            // The sandbox may be gone already; there is nothing to limit then.
            let _ = fs::write(dir.join(file), value);
        }
    }

    fn read(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.dirs.get(controller)?.join(file)).ok()
    }

    /// Holds the sandbox to its share of a CPU, or lets it use what is free.
    pub(crate) fn throttle(&self, on: bool) {
        let quota = self.cpu_quota_us;
        self.write("cpu", "cpu.cfs_quota_us", &if on { quota.to_string() } else { "-1".to_owned() });
        let max = if on { format!("{quota} {CPU_PERIOD_US}") } else { format!("max {CPU_PERIOD_US}") };
        self.write("unified", "cpu.max", &max);
    }

    pub(crate) fn freeze(&self, on: bool) {
        self.write("freezer", "freezer.state", if on { "FROZEN" } else { "THAWED" });
        self.write("unified", "cgroup.freeze", if on { "1" } else { "0" });
    }

    /// Peak memory in bytes; zero when the host can't tell.
    pub(crate) fn max_memory_bytes(&self) -> u64 {
        let text =
            self.read("memory", "memory.max_usage_in_bytes").or_else(|| self.read("unified", "memory.peak"));
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// What would be free without it; zero when the host can't tell.
    pub(crate) fn held_memory(&self) -> u64 {
        let of = |controller: &str, usage: &str| held_bytes(self.dirs.get(controller)?, usage);
        of("memory", "memory.usage_in_bytes").or_else(|| of("unified", "memory.current")).unwrap_or(0)
    }

    /// How often the out-of-memory killer has acted here.
    pub(crate) fn oom_kills(&self) -> u64 {
        let text =
            self.read("memory", "memory.oom_control").or_else(|| self.read("unified", "memory.events"));
        text.unwrap_or_default()
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ").and_then(|count| count.trim().parse().ok()))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_is_read_and_written_in_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let group = Group::new(vec![("unified".into(), dir.path().to_owned())], 1_769);
        let read = |file: &str| fs::read_to_string(dir.path().join(file)).unwrap();
        group.throttle(true);
        assert_eq!(read("cpu.max"), "100000 100000");
        group.throttle(false);
        assert_eq!(read("cpu.max"), "max 100000");
        group.freeze(true);
        assert_eq!(read("cgroup.freeze"), "1");
        fs::write(dir.path().join("memory.peak"), "4096\n").unwrap();
        fs::write(dir.path().join("memory.events"), "low 0\noom 3\noom_kill 2\noom_group_kill 0\n").unwrap();
        assert_eq!((group.max_memory_bytes(), group.oom_kills()), (4096, 2));
    }

    #[test]
    fn a_small_function_still_gets_a_quota_that_the_kernel_takes() {
        let dir = tempfile::tempdir().unwrap();
        Group::new(vec![("cpu".into(), dir.path().to_owned())], 1).throttle(true);
        assert_eq!(fs::read_to_string(dir.path().join("cpu.cfs_quota_us")).unwrap(), "1000");
    }
}
