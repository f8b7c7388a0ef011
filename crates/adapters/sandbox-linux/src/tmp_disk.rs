//! `/tmp`: a file system of its own, of the size the function asked for, on disk. What a function writes there does not
//! count as its memory, and a full one is its own affair.
//!
//! It lives in a file without a name, behind a loop device that frees itself: nothing has to be cleaned up, however the
//! sandbox ends. Where loop devices can't be used, `/tmp` is kept in memory, and the launcher says so.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, OFlags, SeekFrom, openat, seek};

use crate::sys;

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_MAJOR: u32 = 7;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// Attempts to get a loop device that another process has not just taken.
const LOOP_ATTEMPTS: usize = 64;

/// `struct loop_info64` of the kernel.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of the kernel.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// Of files that exist while a template is made.
pub(crate) const IMAGE_EXTENSION: &str = "img";

/// What an empty file system of one size has on disk: a few blocks.
struct Template {
    size: u64,
    extents: Vec<(u64, Vec<u8>)>,
}

/// Makes file systems for `/tmp`.
pub(crate) struct TmpDisks {
    dir: PathBuf,
    templates: HashMap<u32, Template>,
}

/// A loop device with an empty file system; it frees itself when it is neither open nor mounted.
pub(crate) struct TmpDisk {
    pub(crate) device: PathBuf,
    pub(crate) open: OwnedFd,
}

impl TmpDisks {
    pub(crate) fn new(dir: &Path) -> Self {
        TmpDisks { dir: dir.to_owned(), templates: HashMap::new() }
    }

    /// Whether it works here; the error says what is missing.
    pub(crate) fn probe(&mut self) -> Result<(), String> {
        self.create(512).map(drop).map_err(|error| error.to_string())
    }

    pub(crate) fn create(&mut self, size_mb: u32) -> io::Result<TmpDisk> {
        if !self.templates.contains_key(&size_mb) {
            let template = Template::make(&self.dir, size_mb)?;
            self.templates.insert(size_mb, template);
        }
        let template = &self.templates[&size_mb];
        let backing = File::from(openat(
            CWD,
            &self.dir,
            OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
            Mode::from(0o600),
        )?);
        backing.set_len(template.size)?;
        for (offset, bytes) in &template.extents {
            backing.write_all_at(bytes, *offset)?;
        }
        attach(&backing)
    }
}

impl Template {
    fn make(dir: &Path, size_mb: u32) -> io::Result<Self> {
        let path = dir.join(format!("tmp-{size_mb}-{}.{IMAGE_EXTENSION}", std::process::id()));
        let result = Self::make_at(&path, u64::from(size_mb) << 20);
        let _ = std::fs::remove_file(&path);
        result
    }

    fn make_at(path: &Path, size: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        file.set_len(size)?;
        let mkfs = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .ok_or_else(|| io::Error::other("mkfs.ext4 is missing (package e2fsprogs)"))?;
        // No journal: it dies with the sandbox. One inode per 16 KB.
        let status = Command::new(mkfs)
            .args(["-q", "-F", "-m", "0", "-i", "16384", "-O", "^has_journal,^resize_inode"])
            .args(["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(io::Error::other("mkfs.ext4 failed"));
        }
        let mut extents = Vec::new();
        let mut at = 0;
        while let Ok(start) = seek(&file, SeekFrom::Data(at)) {
            let end = seek(&file, SeekFrom::Hole(start))?;
            let mut bytes = vec![0; (end - start) as usize];
            file.read_exact_at(&mut bytes, start)?;
            extents.push((start, bytes));
            at = end;
        }
        Ok(Template { size, extents })
    }
}

fn attach(backing: &File) -> io::Result<TmpDisk> {
    let control = openat(CWD, "/dev/loop-control", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    for _ in 0..LOOP_ATTEMPTS {
        // SAFETY: the request takes no argument.
        let number = unsafe { sys::ioctl(&control, LOOP_CTL_GET_FREE, 0) }?;
        let device = PathBuf::from(format!("/dev/loop{number}"));
        let open = open_device(&device, number)?;
        let mut config = LoopConfig {
            fd: backing.as_fd().as_raw_fd() as u32,
            block_size: 0,
            info: LoopInfo {
                device: 0,
                inode: 0,
                rdevice: 0,
                offset: 0,
                size_limit: 0,
                number: 0,
                encrypt_type: 0,
                encrypt_key_size: 0,
                flags: LO_FLAGS_AUTOCLEAR,
                file_name: [0; 64],
                crypt_name: [0; 64],
                encrypt_key: [0; 32],
                init: [0; 2],
            },
            reserved: [0; 8],
        };
        // SAFETY: the request takes a pointer to a `loop_config`, which outlives the call.
        match unsafe { sys::ioctl(&open, LOOP_CONFIGURE, &raw mut config as libc::c_ulong) } {
            Ok(_) => return Ok(TmpDisk { device, open }),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no free loop device"))
}

/// Opens a loop device. In a container nobody makes nodes for devices that have just been added.
fn open_device(device: &Path, number: libc::c_int) -> io::Result<OwnedFd> {
    let open = || openat(CWD, device, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    match open() {
        Err(rustix::io::Errno::NOENT) => {
            let node = rustix::fs::makedev(LOOP_MAJOR, number as u32);
            match rustix::fs::mknodat(CWD, device, FileType::BlockDevice, Mode::from(0o600), node) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(open()?),
                Err(errno) => Err(errno.into()),
            }
        }
        other => Ok(other?),
    }
}
