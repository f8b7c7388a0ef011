//! How many there are of something, and the most of each minute.

/// A count that goes up and down.
#[derive(Clone, Debug, Default)]
pub(super) struct Peak {
    now: u64,
    minute: u64,
    most: u64,
    past: Vec<(u64, u64)>,
}

impl Peak {
    /// More, or with a negative number fewer.
    pub(super) fn change(&mut self, by: i64, minute: u64) {
        self.go_to(minute);
        self.now = self.now.saturating_add_signed(by);
        self.most = self.most.max(self.now);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.now == 0 && self.most == 0 && self.past.is_empty()
    }

    /// The most of each minute since it was asked last, of those that had any.
    pub(super) fn take(&mut self, minute: u64) -> Vec<(u64, u64)> {
        self.go_to(minute);
        let mut minutes = std::mem::take(&mut self.past);
        if self.most > 0 {
            minutes.push((self.minute, self.most));
            self.most = self.now;
        }
        minutes
    }

    /// A clock that goes back stays where it was.
    fn go_to(&mut self, minute: u64) {
        if minute <= self.minute {
            return;
        }
        if self.most > 0 {
            self.past.push((self.minute, self.most));
        }
        (self.minute, self.most) = (minute, self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minute_has_its_most() {
        let mut peak = Peak::default();
        peak.change(1, 7);
        peak.change(1, 7);
        peak.change(-1, 7);
        peak.change(1, 9);
        assert_eq!(peak.take(9), [(7, 2), (9, 2)]);
        peak.change(-2, 9);
        assert_eq!(peak.take(10), [(9, 2)]);
        assert!(peak.is_idle());
        assert_eq!(peak.take(11), []);
    }
}
