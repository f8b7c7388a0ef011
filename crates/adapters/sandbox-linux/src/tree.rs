//! A sandbox's file tree: the host's programs and libraries read-only, a minimal `/etc`, `/dev` and `/proc`, a `/tmp`.
//!
//! It is built in a mount namespace of its own, on an empty directory, while the host's tree is still there to bind
//! from; `enter` then makes it the root.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use lambent_ports::sandbox::CA_BUNDLE;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};

use crate::sys;

const READ_ONLY: libc::c_ulong = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
/// Directories that are always there.
const DIRECTORIES: [&str; 11] =
    ["dev", "proc", "tmp", "etc", "var/task", "var/runtime", "var/lang", "opt", "run", "mnt", "root"];
/// Taken from the host's `/etc`, as they are.
const HOST_ETC: [&str; 6] = ["ssl", "pki", "ca-certificates", "ld.so.cache", "alternatives", "localtime"];
/// Files that memory holds besides their contents: as many as `/tmp` on disk has.
const INODES_PER_MB: u64 = 64;
/// Where distributions keep the certificates that programs trust; the first is where AWS's hosts do.
const BUNDLES: [&str; 5] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Host directories inside what is bound that are nobody's business.
const MASKED: [&str; 5] = ["usr/local", "usr/src", "usr/games", "etc/ssl/private", "etc/pki/tls/private"];

/// What container runtimes hide, and the kernel's symbols and messages.
const HIDDEN_IN_PROC: [&str; 12] = [
    "acpi",
    "asound",
    "interrupts",
    "kallsyms",
    "kcore",
    "keys",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

/// The empty tree: everything but what a function's sandbox is told apart by.
pub(crate) fn build(root: &Path, resolver: Ipv4Addr, trust: Option<&Path>) -> io::Result<()> {
    build_without_processes(root, resolver, trust)?;
    procfs(&root.join("proc"))
}

/// The same with nothing in `/proc`.
pub(crate) fn build_without_processes(
    root: &Path,
    resolver: Ipv4Addr,
    trust: Option<&Path>,
) -> io::Result<()> {
    // What is mounted here does not show on the host; what the host unmounts goes here too, and isn't kept busy.
    sys::mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_SLAVE, None)?;
    let tmpfs = Path::new("tmpfs");
    sys::mount(Some(tmpfs), root, Some("tmpfs"), libc::MS_NOSUID, Some("mode=755,size=4m"))?;
    for dir in DIRECTORIES {
        std::fs::create_dir_all(root.join(dir))?;
    }
    base_system(root)?;
    etc(root, resolver)?;
    if let Some(trust) = trust {
        certificates(root, trust)?;
    }
    for masked in MASKED.map(|masked| root.join(masked)).iter().filter(|masked| masked.is_dir()) {
        sys::mount(Some(tmpfs), masked, Some("tmpfs"), READ_ONLY, Some("mode=755,size=4k"))?;
    }
    devices(root)
}

/// Mounts `/tmp`: a device's file system, or memory.
pub(crate) fn mount_tmp(root: &Path, device: Option<&Path>, size_mb: u32) -> io::Result<()> {
    let target = root.join("tmp");
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    match device {
        Some(device) => {
            sys::mount(Some(device), &target, Some("ext4"), flags, Some("noinit_itable,nobarrier"))?;
            let _ = std::fs::remove_dir(target.join("lost+found"));
        }
        None => {
            let data = format!("mode=1777,size={size_mb}m,nr_inodes={}", u64::from(size_mb) * INODES_PER_MB);
            sys::mount(Some(Path::new("tmpfs")), &target, Some("tmpfs"), flags, Some(&data))?;
        }
    }
    std::fs::set_permissions(target, std::os::unix::fs::PermissionsExt::from_mode(0o1777))
}

/// Exchanges `/tmp` for one of another size. Nothing has been written to it yet.
pub(crate) fn replace_tmp(root: &Path, device: Option<&Path>, size_mb: u32) -> io::Result<()> {
    sys::unmount(&root.join("tmp"))?;
    mount_tmp(root, device, size_mb)
}

/// Sets how much may be in `/dev/shm`. It is memory, and counts as the function's.
pub(crate) fn resize_shm(root: &Path, memory_mb: u32) -> io::Result<()> {
    let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
    let data = format!("size={memory_mb}m,nr_inodes={}", u64::from(memory_mb) * INODES_PER_MB);
    sys::mount(None, &root.join("dev/shm"), None, flags, Some(&data))
}

/// Mounts a function's own trees and files, read-only. Mount points are made, and never through a symbolic link: what
/// lies below an earlier mount is the function's, and its links would lead into the host's tree.
pub(crate) fn mount_all(root: &Path, mounts: &[(PathBuf, PathBuf)]) -> io::Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for (host, guest) in mounts {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{} on {}: {error}", host.display(), guest.display()))
        };
        mount_one(&root, host, guest).map_err(named)?;
    }
    Ok(())
}

fn mount_one(root: &OwnedFd, host: &Path, guest: &Path) -> io::Result<()> {
    let is_dir = std::fs::metadata(host)?.is_dir();
    let through = |fd: &OwnedFd| PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let point = mount_point(root, guest, is_dir)?;
    sys::mount(Some(host), &through(&point), None, libc::MS_BIND, None)?;
    // Opened anew: the first descriptor is what lies below the mount.
    let mounted = open_inside(root, &relative(guest)?)?;
    remount_read_only(&through(&mounted))
}

/// An ordinary user must keep a host mount's `noexec`: only root may lift it.
fn remount_read_only(target: &Path) -> io::Result<()> {
    let flags = libc::MS_REMOUNT | libc::MS_BIND | READ_ONLY;
    match sys::mount(None, target, None, flags, None) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            sys::mount(None, target, None, flags | libc::MS_NOEXEC, None)
        }
        other => other,
    }
}

pub(crate) fn relative(guest: &Path) -> io::Result<PathBuf> {
    let mut relative = PathBuf::new();
    for component in guest.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => relative.push(name),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain path")),
        }
    }
    if relative.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing can be mounted on the root"));
    }
    Ok(relative)
}

pub(crate) fn open_inside(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?)
}

fn mount_point(root: &OwnedFd, guest: &Path, is_dir: bool) -> io::Result<OwnedFd> {
    let path = relative(guest)?;
    let count = path.components().count();
    let mut here = open_inside(root, Path::new("."))?;
    for (index, name) in path.iter().enumerate() {
        let name = Path::new(name);
        let next = match open_inside(&here, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if is_dir || index + 1 < count {
                    mkdirat(&here, name, Mode::from(0o755))?;
                } else {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                    openat(&here, name, flags, Mode::from(0o644))?;
                }
                open_inside(&here, name)?
            }
            other => other?,
        };
        here = next;
    }
    Ok(here)
}

/// Makes the tree the root and lets the host's go.
pub(crate) fn enter(root: &Path) -> io::Result<()> {
    sys::pivot_root(root)?;
    sys::mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    sys::mount(None, Path::new("/"), None, libc::MS_REMOUNT | libc::MS_BIND | READ_ONLY, None)
}

/// The host's programs and libraries.
fn base_system(root: &Path) -> io::Result<()> {
    bind_read_only(Path::new("/usr"), &root.join("usr"))?;
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let host = Path::new("/").join(name);
        match std::fs::read_link(&host) {
            Ok(target) => std::os::unix::fs::symlink(target, root.join(name))?,
            Err(_) if host.is_dir() => bind_read_only(&host, &root.join(name))?,
            Err(_) => {}
        }
    }
    Ok(())
}

fn etc(root: &Path, resolver: Ipv4Addr) -> io::Result<()> {
    let write = |name: &str, text: &str| std::fs::write(root.join("etc").join(name), text);
    write(
        "passwd",
        "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    )?;
    write("group", "root:x:0:\nsbx_user1051:x:990:\n")?;
    write("hosts", "127.0.0.1 localhost localhost.localdomain\n169.254.100.1 sandbox.localdomain sandbox\n")?;
    write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
    write("resolv.conf", &format!("nameserver {resolver}\n"))?;
    for name in HOST_ETC {
        let host = Path::new("/etc").join(name);
        if host.exists() {
            bind_read_only(&host, &root.join("etc").join(name))?;
        }
    }
    Ok(())
}

/// The directory of certificates, and its bundle wherever one is looked for.
fn certificates(root: &Path, trust: &Path) -> io::Result<()> {
    let (bundle, inside) = (Path::new(CA_BUNDLE), |path: &Path| relative(path).map(|path| root.join(path)));
    let (Some(dir), Some(name)) = (bundle.parent(), bundle.file_name()) else { return Ok(()) };
    bind_read_only(trust, &inside(dir)?)?;
    for place in BUNDLES {
        let target = match Path::new(place).canonicalize() {
            // Where the host's links lead; from here they would lead into the host's tree.
            Ok(place) => inside(&place)?,
            // Below a directory of the host's nothing can be made.
            Err(_) if place == BUNDLES[0] && !root.join("etc/pki").exists() => {
                let target = inside(Path::new(place))?;
                target.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                std::fs::write(&target, "")?;
                target
            }
            Err(_) => continue,
        };
        if target.is_file() {
            bind_read_only(&trust.join(name), &target)?;
        }
    }
    Ok(())
}

fn devices(root: &Path) -> io::Result<()> {
    let dev = root.join("dev");
    for name in ["null", "zero", "full", "random", "urandom"] {
        std::fs::write(dev.join(name), "")?;
        sys::mount(Some(&Path::new("/dev").join(name)), &dev.join(name), None, libc::MS_BIND, None)?;
    }
    for (name, target) in
        [("fd", "self/fd"), ("stdin", "self/fd/0"), ("stdout", "self/fd/1"), ("stderr", "self/fd/2")]
    {
        std::os::unix::fs::symlink(Path::new("/proc").join(target), dev.join(name))?;
    }
    let shm = dev.join("shm");
    std::fs::create_dir(&shm)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    sys::mount(Some(Path::new("tmpfs")), &shm, Some("tmpfs"), flags, Some("mode=1777,size=1m"))
}

fn procfs(target: &Path) -> io::Result<()> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(Some(Path::new("proc")), target, Some("proc"), flags, None)?;
    for name in ["sys", "sysrq-trigger", "irq", "bus", "fs"] {
        let path = target.join(name);
        if path.exists() {
            bind_read_only(&path, &path)?;
        }
    }
    for name in HIDDEN_IN_PROC {
        let path = target.join(name);
        if path.is_dir() {
            let data = Some("mode=000,size=4k");
            sys::mount(Some(Path::new("tmpfs")), &path, Some("tmpfs"), libc::MS_RDONLY, data)?;
        } else if path.exists() {
            sys::mount(Some(Path::new("/dev/null")), &path, None, libc::MS_BIND, None)?;
        }
    }
    Ok(())
}

/// Binds one of the host's own files or directories, read-only; the mount point is made.
fn bind_read_only(host: &Path, target: &Path) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{} on {}: {error}", host.display(), target.display()))
    };
    if host.is_dir() {
        std::fs::create_dir_all(target).map_err(named)?;
    } else if !target.exists() {
        std::fs::write(target, "").map_err(named)?;
    }
    sys::mount(Some(host), target, None, libc::MS_BIND, None).map_err(named)?;
    remount_read_only(target).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(root: &Path, guest: &str) -> io::Result<OwnedFd> {
        let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        mount_point(&root, Path::new(guest), true)
    }

    #[test]
    fn mount_points_are_made_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        point(root.path(), "/a/b").unwrap();
        assert!(root.path().join("a/b").is_dir());
        assert!(point(root.path(), "/a/../../x").is_err());
        assert!(point(root.path(), "/").is_err());
    }

    #[test]
    fn a_functions_links_do_not_lead_a_mount_elsewhere() {
        let (root, host) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(host.path(), root.path().join("link")).unwrap();
        assert!(point(root.path(), "/link/made").is_err());
        assert!(point(root.path(), "/link").is_err());
        assert!(!host.path().join("made").exists());
    }
}
