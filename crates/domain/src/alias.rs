//! An alias: a name for a version, or for two with a weight.

use crate::ident::RevisionId;
use crate::version::VersionNumber;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// Gets every request that the weighted version does not.
    pub version: VersionNumber,
    /// Up to 256 characters.
    pub description: String,
    /// `RoutingConfig`: another published version, and which share of the requests it gets.
    pub weighted: Option<Weighted>,
    /// Shown, and guards conditional updates. Its own: the function's does not change with it (recorded).
    pub revision_id: RevisionId,
}

/// The one entry that `AdditionalVersionWeights` may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// A published version.
    pub version: u64,
    /// Within `0.0..=1.0`.
    pub weight: f64,
}

impl Alias {
    /// The version of one request. `draw` gives a number in `0.0..1.0`.
    pub fn pick(&self, draw: impl FnOnce() -> f64) -> VersionNumber {
        match self.weighted {
            Some(weighted) if draw() < weighted.weight => VersionNumber::Published(weighted.version),
            _ => self.version,
        }
    }

    /// Whether requests may get this version.
    pub fn points_at(&self, number: VersionNumber) -> bool {
        self.version == number
            || self.weighted.is_some_and(|weighted| VersionNumber::Published(weighted.version) == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide_which_version_a_request_gets() {
        let mut alias = Alias {
            version: VersionNumber::Published(1),
            description: String::new(),
            weighted: Some(Weighted { version: 2, weight: 0.25 }),
            revision_id: RevisionId::from_random([0; 16]),
        };
        assert_eq!(alias.pick(|| 0.2), VersionNumber::Published(2));
        assert_eq!(alias.pick(|| 0.25), VersionNumber::Published(1));
        alias.weighted = None;
        assert_eq!(alias.pick(|| unreachable!("nothing to draw for")), VersionNumber::Published(1));
        assert!(!alias.points_at(VersionNumber::Published(2)));
    }
}
