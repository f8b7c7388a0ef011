//! CloudWatch Logs' filter patterns. Input: the pattern in the first line, messages in the others.

use std::time::{Duration, Instant};

use lambent_logs::pattern::Pattern;

/// Far above what any pattern of the allowed length takes, far below what hurts.
const ENOUGH: Duration = Duration::from_secs(5);

/// A pattern is understood or refused, and decides about any message, in bounded time.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, messages) = text.split_once('\n').unwrap_or((&text, ""));
    let begun = Instant::now();
    match Pattern::parse(pattern) {
        Ok(parsed) => {
            for message in messages.split('\n').chain([messages]) {
                let matched = parsed.matches(message);
                assert!(matched || !pattern.trim().is_empty(), "the empty pattern matches everything");
            }
        }
        Err(invalid) => assert!(!invalid.0.is_empty(), "a refusal says why"),
    }
    assert!(begun.elapsed() < ENOUGH, "took {:?}", begun.elapsed());
}
