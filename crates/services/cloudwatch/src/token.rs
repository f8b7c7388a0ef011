//! Tokens of pages: a number behind a word that says whose it is.

use crate::CloudWatchFault;

pub(crate) fn write(of: &str, place: u64) -> String {
    format!("{of}/{place}")
}

pub(crate) fn read(of: &str, token: Option<&str>) -> Result<u64, CloudWatchFault> {
    let Some(token) = token else { return Ok(0) };
    let place = token.strip_prefix(of).and_then(|rest| rest.strip_prefix('/'));
    place.and_then(|place| place.parse().ok()).ok_or(CloudWatchFault::NextToken)
}
