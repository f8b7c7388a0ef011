//! Randomness as an argument.

use std::cell::RefCell;

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Sixteen fresh bytes: enough for a UUID or a stream name.
    fn bytes16(&self) -> [u8; 16];
}

/// The kernel's generator. Asked for a few hundred bytes at a time: a warm invoke takes sixteen of them three times, and
/// each call of the kernel costs it a hundredth of its time. No process that uses this may go on after a fork.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

const STOCK: usize = 512;

struct Stock {
    bytes: [u8; STOCK],
    used: usize,
}

thread_local! {
    static FRESH: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], used: STOCK }) };
}

impl Random for SystemRandom {
    fn bytes16(&self) -> [u8; 16] {
        FRESH.with_borrow_mut(|stock| {
            if stock.used == STOCK {
                getrandom::fill(&mut stock.bytes).expect("the kernel's random generator answers");
                stock.used = 0;
            }
            let next = &mut stock.bytes[stock.used..stock.used + 16];
            stock.used += 16;
            let mut bytes = [0; 16];
            // What has been given away is not kept: it may be a secret.
            bytes.swap_with_slice(next);
            bytes
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_given_twice() {
        let take = || (0..500).map(|_| SystemRandom.bytes16()).collect::<Vec<_>>();
        let other = std::thread::spawn(take);
        let all: HashSet<_> = take().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(all.len(), 1_000);
        assert!(!all.contains(&[0; 16]));
    }
}
