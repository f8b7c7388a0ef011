//! Limits by control groups, of both versions. A sandbox's directories are children of one directory per launcher,
//! inside whatever group the server itself is in.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Period of the CPU quota, µs: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;
/// Smallest quota that the kernel takes, µs.
const MIN_CPU_QUOTA_US: u64 = 1_000;
/// Memory that buys one CPU, MB (`domain::limits::MEMORY_MB_PER_VCPU`).
const MEMORY_MB_PER_VCPU: u64 = 1_769;
/// Name prefix of a launcher's directory; its process id follows.
const PREFIX: &str = "lambent-";

/// What this host offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// One directory per controller.
    V1 {
        controllers: HashMap<&'static str, PathBuf>,
    },
    /// One directory.
    V2 { dir: PathBuf },
    /// Nothing usable; the text says why.
    None { reason: String },
}

const V1_CONTROLLERS: [&str; 4] = ["memory", "cpu", "pids", "freezer"];

impl Cgroups {
    /// Looks at the mounted hierarchies, and makes the launcher's own directory in each.
    pub(crate) fn open() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let found = Self::find(&own, &mounts);
        match found.prepare(&format!("{PREFIX}{}", std::process::id())) {
            Ok(prepared) => prepared,
            Err(reason) => Cgroups::None { reason },
        }
    }

    /// The directories of this process.
    fn find(own: &str, mounts: &str) -> Self {
        let groups: Vec<(&str, &str)> = own
            .lines()
            .filter_map(|line| line.split_once(':').and_then(|(_, rest)| rest.split_once(':')))
            .collect();
        let mut controllers = HashMap::new();
        let mut unified = None;
        for line in mounts.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(target), Some(kind), Some(options)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let below = |path: &str| Path::new(target).join(path.trim_start_matches('/'));
            if kind == "cgroup" {
                for name in V1_CONTROLLERS {
                    let group = groups
                        .iter()
                        .find(|(names, _)| names.split(',').any(|found| found == name));
                    if options.split(',').any(|option| option == name)
                        && let Some((_, path)) = group
                    {
                        controllers.insert(name, below(path));
                    }
                }
            } else if kind == "cgroup2" {
                unified = groups
                    .iter()
                    .find(|(names, _)| names.is_empty())
                    .map(|(_, path)| below(path));
            }
        }
        match unified {
            _ if controllers.contains_key("memory") => Cgroups::V1 { controllers },
            Some(dir) => Cgroups::V2 { dir },
            None => Cgroups::None {
                reason: "no cgroup hierarchy is mounted".into(),
            },
        }
    }

    fn prepare(self, name: &str) -> Result<Self, String> {
        let make = |dir: &Path| -> Result<PathBuf, String> {
            let own = dir.join(name);
            fs::create_dir_all(&own).map_err(|error| format!("{}: {error}", own.display()))?;
            Ok(own)
        };
        match self {
            Cgroups::V1 { controllers } => {
                let controllers: Result<_, String> = controllers
                    .into_iter()
                    .map(|(controller, dir)| Ok((controller, make(&dir)?)))
                    .collect();
                Ok(Cgroups::V1 {
                    controllers: controllers?,
                })
            }
            Cgroups::V2 { dir } => {
                let own = make(&dir)?;
                let enabled = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
                let wanted = ["memory", "cpu", "pids"];
                let missing = wanted
                    .iter()
                    .any(|name| !enabled.split_whitespace().any(|found| found == *name));
                let result = if missing {
                    fs::write(dir.join("cgroup.subtree_control"), "+memory +cpu +pids")
                } else {
                    Ok(())
                };
                let result =
                    result.and_then(|()| fs::write(own.join("cgroup.subtree_control"), "+memory +cpu +pids"));
                match result {
                    Ok(()) => Ok(Cgroups::V2 { dir: own }),
                    Err(error) => {
                        let _ = fs::remove_dir(&own);
                        Err(format!(
                            "controllers are not delegated to {}: {error}",
                            dir.display()
                        ))
                    }
                }
            }
            none @ Cgroups::None { .. } => Ok(none),
        }
    }

    fn parents(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Cgroups::V1 { controllers } => controllers
                .iter()
                .map(|(controller, dir)| (*controller, dir.as_path()))
                .collect(),
            Cgroups::V2 { dir } => vec![("unified", dir)],
            Cgroups::None { .. } => Vec::new(),
        }
    }

    /// A sandbox's directories, by controller, with their limits set.
    pub(crate) fn create(
        &self,
        id: &str,
        memory_mb: u32,
        processes: u64,
    ) -> io::Result<Vec<(String, PathBuf)>> {
        let mut dirs = Vec::new();
        for (controller, parent) in self.parents() {
            let dir = parent.join(id);
            fs::create_dir(&dir)?;
            dirs.push((controller.to_owned(), dir));
        }
        let result = dirs
            .iter()
            .try_for_each(|(controller, dir)| limit(controller, dir, memory_mb, processes));
        if result.is_err() {
            remove(&dirs);
        }
        result.map(|()| dirs)
    }

    /// Removes the launcher's own directories; empty by now.
    pub(crate) fn close(&self) {
        for (_, dir) in self.parents() {
            let _ = fs::remove_dir(dir);
        }
    }

    /// Removes what launchers left behind that are gone: after `kill -9` of a whole process group, or a power cut.
    pub(crate) fn sweep(&self) {
        for (_, own) in self.parents() {
            let Some(parent) = own.parent() else { continue };
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(pid) = name.strip_prefix(PREFIX) else {
                    continue;
                };
                // A dead launcher that nobody has waited for yet has no command line any more.
                let command = fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
                if entry.path() == own || !command.is_empty() {
                    continue;
                }
                for sandbox in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                    let _ = fs::remove_dir(sandbox.path());
                }
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

fn limit(controller: &str, dir: &Path, memory_mb: u32, processes: u64) -> io::Result<()> {
    let bytes = (u64::from(memory_mb) << 20).to_string();
    match controller {
        "memory" => {
            fs::write(dir.join("memory.limit_in_bytes"), &bytes)?;
            // Only where swap accounting is on.
            let _ = fs::write(dir.join("memory.memsw.limit_in_bytes"), &bytes);
            let _ = fs::write(dir.join("memory.swappiness"), "0");
        }
        "pids" => fs::write(dir.join("pids.max"), processes.to_string())?,
        "cpu" => {
            // Weight even before the quota is on: an init may use what is free, but not more than its share of it.
            let shares = (u64::from(memory_mb) * 1_024 / MEMORY_MB_PER_VCPU).max(2);
            let _ = fs::write(dir.join("cpu.shares"), shares.to_string());
        }
        "unified" => {
            fs::write(dir.join("memory.max"), &bytes)?;
            let _ = fs::write(dir.join("memory.swap.max"), "0");
            fs::write(dir.join("pids.max"), processes.to_string())?;
            let weight = (u64::from(memory_mb) * 100 / MEMORY_MB_PER_VCPU).clamp(1, 10_000);
            let _ = fs::write(dir.join("cpu.weight"), weight.to_string());
        }
        _ => {}
    }
    Ok(())
}

/// Puts the calling process into each directory.
pub(crate) fn join(dirs: &[(String, PathBuf)]) -> io::Result<()> {
    for (_, dir) in dirs {
        fs::write(dir.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// Removes a sandbox's directories; `false` while the kernel still counts processes in them.
pub(crate) fn remove(dirs: &[(String, PathBuf)]) -> bool {
    dirs.iter().all(|(_, dir)| match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// The server's view of one sandbox's directories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    dirs: HashMap<String, PathBuf>,
    cpu_quota_us: u64,
}

impl Group {
    pub(crate) fn new(dirs: Vec<(String, PathBuf)>, memory_mb: u32) -> Self {
        let quota = (u64::from(memory_mb) * CPU_PERIOD_US / MEMORY_MB_PER_VCPU).max(MIN_CPU_QUOTA_US);
        Group {
            dirs: dirs.into_iter().collect(),
            cpu_quota_us: quota,
        }
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
        self.write(
            "cpu",
            "cpu.cfs_quota_us",
            &if on { quota.to_string() } else { "-1".to_owned() },
        );
        let max = if on {
            format!("{quota} {CPU_PERIOD_US}")
        } else {
            format!("max {CPU_PERIOD_US}")
        };
        self.write("unified", "cpu.max", &max);
    }

    pub(crate) fn freeze(&self, on: bool) {
        self.write("freezer", "freezer.state", if on { "FROZEN" } else { "THAWED" });
        self.write("unified", "cgroup.freeze", if on { "1" } else { "0" });
    }

    /// Peak memory in bytes; zero when the host can't tell.
    pub(crate) fn max_memory_bytes(&self) -> u64 {
        let text = self
            .read("memory", "memory.max_usage_in_bytes")
            .or_else(|| self.read("unified", "memory.peak"));
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// How often the out-of-memory killer has acted here.
    pub(crate) fn oom_kills(&self) -> u64 {
        let text = self
            .read("memory", "memory.oom_control")
            .or_else(|| self.read("unified", "memory.events"));
        text.unwrap_or_default()
            .lines()
            .find_map(|line| {
                line.strip_prefix("oom_kill ")
                    .and_then(|count| count.trim().parse().ok())
            })
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_directories_are_found_inside_the_own_group() {
        let own = "8:pids:/\n4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/\n";
        let mounts = "cgroup /cg/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup /cg/memory cgroup rw,memory 0 0\ncgroup2 /cg/u cgroup2 rw 0 0\n";
        let Cgroups::V1 { controllers } = Cgroups::find(own, mounts) else {
            panic!("version 1")
        };
        assert_eq!(controllers["memory"], Path::new("/cg/memory/a/b"));
        assert_eq!(controllers["cpu"], Path::new("/cg/cpu/c"));
        assert!(!controllers.contains_key("pids"));
    }

    #[test]
    fn version_2_limits_are_written_in_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let mounts = format!("cgroup2 {} cgroup2 rw 0 0\n", dir.path().display());
        fs::create_dir(dir.path().join("user")).unwrap();
        fs::write(dir.path().join("user/cgroup.subtree_control"), "memory pids cpu").unwrap();
        let groups = Cgroups::find("0::/user\n", &mounts).prepare("lambent-1").unwrap();
        let dirs = groups.create("abc", 1_769, 64).unwrap();
        assert_eq!(
            dirs,
            [("unified".to_owned(), dir.path().join("user/lambent-1/abc"))]
        );
        let read = |file: &str| fs::read_to_string(dirs[0].1.join(file)).unwrap();
        assert_eq!(
            (read("memory.max"), read("pids.max")),
            (1_854_930_944u64.to_string(), "64".to_owned())
        );
        let group = Group::new(dirs.clone(), 1_769);
        group.throttle(true);
        assert_eq!(read("cpu.max"), "100000 100000");
        group.throttle(false);
        assert_eq!(read("cpu.max"), "max 100000");
        group.freeze(true);
        assert_eq!(read("cgroup.freeze"), "1");
        fs::write(dirs[0].1.join("memory.peak"), "4096\n").unwrap();
        fs::write(dirs[0].1.join("memory.events"), "low 0\noom 3\noom_kill 2\n").unwrap();
        assert_eq!((group.max_memory_bytes(), group.oom_kills()), (4096, 2));
    }

    #[test]
    fn without_a_hierarchy_there_is_a_reason() {
        assert!(matches!(Cgroups::find("", ""), Cgroups::None { .. }));
    }
}
