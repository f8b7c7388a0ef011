//! A thread that must not wait for a processor.

/// How long the thread wants to run at a time, ns: the least that the kernel takes. Whoever wants less is let in before
/// the one that runs has used up its own.
const SLICE_NS: u64 = 100_000;

#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

fn read() -> Option<Attributes> {
    let mut attributes = Attributes::default();
    let size = size_of::<Attributes>();
    // SAFETY: the kernel writes at most `size` bytes to where they all have room; every value is valid in each field.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    (result == 0).then_some(attributes)
}

/// Has the calling thread woken in shorter time on a busy machine, beside interpreters that boot. It gets no larger share
/// of the processor. Kernels before 6.12 take no notice, and one that refuses it is none the worse.
pub fn favour_this_thread() {
    // Everything else is set by the same call: it stays as it is.
    let Some(attributes) = read() else { return };
    if attributes.policy != libc::SCHED_OTHER as u32 {
        return;
    }
    let attributes = Attributes { runtime: SLICE_NS, ..attributes };
    // SAFETY: the kernel reads as many bytes as `size` says, and changes nothing but the calling thread's scheduling.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_slice_is_changed() {
        let before = read().unwrap();
        favour_this_thread();
        let after = read().unwrap();
        assert_eq!((before.nice, before.policy), (after.nice, after.policy));
        // Zero where the kernel knows no slices of threads.
        assert!(before.runtime == 0 || after.runtime == SLICE_NS, "{} {}", before.runtime, after.runtime);
    }
}
