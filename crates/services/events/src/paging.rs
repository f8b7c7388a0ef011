//! Pages of lists: a token says behind which name the next one begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::EventsFault;

/// What a list gives unless it is asked for less; also the most it may be asked for (model).
const MAX_ITEMS: usize = 100;

/// One page of what comes in the order of `name`, and the token of the next.
pub(crate) fn page<T>(
    all: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &str,
    token: Option<&str>,
    limit: Option<i32>,
) -> Result<(Vec<T>, Option<String>), EventsFault> {
    let after = token.map(decoded).transpose()?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_ITEMS);
    let behind = |item: &T| after.as_deref().is_none_or(|after| name(item) > after);
    let mut page: Vec<T> = all.filter(behind).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let token = page.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(name(last)));
    Ok((page, token))
}

fn decoded(token: &str) -> Result<String, EventsFault> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| EventsFault::parameter("NextToken"))
}
