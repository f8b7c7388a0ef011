//! Lambda's router. Input: `METHOD /path?query`.

use lambent_kit::smithy::router::{Route, route};
use lambent_wire::lambda::ROUTES;

/// A match's labels are never empty and are the route's own; a slash at the end changes nothing.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (method, uri) = text.split_once(' ').unwrap_or(("GET", &text));
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let Some(found) = route(ROUTES, method, path, query) else {
        return;
    };
    let taken = ROUTES.iter().find(|route| route.operation == found.operation).expect("a route of the model");
    assert_eq!(taken.method, method);
    let names: Vec<String> = found.labels.iter().map(|(name, _)| format!("{{{name}}}")).collect();
    let expected: Vec<&str> =
        taken.segments.iter().copied().filter(|segment| segment.starts_with('{')).collect();
    assert_eq!(names, expected, "labels of {}", found.operation);
    assert!(found.labels.iter().all(|(_, text)| !text.is_empty()), "an empty label of {}", found.operation);
    // An ARN's label may hold raw slashes only when nothing else fits the path.
    let path_parts = parts(path);
    if taken.query.is_none() && ROUTES.iter().any(|route| route.method == method && fits(route, &path_parts))
    {
        assert_eq!(taken.segments.len(), path_parts.len(), "{} swallows words", found.operation);
    }
    if !path.ends_with('/') {
        assert_eq!(route(ROUTES, method, &format!("{path}/"), query).as_ref(), Some(&found));
    }
}

fn parts(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/').collect()
}

/// Segment by segment.
fn fits(route: &Route, parts: &[&str]) -> bool {
    let label = |text: &str| !text.is_empty() && percent_decodes(text);
    route.query.is_none()
        && route.segments.len() == parts.len()
        && route
            .segments
            .iter()
            .zip(parts)
            .all(|(segment, part)| if segment.starts_with('{') { label(part) } else { segment == part })
}

/// Whether a label is UTF-8 when it is decoded.
fn percent_decodes(text: &str) -> bool {
    !lambent_http_front::route::decode(text).contains(char::REPLACEMENT_CHARACTER)
}
