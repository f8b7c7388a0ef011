//! Who asks, for what: the front's reading of a request's head. Input: `METHOD URI`, then a header a line.

use http::request::Parts;
use lambent_domain::{AccountId, Region, Scope};
use lambent_http_front::route;

/// The identity is of the alphabets that keys have, and an invoke is one only with a label.
pub fn run(data: &[u8]) {
    let Some(head) = head(data) else {
        return;
    };
    let (Some(account), Some(region)) = (AccountId::parse("123456789012"), Region::parse("us-east-1")) else {
        unreachable!()
    };
    let identity = route::identify(&head, &Scope { account, region });
    assert!(AccountId::parse(identity.scope.account.as_str()).is_some());
    assert!(Region::parse(identity.scope.region.as_str()).is_some());
    assert_eq!(identity.caller.account, identity.scope.account);
    let service = route::service_name(&head, &identity);
    assert!(
        identity.service.is_none() || service == Some("_lambent") || service == identity.service.as_deref()
    );
    if route::is_invoke(&head, &identity) {
        let label = route::function_label(head.uri.path()).expect("an invoke has a label");
        assert!(!label.is_empty() && !label.contains('/'));
        crate::names::run(route::decode(label).as_bytes());
    }
    let _ = route::host(&head);
    let _ = route::query_value(&head, "Qualifier");
}

/// A head as an HTTP server would hand it on; `None` when it would not.
pub(crate) fn head(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, uri) = first.split_once(' ')?;
    let mut request = http::Request::builder().method(method).uri(uri);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    Some(request.body(()).ok()?.into_parts().0)
}
