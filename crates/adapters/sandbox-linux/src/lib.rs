//! Sandboxes from kernel namespaces, made by a launcher process of their own.
//!
//! The launcher is the server's own binary, started anew before the server has threads. It alone makes sandboxes and
//! holds their processes; descriptors go back over a socket. Inside each sandbox the first process is a small
//! supervisor that starts the runtime, reaps what it leaves behind and kills on demand. When the server goes away, the
//! launcher ends every sandbox; when the launcher goes away, the kernel does.

/// Says something on standard error. `eprintln!` would end the launcher, and every sandbox with it, when nobody can hear
/// it any more: a log on a full disk, or the far end of a pipe that is gone.
macro_rules! complain {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

mod cgroups;
mod client;
mod egress;
mod favour;
mod group;
mod host_memory;
mod inside;
mod landlock;
mod late_mounts;
mod launcher;
mod names;
mod parked;
mod protocol;
mod report;
mod residue;
mod sandbox;
mod seccomp;
mod setup;
mod shells;
mod supervisor;
mod sys;
mod tmp_disk;
mod tree;
mod zygote;

pub use client::{LauncherClient, LauncherOptions};
pub use egress::Egress;
pub use favour::favour_this_thread;
pub use launcher::launcher_main;
pub use report::{Check, Verdict, host_report, parking_refused};

/// The argument that makes the binary a launcher; see [`launcher_main`].
pub const LAUNCHER_ARGUMENT: &str = "__launcher";
