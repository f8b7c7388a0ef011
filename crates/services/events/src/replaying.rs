//! Replays: an archive's events come to their bus again, a page at a time. A page's messages and how far the replay has
//! come are one commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lambent_domain::RequestId;
use lambent_ports::outbox::{Entry, Page};
use tokio::sync::watch;

use crate::dispatching::Arrived;
use crate::event::Envelope;
use crate::record::{BusKey, NameKey, Replay, ReplayState};
use crate::state::Write;
use crate::{Events, EventsFault};

const PAGE_EVENTS: usize = 100;
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

impl Events {
    /// Replays what is to be replayed, until `stop` turns true.
    pub async fn run_replays(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let changed = self.replays_changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            while let Some(key) = self.unfinished() {
                if *stop.borrow() {
                    return;
                }
                if let Err(error) = self.replay_page(&key).await {
                    tracing::error!(?error, replay = key.name, "a replay could not go on; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(AFTER_TROUBLE) => {}
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                }
            }
            tokio::select! {
                () = changed => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn unfinished(&self) -> Option<NameKey> {
        let state = self.state();
        state.replays.iter().find(|(_, replay)| !replay.state.is_over()).map(|(key, _)| key.clone())
    }

    async fn replay_page(&self, key: &NameKey) -> Result<(), EventsFault> {
        let Some(replay) = self.state().replays.get(key).cloned() else { return Ok(()) };
        let page = Page {
            from_ms: replay.from_ms,
            until_ms: replay.until_ms,
            after: replay.position,
            entries: PAGE_EVENTS,
        };
        let entries = self.parts.outbox.journal(&replay.journal, page).await?;
        let _turn = self.turns.lock().await;
        // It may have been stopped meanwhile.
        let Some(replay) = self.state().replays.get(key).cloned() else { return Ok(()) };
        let now_ms = self.parts.clock.now_ms();
        let mut next = Replay::clone(&replay);
        let mut changes = Vec::new();
        if replay.state == ReplayState::Cancelling {
            (next.state, next.ended_ms) = (ReplayState::Cancelled, Some(now_ms));
        } else if entries.is_empty() {
            (next.state, next.ended_ms) = (ReplayState::Completed, Some(now_ms));
        } else {
            next.state = ReplayState::Running;
            next.position = entries.last().map(|entry| (entry.at_ms, entry.number));
            changes = self.replayed(key, &replay, &entries, now_ms);
        }
        self.write(vec![Write::Replay(key.clone(), next)], changes).await
    }

    fn replayed(
        &self,
        key: &NameKey,
        replay: &Replay,
        entries: &[Entry],
        now_ms: u64,
    ) -> Vec<lambent_ports::outbox::Change> {
        let bus = BusKey { scope: key.scope.clone(), bus: replay.bus.clone() };
        let filters: Option<HashSet<String>> =
            replay.filters.as_ref().map(|filters| filters.iter().cloned().collect());
        let state = self.state();
        let events = entries.iter().filter_map(|entry| {
            let event = Envelope::read(std::str::from_utf8(&entry.body).ok()?, &key.scope)?;
            let id = RequestId::from_random(self.parts.random.bytes16()).to_string();
            Some(Envelope { id, replay: Some(key.name.clone()), ..event })
        });
        events
            .flat_map(|event| {
                let arrived = Arrived { bus: &bus, event: &event, now_ms, passed_on: false };
                state.changes_for_replay(&arrived, filters.as_ref())
            })
            .collect()
    }
}
