//! The filter that knows system calls by their numbers alone. The kernel runs it for every number when a process is
//! confined, so that an allowed call costs nothing later; a search tree keeps that short.

use seccompiler::{BpfProgram, sock_filter};

/// The kernel's name for the architecture that this is compiled for.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;
/// The x32 calls of x86_64: the same calls under other numbers, which no list knows.
const X32_BIT: u32 = 0x4000_0000;
/// Where `seccomp_data` has them.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

fn statement(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn answer(action: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

fn errno(errno: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno as u32)
}

/// Allows these numbers; others don't exist. Another architecture's call ends the process.
pub(super) fn allow(numbers: &[libc::c_long]) -> BpfProgram {
    let mut program = vec![
        load(ARCHITECTURE_AT),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, 0, ARCHITECTURE),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_AT),
        statement(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, X32_BIT),
        errno(libc::EPERM),
    ];
    search(&ranges(numbers), &mut program);
    program
}

/// Numbers without gaps: first, and first that is not one of them.
fn ranges(numbers: &[libc::c_long]) -> Vec<(u32, u32)> {
    let mut sorted: Vec<u32> = numbers.iter().map(|number| *number as u32).collect();
    sorted.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in sorted {
        match ranges.last_mut() {
            Some((_, end)) if *end >= number => *end = number + 1,
            _ => ranges.push((number, number + 1)),
        }
    }
    ranges
}

fn search(ranges: &[(u32, u32)], program: &mut BpfProgram) {
    let at_least = |jt, jf, number| statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, jt, jf, number);
    match ranges {
        [] => program.push(errno(libc::ENOSYS)),
        [(first, end)] => program.extend([
            at_least(0, 1, *first),
            at_least(0, 1, *end),
            errno(libc::ENOSYS),
            answer(libc::SECCOMP_RET_ALLOW),
        ]),
        _ => {
            let (below, above) = ranges.split_at(ranges.len() / 2);
            let mut lower = Vec::new();
            search(below, &mut lower);
            // A jump that may be longer than a conditional one's 255.
            program.push(at_least(0, 1, above[0].0));
            program.push(statement(libc::BPF_JMP | libc::BPF_JA, 0, 0, lower.len() as u32));
            program.append(&mut lower);
            search(above, program);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer.
    fn run(program: &BpfProgram, number: u32, architecture: u32) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = &program[at];
            let code = u32::from(step.code);
            at += 1;
            let jump = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
            match code & 0x07 {
                libc::BPF_LD => loaded = if step.k == NUMBER_AT { number } else { architecture },
                libc::BPF_RET => return step.k,
                _ => {
                    at += match code & 0xf0 {
                        libc::BPF_JA => step.k as usize,
                        libc::BPF_JEQ => jump(loaded == step.k),
                        libc::BPF_JGE => jump(loaded >= step.k),
                        _ => jump(loaded & step.k != 0),
                    }
                }
            }
        }
    }

    #[test]
    fn exactly_the_numbers_that_were_given_are_allowed() {
        for numbers in
            [vec![], vec![7], vec![0, 1, 2, 5, 9, 10, 300, 301, 460], (3..250).step_by(2).collect()]
        {
            let program = allow(&numbers);
            for number in 0..600 {
                let expected = match numbers.contains(&libc::c_long::from(number)) {
                    true => libc::SECCOMP_RET_ALLOW,
                    false => libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
                };
                assert_eq!(run(&program, number, ARCHITECTURE), expected, "{number} of {numbers:?}");
            }
            assert_eq!(
                run(&program, X32_BIT + 7, ARCHITECTURE),
                libc::SECCOMP_RET_ERRNO | libc::EPERM as u32
            );
            assert_eq!(run(&program, 7, 0x4000_0003), libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
}
