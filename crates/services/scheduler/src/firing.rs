//! Schedules that are due. Between two times nothing runs: the loop sleeps until the next one.
//!
//! What was due while no server ran: of each schedule the last time, once, unless it is older than its target's
//! `MaximumEventAgeInSeconds`. That is judgement: AWS's scheduler is never down, and delivers late within that age.

use std::sync::Arc;
use std::time::Duration;

use lambent_domain::RequestId;
use lambent_ports::outbox::Change;
use tokio::sync::watch;

use crate::calls::{Occasion, dispatch};
use crate::record::{Schedule, ScheduleKey};
use crate::state::Write;
use crate::{Scheduler, SchedulerFault};

/// The wall clock may be set: a sleep is not longer than this.
const MAX_SLEEP_MS: u64 = 900_000;
/// How long is waited when the storage fails.
const AFTER_TROUBLE_MS: u64 = 1_000;
/// Times that are looked at for one that was missed last.
const MAX_MISSED: usize = 100_000;

impl Schedule {
    /// The last time that is due at `now_ms`; none when it comes too late.
    fn due_at(&self, now_ms: u64) -> Option<u64> {
        let max_late_ms = u64::from(self.target.retries().max_age_s) * 1_000;
        let from_ms = self.seen_ms.max(now_ms.saturating_sub(max_late_ms + 1));
        let times = std::iter::successors(self.next_ms(from_ms), |at_ms| self.next_ms(*at_ms));
        times.take_while(|at_ms| *at_ms <= now_ms).take(MAX_MISSED).last()
    }
}

impl Scheduler {
    /// Fires what is due, until `stop` turns true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change comes unseen in between.
            changed.as_mut().enable();
            let pause_ms = match self.fire_due().await {
                Ok(next_ms) => {
                    next_ms.map(|next_ms| next_ms.saturating_sub(self.parts.clock.now_ms()).min(MAX_SLEEP_MS))
                }
                Err(error) => {
                    tracing::error!(?error, "schedules that are due could not be noted; trying again");
                    Some(AFTER_TROUBLE_MS)
                }
            };
            tokio::select! {
                () = sleep(pause_ms) => {}
                () = changed => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.state().due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Fires what is due now, in one commit; when the next schedule is due.
    pub async fn fire_due(&self) -> Result<Option<u64>, SchedulerFault> {
        let now_ms = self.parts.clock.now_ms();
        let next_ms = self.next_due_ms();
        if next_ms.is_none_or(|next_ms| next_ms > now_ms) {
            return Ok(next_ms);
        }
        let _turn = self.turns.lock().await;
        let due: Vec<ScheduleKey> = {
            let state = self.state();
            state.due.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).map(|(_, key)| key.clone()).collect()
        };
        let (mut writes, mut changes) = (Vec::new(), Vec::new());
        for key in due {
            let schedule = self.state().schedule(&key)?;
            changes
                .extend(schedule.due_at(now_ms).and_then(|at_ms| self.fired(&key, &schedule, at_ms, now_ms)));
            let seen = Schedule { seen_ms: now_ms, ..Schedule::clone(&schedule) };
            // With its last time a schedule is over, though its target may not have taken it yet (judgement).
            writes.push(match seen.due_ms() {
                None if seen.delete_when_over => Write::DeleteSchedule(key),
                _ => Write::Schedule(key, Box::new(seen)),
            });
        }
        self.write(writes, changes).await?;
        Ok(self.next_due_ms())
    }

    fn fired(&self, key: &ScheduleKey, schedule: &Schedule, at_ms: u64, now_ms: u64) -> Option<Change> {
        let execution = RequestId::from_random(self.parts.random.bytes16()).to_string();
        let occasion = Occasion { key, at_ms, execution };
        let window_ms = u64::from(schedule.window_min.unwrap_or(0)) * 60_000;
        // Anywhere within the window, which begins with the time that was meant.
        let due_ms = at_ms + window_ms.checked_sub(1).map_or(0, |last_ms| self.number() % last_ms.max(1));
        let mut dispatch = dispatch(&occasion, schedule)?;
        // Its age counts from when it is tried first.
        dispatch.accepted_ms = due_ms.max(now_ms);
        Some(dispatch.send_at(dispatch.accepted_ms))
    }

    fn number(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.parts.random.bytes16();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

async fn sleep(pause_ms: Option<u64>) {
    match pause_ms {
        Some(pause_ms) => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
        None => std::future::pending().await,
    }
}
