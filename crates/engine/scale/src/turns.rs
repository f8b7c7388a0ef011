//! How many environments are started at a time. A start takes a processor: two for each core, and every one more only
//! makes all of them slower, and whoever is warm beside them. But an init may also wait, for a network say; then more of
//! them are started, as long as processors are idle.

/// Nobody gets more than this many times as many as at first: each holds memory that has not been seen.
const MOST: usize = 16;
/// Share of the processors' time that must have been idle for more starts.
const IDLE: f64 = 0.4;
/// Below this share there are too many.
const BUSY: f64 = 0.15;

/// Starts at a time.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    first: usize,
    now: usize,
}

impl Turns {
    /// At first.
    pub fn new(first: usize) -> Self {
        Turns { first, now: first }
    }

    /// Now.
    pub fn count(self) -> usize {
        self.now
    }

    /// Some time has passed. `idle` is the share of the processors' time that nobody took meanwhile; `all_taken` says that
    /// somebody waits for a turn.
    pub fn adjust(&mut self, idle: f64, all_taken: bool) {
        if all_taken && idle >= IDLE {
            self.now = (self.now * 2).min(self.first * MOST);
        } else if !all_taken || idle < BUSY {
            self.now = (self.now / 2).max(self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_processors_give_more_turns_and_busy_ones_take_them_back() {
        let mut turns = Turns::new(4);
        let mut after = |idle: f64, all_taken: bool| {
            turns.adjust(idle, all_taken);
            turns.count()
        };
        assert_eq!([after(0.0, true), after(0.9, false), after(0.9, true), after(0.4, true)], [4, 4, 8, 16]);
        assert_eq!([after(0.3, true), after(0.1, true), after(0.9, true)], [16, 8, 16]);
        assert_eq!((0..9).map(|_| after(1.0, true)).last(), Some(64));
        assert_eq!([after(1.0, false), after(1.0, false)], [32, 16]);
    }
}
