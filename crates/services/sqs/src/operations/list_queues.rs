//! ListQueues: by name, at most a thousand; a token only for those who say how many they want.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_api_kit::{Context, Handle};
use lambent_wire::sqs::operations::ListQueues;
use lambent_wire::sqs::operations::list_queues::{ListQueuesRequest, ListQueuesResult};

use crate::{Sqs, SqsFault, name};

/// AWS documentation.
const MAX_RESULTS: usize = 1_000;

/// A page of `names` behind what the token says; the next token.
pub(super) fn page<T>(
    mut found: Vec<T>,
    max_results: Option<i32>,
    name: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>), SqsFault> {
    let limit = match max_results {
        None => MAX_RESULTS,
        Some(wanted) => {
            usize::try_from(wanted).ok().filter(|wanted| (1..=MAX_RESULTS).contains(wanted)).ok_or_else(
                || SqsFault::value(wanted, "MaxResults", "Must be between 1 and 1000, if provided."),
            )?
        }
    };
    let more = found.len() > limit && max_results.is_some();
    found.truncate(limit);
    let token = found.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(name(last)));
    Ok((found, token))
}

/// The name that a page ended with.
pub(super) fn after(token: Option<&str>) -> Result<String, SqsFault> {
    let Some(token) = token else { return Ok(String::new()) };
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| SqsFault::Parameter("Invalid or expired next token.".into()))
}

impl Handle<ListQueues> for Sqs {
    type Fault = SqsFault;

    async fn handle(&self, context: Context, input: ListQueuesRequest) -> Result<ListQueuesResult, SqsFault> {
        let prefix = input.queue_name_prefix.unwrap_or_default();
        let after = after(input.next_token.as_deref())?;
        let mut found = self.store.queues(&context.scope, &after);
        found.retain(|queue| queue.name.starts_with(&prefix));
        let (found, next_token) = page(found, input.max_results, |queue| &queue.name)?;
        let urls: Vec<String> = found.iter().map(|queue| name::url(&context.base_url, queue)).collect();
        Ok(ListQueuesResult { queue_urls: (!urls.is_empty()).then_some(urls), next_token })
    }
}
