//! Randomness as an argument.

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Sixteen fresh bytes: enough for a UUID or a stream name.
    fn bytes16(&self) -> [u8; 16];
}

/// The kernel's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn bytes16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the kernel's random generator answers");
        bytes
    }
}
