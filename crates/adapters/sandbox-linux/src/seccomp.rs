//! System calls that a function can make: a list of those that runtimes, native modules and JIT compilers use. Those that
//! reach other processes, the kernel's own state, or namespaces are refused by name (`EPERM`), whatever that list says;
//! the rest does not exist (`ENOSYS`).

mod allowed;
mod by_number;

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Newer than the C library's list; the same number on every architecture.
const OPEN_TREE_ATTR: libc::c_long = 467;

/// Refused with EPERM whatever their arguments.
const DENIED: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_lookup_dcookie,
    libc::SYS_fanotify_init,
    OPEN_TREE_ATTR,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Flags of `clone` that make namespaces.
const NAMESPACE_FLAGS: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// Socket families that functions have a use for. Raw and packet sockets need capabilities anyway; this keeps rarely
/// tested kernel code out of reach.
const ALLOWED_FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The obsolete way to a packet socket.
const SOCK_PACKET: u64 = 10;

/// `TIOCSTI` and `TIOCLINUX` put characters into a terminal's input.
const TERMINAL_INPUT: [u64; 2] = [0x5412, 0x541C];

/// Compiled once, applied in each sandbox.
///
/// `clone3` is not among the allowed: it hides its flags behind a pointer. The C library falls back to `clone`, whose
/// flags are seen.
pub(crate) struct Filters {
    allowed: BpfProgram,
    denied: BpfProgram,
    zygotes: [BpfProgram; 2],
}

impl Filters {
    pub(crate) fn compile() -> Result<Self, String> {
        let mut rules: Rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
        rules.insert(libc::SYS_clone, clone_rules()?);
        rules.insert(libc::SYS_socket, socket_rules()?);
        let terminal = |request| rule(vec![condition(1, Op::MaskedEq(u64::from(u32::MAX)), request)?]);
        rules.insert(libc::SYS_ioctl, TERMINAL_INPUT.into_iter().map(terminal).collect::<Result<_, _>>()?);
        // The personality that switches address randomisation off; the others have uses.
        let no_randomise = condition(0, Op::MaskedEq(0x0040000), 0x0040000)?;
        let not_query = condition(0, Op::Ne, u64::from(u32::MAX))?;
        rules.insert(libc::SYS_personality, vec![rule(vec![no_randomise, not_query])?]);
        rules.insert(libc::SYS_mknodat, device_rules(2)?);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_mknod, device_rules(1)?);
        let mut numbers: Vec<libc::c_long> =
            allowed::ALLOWED.iter().copied().flatten().chain(allowed::ALLOWED_HERE).copied().collect();
        let (allowed, denied) = (by_number::allow(&numbers), program(rules.clone(), libc::EPERM)?);
        numbers.push(libc::SYS_setns);
        rules.remove(&libc::SYS_setns);
        let zygotes = [by_number::allow(&numbers), program(rules, libc::EPERM)?];
        Ok(Filters { allowed, denied, zygotes })
    }

    /// Confines the calling thread and all it starts. `no_new_privs` must be set.
    pub(crate) fn apply(&self) -> io::Result<()> {
        apply_filter(&self.allowed).map_err(io::Error::other)?;
        // Of two refusals the later filter's counts.
        apply_filter(&self.denied).map_err(io::Error::other)
    }

    /// The same for a process whose children enter sandboxes: `setns` is left to it.
    pub(crate) fn apply_to_zygote(&self) -> io::Result<()> {
        self.zygotes.iter().try_for_each(|filter| apply_filter(filter).map_err(io::Error::other))
    }

    /// In the order of their application, as the kernel takes them.
    pub(crate) fn instructions(&self) -> [Vec<Instruction>; 2] {
        [&self.allowed, &self.denied].map(|program| {
            program.iter().map(|filter| (filter.code, filter.jt, filter.jf, filter.k)).collect()
        })
    }
}

/// `struct sock_filter`.
pub(crate) type Instruction = (u16, u8, u8, u32);

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn condition(argument: u8, op: Op, value: u64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(argument, Len::Qword, op, value).map_err(|error| error.to_string())
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions).map_err(|error| error.to_string())
}

/// One rule per flag: any of them is refused.
fn clone_rules() -> Result<Vec<SeccompRule>, String> {
    (0..64)
        .map(|bit| 1u64 << bit)
        .filter(|flag| NAMESPACE_FLAGS & flag != 0)
        .map(|flag| rule(vec![condition(0, Op::MaskedEq(flag), flag)?]))
        .collect()
}

/// Pipes and files may be made, device files not. The kind is in this argument.
fn device_rules(argument: u8) -> Result<Vec<SeccompRule>, String> {
    let kind = |kind: u32| rule(vec![condition(argument, Op::MaskedEq(libc::S_IFMT.into()), kind.into())?]);
    Ok(vec![kind(libc::S_IFCHR)?, kind(libc::S_IFBLK)?])
}

fn socket_rules() -> Result<Vec<SeccompRule>, String> {
    let family = |family: libc::c_int| {
        SeccompCondition::new(0, Len::Dword, Op::Ne, family as u64).map_err(|error| error.to_string())
    };
    let others = rule(ALLOWED_FAMILIES.into_iter().map(family).collect::<Result<_, _>>()?)?;
    // The low bits of the type, without SOCK_CLOEXEC and SOCK_NONBLOCK.
    let raw = rule(vec![condition(1, Op::MaskedEq(0xf), libc::SOCK_RAW as u64)?, family(libc::AF_NETLINK)?])?;
    let packet = rule(vec![condition(1, Op::MaskedEq(0xf), SOCK_PACKET)?])?;
    // Of netlink only what lists interfaces and addresses.
    let dword = |argument, op, value: libc::c_int| {
        SeccompCondition::new(argument, Len::Dword, op, value as u64).map_err(|error| error.to_string())
    };
    let netlink = rule(vec![dword(0, Op::Eq, libc::AF_NETLINK)?, dword(2, Op::Ne, libc::NETLINK_ROUTE)?])?;
    Ok(vec![others, raw, packet, netlink])
}

fn program(rules: Rules, errno: i32) -> Result<BpfProgram, String> {
    let arch = std::env::consts::ARCH.try_into().map_err(|error| format!("{error:?}"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno as u32), arch);
    filter.and_then(TryInto::try_into).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile() {
        assert!(Filters::compile().is_ok());
    }
}
