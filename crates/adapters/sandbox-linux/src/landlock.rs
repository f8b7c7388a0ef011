//! A second fence around the file tree, where the kernel has Landlock: what the mounts make read-only can't be written
//! even if a mount were wrong, and no device file works outside `/dev`. Its rules say nothing that the tree does not
//! say already; errors stay the same, since a read-only mount refuses before Landlock is asked.

use std::io;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr,
};

use crate::sys;

/// Before this version a file could not be renamed from one directory to another at all.
const FIRST_USABLE_ABI: i32 = 2;
/// The newest version whose rights are listed here; an older kernel enforces those that it knows.
const NEWEST_ABI: ABI = ABI::V5;

/// The kernel's version of Landlock, if it is one that can be used.
pub(crate) fn usable_abi() -> Option<i32> {
    sys::landlock_abi().filter(|abi| *abi >= FIRST_USABLE_ABI)
}

/// Confines the calling process and all it starts. Returns what another process in the same tree can be confined with.
/// Does nothing where there is no usable Landlock.
pub(crate) fn apply() -> io::Result<Option<OwnedFd>> {
    if usable_abi().is_none() {
        return Ok(None);
    }
    let ruleset = ruleset()?;
    let copy = ruleset.try_clone()?;
    ruleset.restrict_self().map_err(error)?;
    Ok(copy.into())
}

fn error(error: landlock::RulesetError) -> io::Error {
    io::Error::other(error.to_string())
}

fn ruleset() -> io::Result<RulesetCreated> {
    let all = AccessFs::from_all(NEWEST_ABI);
    let read = AccessFs::from_read(NEWEST_ABI);
    let files = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir;
    let device_files = AccessFs::MakeChar | AccessFs::MakeBlock;
    let rules: [(&str, BitFlags<AccessFs>); 5] = [
        ("/", read),
        ("/tmp", all & !device_files & !AccessFs::IoctlDev),
        ("/dev", files | AccessFs::Truncate | AccessFs::IoctlDev),
        ("/dev/shm", all & !device_files),
        // A process may name its threads and set its own out-of-memory score.
        ("/proc", files | AccessFs::Truncate),
    ];
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .map_err(error)?
        .create()
        .map_err(error)?;
    for (path, access) in rules {
        let path = PathFd::new(path).map_err(io::Error::other)?;
        ruleset = ruleset.add_rule(PathBeneath::new(path, access)).map_err(error)?;
    }
    Ok(ruleset)
}
