//! Limits by control groups, of both versions. A sandbox's directories are children of one directory per launcher.
//!
//! Version 1 has a hierarchy per controller: the launcher's directory is made inside the group that the server is in.
//! Version 2 has one, and a group that has processes can't have limited children: the launcher's directory is made in
//! the nearest ancestor that allows it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Memory that buys one CPU, MB (`domain::limits::MEMORY_MB_PER_VCPU`).
pub(crate) const MEMORY_MB_PER_VCPU: u64 = 1_769;
/// Name prefix of a launcher's directory; its process id follows.
pub(crate) const PREFIX: &str = "lambent-";
/// Version 1 controllers that are used where they are mounted.
const V1_CONTROLLERS: [&str; 4] = ["memory", "cpu", "pids", "freezer"];
/// Without these a hierarchy is not worth using.
const NEEDED: [&str; 2] = ["memory", "pids"];
/// In a container whose processes all sit in the root of its cgroup namespace: where they are moved.
const CONTAINER_LEAF: &str = "init";

/// A sandbox's directories, by controller.
pub(crate) type Dirs = Vec<(String, PathBuf)>;

/// Where the launcher makes its sandboxes' groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// One directory per controller.
    V1 { controllers: BTreeMap<&'static str, PathBuf> },
    /// One directory.
    V2 { dir: PathBuf },
    /// Nothing usable; the text says why.
    None { reason: String },
}

/// The groups that this process is in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Own {
    V1(BTreeMap<&'static str, PathBuf>),
    V2 { mount: PathBuf, group: PathBuf },
    None,
}

impl Own {
    /// From the texts of `/proc/self/cgroup` and `/proc/self/mounts`.
    pub(crate) fn find(own: &str, mounts: &str) -> Self {
        let groups: Vec<(&str, &str)> = own
            .lines()
            .filter_map(|line| line.split_once(':').and_then(|(_, rest)| rest.split_once(':')))
            .collect();
        let mut controllers = BTreeMap::new();
        let mut unified = Own::None;
        for line in mounts.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(target), Some(kind), Some(options)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let below = |path: &str| Path::new(target).join(path.trim_start_matches('/'));
            let group_of = |name: &str| {
                groups
                    .iter()
                    .find(|(names, _)| names.split(',').any(|found| found == name))
                    .map(|(_, path)| below(path))
            };
            if kind == "cgroup" {
                for name in
                    V1_CONTROLLERS.into_iter().filter(|name| options.split(',').any(|option| option == *name))
                {
                    controllers.extend(group_of(name).map(|dir| (name, dir)));
                }
            } else if kind == "cgroup2"
                && let Some(group) = group_of("")
            {
                unified = Own::V2 { mount: target.into(), group };
            }
        }
        if NEEDED.iter().all(|name| controllers.contains_key(name)) { Own::V1(controllers) } else { unified }
    }
}

impl Cgroups {
    /// Looks at the mounted hierarchies, and makes the launcher's own directory in each.
    pub(crate) fn open() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Self::prepare(Own::find(&own, &mounts), &format!("{PREFIX}{}", std::process::id()))
    }

    fn prepare(own: Own, name: &str) -> Self {
        let prepared = match own {
            Own::V1(controllers) => prepare_v1(controllers, name),
            Own::V2 { mount, group } => prepare_v2(&mount, &group, name),
            Own::None => Err("no control groups with memory and pids are mounted".into()),
        };
        prepared.unwrap_or_else(|reason| Cgroups::None { reason })
    }

    /// What is not enforced, in a sentence.
    pub(crate) fn lacking(&self) -> Option<String> {
        let cpu = match self {
            Cgroups::V1 { controllers } => controllers.contains_key("cpu"),
            Cgroups::V2 { dir } => controls(dir, "cpu"),
            Cgroups::None { reason } => {
                return Some(format!(
                    "memory and CPU limits are not enforced, and nothing is frozen: {reason}"
                ));
            }
        };
        (!cpu).then(|| "CPU shares are not enforced: the cpu controller is not available".into())
    }

    fn parents(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Cgroups::V1 { controllers } => {
                controllers.iter().map(|(name, dir)| (*name, dir.as_path())).collect()
            }
            Cgroups::V2 { dir } => vec![("unified", dir)],
            Cgroups::None { .. } => Vec::new(),
        }
    }

    /// The launcher's own directories: what a successor has to clear if this launcher is killed.
    pub(crate) fn own_dirs(&self) -> Vec<PathBuf> {
        self.parents().into_iter().map(|(_, dir)| dir.to_owned()).collect()
    }

    /// A sandbox's directories, by controller, without limits yet.
    pub(crate) fn create(&self, name: &str) -> io::Result<Dirs> {
        let mut dirs = Vec::new();
        for (controller, parent) in self.parents() {
            let dir = parent.join(name);
            if let Err(error) = fs::create_dir(&dir) {
                remove(&dirs);
                return Err(error);
            }
            dirs.push((controller.to_owned(), dir));
        }
        Ok(dirs)
    }

    /// Removes the launcher's own directories; empty by now.
    pub(crate) fn close(&self) {
        for (_, dir) in self.parents() {
            let _ = fs::remove_dir(dir);
        }
    }

    /// Removes empty directories of launchers that are gone. Never kills: by name alone another instance's, behind
    /// another pid namespace, could be mistaken for a dead one's, but while it has processes it can't be removed.
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

/// What the host offers, found without making anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Survey {
    /// A group that the launcher can make its own in, and what can be limited there.
    Usable {
        version: u8,
        controllers: String,
    },
    /// There are groups, for others.
    Refused {
        version: u8,
    },
    Absent,
}

/// Looks where [`Cgroups::open`] would.
pub(crate) fn survey() -> Survey {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    survey_of(&Own::find(&own, &mounts))
}

fn survey_of(own: &Own) -> Survey {
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    match own {
        Own::V1(controllers) if controllers.values().all(|dir| writable(dir)) => {
            let controllers = controllers.keys().copied().collect::<Vec<_>>().join(", ");
            Survey::Usable { version: 1, controllers }
        }
        Own::V1(_) => Survey::Refused { version: 1 },
        Own::V2 { mount, group } => {
            // A group that already limits children, or has no processes of its own, may have more of them.
            let usable = group.ancestors().take_while(|dir| dir.starts_with(mount)).find(|dir| {
                let empty =
                    fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty());
                let limits = NEEDED.iter().all(|name| controls(dir, name));
                writable(dir) && writable(&dir.join("cgroup.procs")) && (limits || empty || *dir == mount)
            });
            match usable {
                Some(dir) => {
                    let offered = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
                    let used = |name: &&str| ["cpu", "memory", "pids"].contains(name);
                    let controllers = offered.split_whitespace().filter(used).collect::<Vec<_>>().join(", ");
                    Survey::Usable { version: 2, controllers }
                }
                None => Survey::Refused { version: 2 },
            }
        }
        Own::None => Survey::Absent,
    }
}

fn prepare_v1(own: BTreeMap<&'static str, PathBuf>, name: &str) -> Result<Cgroups, String> {
    let mut controllers = BTreeMap::new();
    for (controller, group) in own {
        let dir = group.join(name);
        if let Err(error) = fs::create_dir_all(&dir) {
            for made in controllers.values() {
                let _ = fs::remove_dir(made);
            }
            return Err(format!("{}: {error}", dir.display()));
        }
        controllers.insert(controller, dir);
    }
    Ok(Cgroups::V1 { controllers })
}

/// From the own group upwards, the first that may have limited children. A service manager delegates a subtree to
/// users and to services that ask for it; root may use any.
fn prepare_v2(mount: &Path, group: &Path, name: &str) -> Result<Cgroups, String> {
    let mut reason = None;
    for dir in group.ancestors().take_while(|dir| dir.starts_with(mount)) {
        match make_v2(dir, name) {
            Ok(dir) => return Ok(Cgroups::V2 { dir }),
            Err(error) => drop(reason.get_or_insert(format!("{}: {error}", dir.display()))),
        }
    }
    // The root of a cgroup namespace, as in a container: its processes make room, as is usual there.
    if group == mount
        && vacate(group).is_ok()
        && let Ok(dir) = make_v2(group, name)
    {
        return Ok(Cgroups::V2 { dir });
    }
    Err(format!("controllers are not delegated: {}", reason.unwrap_or_default()))
}

fn make_v2(dir: &Path, name: &str) -> io::Result<PathBuf> {
    // Moving a process between groups takes this right on their common ancestor, which `dir` is.
    rustix::fs::access(dir.join("cgroup.procs"), rustix::fs::Access::WRITE_OK)?;
    enable(dir)?;
    let own = dir.join(name);
    fs::create_dir_all(&own)?;
    match enable(&own) {
        Ok(()) => Ok(own),
        Err(error) => {
            let _ = fs::remove_dir(&own);
            Err(error)
        }
    }
}

fn controls(dir: &Path, controller: &str) -> bool {
    let enabled = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
    enabled.split_whitespace().any(|found| found == controller)
}

/// Hands the controllers down to children. The cpu controller is often not delegated: it is used where it is there.
fn enable(dir: &Path) -> io::Result<()> {
    let file = dir.join("cgroup.subtree_control");
    if !controls(dir, "cpu") {
        let _ = fs::write(&file, "+cpu");
    }
    if NEEDED.iter().all(|name| controls(dir, name)) {
        return Ok(());
    }
    fs::write(&file, "+memory +pids")
}

fn vacate(dir: &Path) -> io::Result<()> {
    let leaf = dir.join(CONTAINER_LEAF);
    fs::create_dir_all(&leaf)?;
    for pid in fs::read_to_string(dir.join("cgroup.procs"))?.lines() {
        fs::write(leaf.join("cgroup.procs"), pid)?;
    }
    Ok(())
}

/// Sets a sandbox's limits.
pub(crate) fn limit(dirs: &Dirs, memory_mb: u32, processes: u64) -> io::Result<()> {
    let bytes = (u64::from(memory_mb) << 20).to_string();
    for (controller, dir) in dirs {
        match controller.as_str() {
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
    }
    Ok(())
}

/// Gives a sandbox next to no share of a busy processor, until its limits are set.
pub(crate) fn step_back(dirs: &Dirs) {
    for (controller, dir) in dirs {
        let _ = match controller.as_str() {
            "cpu" => fs::write(dir.join("cpu.shares"), "2"),
            "unified" => fs::write(dir.join("cpu.weight"), "1"),
            _ => Ok(()),
        };
    }
}

/// Puts the calling process into each directory.
pub(crate) fn join(dirs: &Dirs) -> io::Result<()> {
    for (_, dir) in dirs {
        fs::write(dir.join("cgroup.procs"), "0")?;
    }
    Ok(())
}

/// Lets frozen processes run, and all use what is free. In version 1 a frozen process does not even die of SIGKILL.
pub(crate) fn let_die(dir: &Path) {
    let values =
        [("freezer.state", "THAWED"), ("cgroup.freeze", "0"), ("cpu.cfs_quota_us", "-1"), ("cpu.max", "max")];
    for (file, value) in values {
        let path = dir.join(file);
        if path.exists() {
            let _ = fs::write(path, value);
        }
    }
}

/// Removes a sandbox's directories; `false` while the kernel still counts processes in them.
pub(crate) fn remove(dirs: &Dirs) -> bool {
    dirs.iter().all(|(_, dir)| match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Ends whatever runs in a directory of a launcher that is gone for certain, and tries to remove it.
pub(crate) fn clear(own: &Path) -> bool {
    for sandbox in fs::read_dir(own).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let_die(&sandbox);
        let processes = fs::read_to_string(sandbox.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = fs::remove_dir(&sandbox);
    }
    remove(&vec![(String::new(), own.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_directories_are_found_inside_the_own_group() {
        let own = "8:pids:/\n4:memory:/a/b\n1:cpu,cpuacct:/c\n0::/\n";
        let mounts = "cgroup /cg/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup /cg/memory cgroup rw,memory 0 0\n\
                      cgroup /cg/pids cgroup rw,pids 0 0\ncgroup2 /cg/u cgroup2 rw 0 0\n";
        let Own::V1(controllers) = Own::find(own, mounts) else { panic!("version 1") };
        assert_eq!(controllers["memory"], Path::new("/cg/memory/a/b"));
        assert_eq!(controllers["cpu"], Path::new("/cg/cpu/c"));
        assert!(!controllers.contains_key("freezer"));
    }

    /// A group with its files as the kernel shows them.
    fn v2_group(dir: &Path, subtree_control: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("cgroup.procs"), "").unwrap();
        fs::write(dir.join("cgroup.subtree_control"), subtree_control).unwrap();
    }

    #[test]
    fn version_2_limits_are_written_in_its_own_words() {
        let top = tempfile::tempdir().unwrap();
        v2_group(&top.path().join("user"), "cpu memory pids");
        let mounts = format!("cgroup2 {} cgroup2 rw 0 0\n", top.path().display());
        let groups = Cgroups::prepare(Own::find("0::/user\n", &mounts), "lambent-1");
        assert_eq!(groups, Cgroups::V2 { dir: top.path().join("user/lambent-1") });
        let dirs = groups.create("abc").unwrap();
        assert_eq!(dirs, [("unified".to_owned(), top.path().join("user/lambent-1/abc"))]);
        limit(&dirs, 1_769, 64).unwrap();
        let read = |file: &str| fs::read_to_string(dirs[0].1.join(file)).unwrap();
        assert_eq!((read("memory.max"), read("pids.max")), ("1854930944".to_owned(), "64".to_owned()));
        assert_eq!((read("memory.swap.max"), read("cpu.weight")), ("0".to_owned(), "100".to_owned()));
    }

    #[test]
    fn in_version_2_an_ancestor_is_used_where_the_own_group_refuses() {
        let top = tempfile::tempdir().unwrap();
        let slice = top.path().join("slice");
        v2_group(&slice, "memory pids");
        let scope = slice.join("session.scope");
        fs::create_dir(&scope).unwrap();
        fs::write(scope.join("cgroup.procs"), "").unwrap();
        // Nothing can be written to it: what the kernel's EBUSY does for a group that has processes.
        fs::create_dir(scope.join("cgroup.subtree_control")).unwrap();
        let own = Own::V2 { mount: top.path().into(), group: scope.clone() };
        let groups = Cgroups::prepare(own, "lambent-1");
        assert_eq!(groups, Cgroups::V2 { dir: slice.join("lambent-1") });
        assert!(!scope.join("lambent-1").exists());
    }

    #[test]
    fn in_a_containers_root_group_the_processes_make_room() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("cgroup.procs"), "1\n7\n").unwrap();
        fs::create_dir(top.path().join("cgroup.subtree_control")).unwrap();
        let own = Own::V2 { mount: top.path().into(), group: top.path().into() };
        let Cgroups::None { reason } = Cgroups::prepare(own, "lambent-1") else {
            panic!("it can't work here")
        };
        assert!(reason.starts_with("controllers are not delegated"), "{reason}");
        assert_eq!(fs::read_to_string(top.path().join("init/cgroup.procs")).unwrap(), "7");
    }

    #[test]
    fn the_survey_finds_what_would_be_used() {
        let top = tempfile::tempdir().unwrap();
        let slice = top.path().join("slice");
        v2_group(&slice, "memory pids");
        fs::write(slice.join("cgroup.controllers"), "cpuset memory pids\n").unwrap();
        v2_group(&slice.join("session.scope"), "");
        fs::write(slice.join("session.scope/cgroup.procs"), "7\n").unwrap();
        let own = Own::V2 { mount: top.path().into(), group: slice.join("session.scope") };
        assert_eq!(survey_of(&own), Survey::Usable { version: 2, controllers: "memory, pids".into() });
        fs::remove_file(slice.join("cgroup.procs")).unwrap();
        assert_eq!(survey_of(&own), Survey::Refused { version: 2 });
    }

    #[test]
    fn without_a_hierarchy_there_is_a_reason() {
        assert_eq!(Own::find("", ""), Own::None);
        let none = Cgroups::prepare(Own::None, "lambent-1");
        assert!(none.lacking().unwrap().contains("not enforced"));
    }
}
