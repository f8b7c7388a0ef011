//! TestEventPattern: whether a pattern matches an event. The event has to have an envelope.

use lambent_api_kit::{Context, Handle};
use lambent_event_pattern::{Event, Pattern};
use lambent_wire::events::operations::TestEventPattern;
use lambent_wire::events::operations::test_event_pattern::{
    TestEventPatternRequest, TestEventPatternResponse,
};

use crate::{Events, EventsFault};

impl Handle<TestEventPattern> for Events {
    type Fault = EventsFault;

    async fn handle(
        &self,
        _context: Context,
        input: TestEventPatternRequest,
    ) -> Result<TestEventPatternResponse, EventsFault> {
        let pattern = Pattern::compile(&input.event_pattern)?;
        let event = Event::parse(&input.event).map_err(|_| EventsFault::parameter("Event"))?;
        Ok(TestEventPatternResponse { result: Some(pattern.matches(&event)) })
    }
}
