//! What this host has: processors' time; memory, and what the server may have of it where it runs in a control group with a limit, such as a
//! container's.

use std::fs;
use std::path::{Path, PathBuf};

use lambent_ports::sandbox::{HostMemory, ProcessorTime};

use crate::cgroups::Own;

/// No host has so much.
const UNLIMITED_BYTES: u64 = 1 << 60;

/// Groups above the server that have a limit.
#[derive(Debug, Default)]
pub(crate) struct LimitedGroups(Vec<Limited>);

#[derive(Debug)]
struct Limited {
    dir: PathBuf,
    limit_bytes: u64,
    usage: &'static str,
}

impl LimitedGroups {
    pub(crate) fn find() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        match Own::find(&own, &mounts) {
            Own::V1(controllers) => controllers
                .get("memory")
                .map(|dir| Self::above(dir, "memory.limit_in_bytes", "memory.usage_in_bytes"))
                .unwrap_or_default(),
            Own::V2 { group, .. } => Self::above(&group, "memory.max", "memory.current"),
            Own::None => Self::default(),
        }
    }

    /// A directory without these files is above the hierarchy.
    fn above(group: &Path, limit: &str, usage: &'static str) -> Self {
        let limited = |dir: &Path| {
            let limit_bytes = fs::read_to_string(dir.join(limit)).ok()?.trim().parse().ok()?;
            // Version 1 says it with a number.
            (limit_bytes < UNLIMITED_BYTES).then(|| Limited { dir: dir.to_owned(), limit_bytes, usage })
        };
        LimitedGroups(group.ancestors().filter_map(limited).collect())
    }

    /// What there is now.
    pub(crate) fn memory(&self) -> Option<HostMemory> {
        let mut memory = host(&fs::read_to_string("/proc/meminfo").ok()?)?;
        for group in &self.0 {
            memory.total_bytes = memory.total_bytes.min(group.limit_bytes);
            if let Some(held) = held_bytes(&group.dir, group.usage) {
                memory.available_bytes = memory.available_bytes.min(group.limit_bytes.saturating_sub(held));
            }
        }
        Some(memory)
    }
}

fn host(meminfo: &str) -> Option<HostMemory> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
    };
    Some(HostMemory { total_bytes: bytes("MemTotal:")?, available_bytes: bytes("MemAvailable:")? })
}

/// From the text of `/proc/stat`.
pub(crate) fn processor_time(stat: &str) -> Option<ProcessorTime> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // User, nice, system, idle, waiting for a disk, interrupts twice, stolen; guests are counted as users already.
    let times: Vec<u64> = line.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
    Some(ProcessorTime { idle: times.get(3)? + times.get(4)?, total: times.iter().sum() })
}

/// What a group holds, without what can be read again from a disk.
pub(crate) fn held_bytes(dir: &Path, usage: &str) -> Option<u64> {
    let usage: u64 = fs::read_to_string(dir.join(usage)).ok()?.trim().parse().ok()?;
    let stat = fs::read_to_string(dir.join("memory.stat")).ok()?;
    // Version 1 has a group's own and, behind `total_`, those of the groups below, too.
    let file = |name: &str| {
        let value = |prefix: &str| {
            stat.lines().find_map(|line| {
                line.strip_prefix(prefix)?.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()
            })
        };
        value("total_").or_else(|| value("")).unwrap_or(0u64)
    };
    Some(usage.saturating_sub(file("inactive_file") + file("active_file")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_limit_is_a_hosts_where_it_is_smaller() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("container/server");
        fs::create_dir_all(&group).unwrap();
        let write = |dir: &Path, file: &str, text: &str| fs::write(dir.join(file), text).unwrap();
        write(&group, "memory.max", "max\n");
        write(root.path(), "memory.max", "9223372036854771712\n");
        write(group.parent().unwrap(), "memory.max", "67108864\n");
        write(group.parent().unwrap(), "memory.current", "50331648\n");
        write(group.parent().unwrap(), "memory.stat", "anon 1\ninactive_file 16777216\nactive_file 0\n");
        let groups = LimitedGroups::above(&group, "memory.max", "memory.current");
        assert_eq!(groups.0.len(), 1);
        let memory = groups.memory().unwrap();
        assert_eq!((memory.total_bytes, memory.available_bytes), (64 << 20, 32 << 20));
        let whole = LimitedGroups::default().memory().unwrap();
        assert!(whole.total_bytes > whole.available_bytes && whole.available_bytes > 64 << 20);
    }

    #[test]
    fn waiting_for_a_disk_is_idleness() {
        let stat = "cpu  1 2 3 40 5 6 7 8 100 100\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(processor_time(stat), Some(ProcessorTime { idle: 45, total: 72 }));
    }

    #[test]
    fn version_1_counts_the_groups_below() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("memory.usage_in_bytes"), "1000\n").unwrap();
        let stat = "inactive_file 1\nactive_file 2\ntotal_inactive_file 300\ntotal_active_file 400\n";
        fs::write(dir.path().join("memory.stat"), stat).unwrap();
        assert_eq!(held_bytes(dir.path(), "memory.usage_in_bytes"), Some(300));
    }
}
