//! Schedule expressions. Input: the expression in the first line, a time zone in the second.

use std::time::{Duration, Instant};

use lambent_cron::{Expression, Zone};

/// Far above what any expression takes, far below what hurts.
const ENOUGH: Duration = Duration::from_secs(2);
/// 2024-01-01, and what a rate counts from.
const AFTER_MS: u64 = 1_704_067_200_000;

/// An expression is understood or refused, and its times only ever go forward, in bounded time.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (expression, zone) = text.split_once('\n').unwrap_or((&text, "UTC"));
    let begun = Instant::now();
    let zone = Zone::find(zone.trim()).unwrap_or_else(Zone::utc);
    if Expression::of_rule(expression).is_ok() {
        assert!(Expression::of_schedule(expression).is_ok(), "what a rule may have, a schedule may");
    }
    if let Ok(expression) = Expression::of_schedule(expression) {
        let mut now_ms = AFTER_MS;
        for _ in 0..8 {
            let Some(next_ms) = expression.next_ms(now_ms, AFTER_MS, &zone) else { break };
            assert!(next_ms > now_ms, "{next_ms} is not after {now_ms}");
            now_ms = next_ms;
        }
    }
    assert!(begun.elapsed() < ENOUGH, "took {:?}", begun.elapsed());
}
